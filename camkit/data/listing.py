"""Which image files there are: below a folder, by a glob, in a list, in an archive."""

import os
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from os import PathLike, fsdecode, path
from pathlib import Path

from camkit.data.file_names import SUFFIXES, same_name
from camkit.data.image_file import ImageFile
from camkit.data.image_list import ImageList
from camkit.data.members import is_archive, members
from camkit.data.refusal import Refused
from camkit.data.remote import is_uri, remote_images
from camkit.data.sources import opened_file
from camkit.errors import CamkitError

__all__ = ["ImageFile", "ImageList", "find_images", "list_images"]

WILDCARDS = "*?["
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")  # of WebDataset's names: shard-{000..009}.tar
MOST_IN_RANGE = 1_000_000

Found = Iterator[tuple[str, str, str, int]]  # as `ImageList.add` takes them


def find_images(spec: str | Path | Sequence[str | Path]) -> list[ImageFile]:
    """List the image files that a user means.

    Parameters
    ----------
    spec : str, Path, or a sequence of them
        Each one of: a folder, searched recursively for the suffixes of image files, hidden files and folders left out,
        symbolic links followed; a file, whatever its suffix; a tar or zip archive or a Parquet file, for the images in
        it, which are read in place; a glob, with ``**`` for any depth, whose matches are taken as if they were given
        themselves, hidden ones left out; a name with a range, ``shard-{000..009}.tar``, for all that it counts;
        a URI such as ``s3://bucket/photos``, searched as a folder (`camkit.data.remote`);
        ``@list.txt``, a UTF-8 text file with the path of one
        file a line, absolute or relative to the text file's folder, blank lines and lines that begin with # left out.
        What exists under the very name given is taken as that, even with a ``*`` or an ``@`` in its name.

    Returns
    -------
    list of ImageFile
        In the order of `spec`, and sorted by path within a folder or a glob; in an archive as they lie. A file that was
        reached twice is listed once. A name is the path below the folder given (below a glob's fixed part, below a
        list's folder), else the file's own name; where two names clash, both are lengthened by their parent folders
        until they differ. In an archive a name is the member's own.

    Raises
    ------
    CamkitError
        Something does not exist, cannot be listed, or holds no image; or two images of archives have one name.
    """
    return list(list_images(spec))


def list_images(
    spec: str | Path | Sequence[str | Path], passed_over: Callable[[str, str], bool] | None = None
) -> ImageList:
    """As `find_images`, in bounded memory.

    Parameters
    ----------
    spec
        As of `find_images`.
    passed_over : callable, optional
        Says of a spec and of a file that was found by it whether it is to be left out.

    Raises
    ------
    CamkitError
        As `find_images`.
    """
    specs = [str(spec)] if isinstance(spec, str | PathLike) else list(map(str, spec))
    if not specs:
        raise CamkitError("no images given: name a folder, a file, a glob, or @list.txt")
    images = ImageList()
    for one in (each for given in specs for each in _counted(given)):
        found, why = _expand(one)
        seen = 0

        def counted(found: Found = found, one: str = one) -> Found:
            nonlocal seen
            for file in found:
                seen += 1
                if passed_over is None or not passed_over(one, file[0]):
                    yield file

        images.add(counted())
        if not seen:
            raise CamkitError(why)
    return images.finish()


def refuse_imageless(spec: str) -> None:
    """`CamkitError`, as `list_images` has it, where a spec means no image; no more is listed than the first."""
    found, why = _expand(_counted(spec)[0])
    if next(found, None) is None:
        raise CamkitError(why)


def _counted(spec: str) -> list[str]:
    """The names that a range in a name counts; the name itself where it is there, or has none."""
    span = RANGE.search(spec)
    if span is None or path.lexists(spec):
        return [spec]
    first, last = int(span[1]), int(span[2])
    if not first <= last < first + MOST_IN_RANGE:
        raise CamkitError(
            f"{spec}: the range {span[0]} counts nothing, or more than {MOST_IN_RANGE}; write {{000..009}}"
        )
    names = (
        f"{spec[: span.start()]}{number:0{len(span[1])}d}{spec[span.end() :]}" for number in range(first, last + 1)
    )
    return [one for name in names for one in _counted(name)]


