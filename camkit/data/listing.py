"""Which image files there are: below a folder, by a glob, in a list."""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike, fsdecode, path
from pathlib import Path

from camkit.data.file_names import same_name
from camkit.data.images import SUFFIXES
from camkit.data.refusal import Refused
from camkit.data.sources import read_file, walk_files
from camkit.errors import CamkitError

MAX_LIST_BYTES = 1 << 32
WILDCARDS = "*?["


@dataclass(frozen=True)
class ImageFile:
    """An image file and the name that it has in every output.

    Attributes
    ----------
    path : Path
        Where the file lies.
    name : str
        Relative, with forward slashes, without "..", and unique among the files found together.
    """

    path: Path
    name: str


def find_images(spec: str | Path | Sequence[str | Path]) -> list[ImageFile]:
    """List the image files that a user means.

    Parameters
    ----------
    spec : str, Path, or a sequence of them
        Each one of: a folder, searched recursively for the suffixes of image files, hidden files and folders left out,
        symbolic links followed; a file, whatever its suffix; a glob, with ``**`` for any depth, whose matches are taken
        as if they were given themselves, hidden ones left out; ``@list.txt``, a UTF-8 text file with the path of one
        file a line, absolute or relative to the text file's folder, blank lines and lines that begin with # left out.
        What exists under the very name given is taken as that, even with a ``*`` or an ``@`` in its name.

    Returns
    -------
    list of ImageFile
        In the order of `spec`, and sorted by path within a folder or a glob. A file that was reached twice is listed
        once. A name is the path below the folder given (below a glob's fixed part, below a list's folder), else the
        file's own name; where two names clash, both are lengthened by their parent folders until they differ.

    Raises
    ------
    CamkitError
        Something does not exist, cannot be listed, or holds no image.
    """
    specs = [spec] if isinstance(spec, str | PathLike) else list(spec)
    if not specs:
        raise CamkitError("no images given: name a folder, a file, a glob, or @list.txt")
    found: dict[Path, tuple[Path, Path]] = {}
    for root, files in map(_expand, specs):
        for file in files:
            # A link to a folder must not list its files twice; a link to a file is a file of its own.
            found.setdefault(Path(path.realpath(file.parent), file.name), (root, file))
    names = _unique_names(list(found.values()))
    return [ImageFile(file, name) for (_, file), name in zip(found.values(), names, strict=True)]


def _expand(spec: str | Path) -> tuple[Path, list[Path]]:
    """Give the files that one spec means, and the folder below which their paths are their names."""
    given = Path(spec)
    if path.isdir(given):
        root, files = given, _images_below(given)
        why = f"no images below the folder {str(spec)!r}: it should hold {' '.join(sorted(SUFFIXES))} files"
    elif path.lexists(given):
        return given.parent, [given]
    elif str(spec).startswith("@"):
        listing = Path(str(spec)[1:])
        root, files = listing.parent, _listed(listing)
        why = f"the list {str(listing)!r} names no image: it should be a text file with one path a line"
    elif any(character in str(spec) for character in WILDCARDS):
        root = _fixed_part(given)
        files = _matches(root, str(given.relative_to(root)))
        why = f"no image matches {str(spec)!r}: check the pattern (* is one folder deep, ** any depth)"
    else:
        raise CamkitError(f"no such file or folder: {str(spec)!r}; check the path and its rights")
    if not files:
        raise CamkitError(why)
    return root, files


def _images_below(root: Path) -> list[Path]:
    return sorted(file for file in walk_files(root, hidden=False) if file.suffix.lower() in SUFFIXES)


def _matches(root: Path, pattern: str) -> list[Path]:
    try:
        matches = sorted(root.glob(pattern))
    except (ValueError, OSError) as error:
        raise CamkitError(f"the glob {pattern!r} cannot be searched: {error}; give a folder instead") from None
    visible = [match for match in matches if not any(part.startswith(".") for part in match.relative_to(root).parts)]
    return [file for match in visible for file in (_images_below(match) if path.isdir(match) else [match])]


def _listed(listing: Path) -> list[Path]:
    try:
        content = read_file(listing, MAX_LIST_BYTES)
    except Refused as refusal:
        raise CamkitError(f"the list {str(listing)!r} cannot be read: {refusal}") from None
    if b"\0" in content:  # as UTF-16 has them
        raise CamkitError(f"the list {str(listing)!r} cannot be read: it is not UTF-8 text; save it as UTF-8")
    # A name that is no UTF-8 is taken byte for byte, as the file system has it; other line ends are part of names.
    lines = [fsdecode(line).strip(" \t\r") for line in content.removeprefix(BOM_UTF8).split(b"\n")]
    return [_found(listing.parent, line) for line in lines if line and not line.startswith("#")]


def _found(folder: Path, line: str) -> Path:
    """The file that a line of a list means; what is not there stays as it is written, and fails by that name."""
    given = folder / line
    if path.lexists(given) or Path(line).is_absolute():
        return given
    return Path(same_name(str(folder), line) or given)


def _fixed_part(given: Path) -> Path:
    """What comes before the first wildcard; a bracket in the name of a folder that exists is none."""
    root = Path()
    for part in given.parts:
        if any(character in part for character in WILDCARDS) and not path.lexists(root / part):
            return root
        root /= part
    return root


def _unique_names(roots_and_files: list[tuple[Path, Path]]) -> list[str]:
    files, depths = [], []
    for root, file in roots_and_files:
        absolute, above = Path(path.abspath(file)), Path(path.abspath(root))
        files.append(absolute.parts[1:])
        depths.append(len(absolute.relative_to(above).parts) if absolute.is_relative_to(above) else 1)
    while True:
        names = ["/".join(parts[-depth:]) for parts, depth in zip(files, depths, strict=True)]
        clashing = {name for name, count in Counter(names).items() if count > 1}
        if not clashing:
            return names
        longer = [min(d + (n in clashing), len(f)) for d, n, f in zip(depths, names, files, strict=True)]
        if longer == depths:
            raise CamkitError(f"two images would both be named {min(clashing)!r}: give them in two runs")
        depths = longer