def _expand(spec: str) -> tuple[Found, str]:
    """The files that one spec means, and what to say where there are none."""
    if is_uri(spec) and not path.lexists(spec):
        found = ((file, where, name, 1) for file, where, name in remote_images(spec, frozenset(SUFFIXES)))
        return found, f"no images below {spec!r}: it should hold image files"
    if path.isdir(spec):
        kinds = " ".join(sorted(SUFFIXES))
        return _below(spec, _images_below(spec)), f"no images below the folder {spec!r}: it should hold {kinds} files"
    if path.lexists(spec):
        return _inside(spec, path.dirname(spec)), f"no images in {spec!r}: its members should be image files"
    if spec.startswith("@"):
        why = f"the list {spec[1:]!r} names no image: it should be a text file with one path a line"
        return _below(path.dirname(spec[1:]) or ".", _listed(Path(spec[1:]))), why
    if any(character in spec for character in WILDCARDS):
        root = _fixed_part(Path(spec))
        why = f"no image matches {spec!r}: check the pattern (* is one folder deep, ** any depth)"
        return _matches(root, str(Path(spec).relative_to(root))), why
    raise CamkitError(f"no such file or folder: {spec!r}; check the path and its rights")


def _below(root: str, files: Iterator[str]) -> Found:
    """Files with the names that they have below a folder; one that lies elsewhere has its own."""
    above = path.join(path.abspath(root), "")
    for file in files:
        absolute = path.abspath(file)
        depth = absolute[len(above) :].count("/") + 1 if absolute.startswith(above) else 1
        yield file, "", "/".join(absolute.split("/")[-depth:]), depth


def _inside(file: str, root: str) -> Found:
    """A file, or the images in it where it is an archive."""
    if is_archive(file) and path.isfile(file):
        return ((file, where, name, 1) for name, where in members(file, frozenset(SUFFIXES)))
    return _below(root or ".", iter([file]))


def _images_below(root: str) -> Iterator[str]:
    """In the order of sorted paths, through links, each folder once; one folder's names are in memory at a time."""
    entered, folders = {path.realpath(root)}, [iter(_entries(root))]
    while folders:
        entry = next(folders[-1], None)
        if entry is None:
            folders.pop()
        elif not _is_folder(entry):
            if path.splitext(entry.name)[1].lower() in SUFFIXES:
                yield entry.path
        elif (real := path.realpath(entry.path)) not in entered:  # else a link that leads back
            entered.add(real)
            folders.append(iter(_entries(entry.path)))


def _entries(folder: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return sorted((one for one in entries if not one.name.startswith(".")), key=lambda one: one.name)
    except OSError as error:
        raise CamkitError(f"the folder {folder!r} cannot be listed: {error.strerror}; change its rights") from None


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _matches(root: Path, pattern: str) -> Found:
    try:
        matches = sorted(root.glob(pattern))
    except (ValueError, OSError) as error:
        raise CamkitError(f"the glob {pattern!r} cannot be searched: {error}; give a folder instead") from None
    for match in matches:
        if not any(part.startswith(".") for part in match.relative_to(root).parts):
            inside = (
                _below(str(root), _images_below(str(match))) if path.isdir(match) else _inside(str(match), str(root))
            )
            yield from inside


def _listed(listing: Path) -> Iterator[str]:
    """The files that a list names, line by line."""
    try:
        with opened_file(listing) as file:
            beginning = file.read(1 << 16)
            if b"\0" in beginning:  # as UTF-16 has them
                raise Refused("it is not UTF-8 text; save it as UTF-8")
            file.seek(len(BOM_UTF8) if beginning.startswith(BOM_UTF8) else 0)
            # A name that is no UTF-8 is taken byte for byte, as the file system has it; other line ends are part of
            # names.
            for raw in file:
                line = fsdecode(raw).strip(" \t\r\n")
                if "\0" in line:
                    raise Refused("a line of it holds a zero byte; save it as UTF-8 text")
                if line and not line.startswith("#"):
                    yield _found(listing.parent, line)
    except Refused as refusal:
        raise CamkitError(f"the list {str(listing)!r} cannot be read: {refusal}") from None


def _found(folder: Path, line: str) -> str:
    """The file that a line of a list means; what is not there stays as it is written, and fails by that name."""
    given = path.join(folder, line)
    if path.lexists(given) or path.isabs(line):
        return given
    return same_name(str(folder), line) or given


def _fixed_part(given: Path) -> Path:
    """What comes before the first wildcard; a bracket in the name of a folder that exists is none."""
    root = Path()
    for part in given.parts:
        if any(character in part for character in WILDCARDS) and not path.lexists(root / part):
            return root
        root /= part
    return root
