"""Which format a folder is in, by the signs that each format leaves: never by a guess.

A sign is a pattern of paths below the folder, ``{split}`` for the split, one of which has to be there. ``! PATTERN``:
none may be there. ``PATTERN ? FORMAT``: one has to be that looks like the format inside.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from zipfile import is_zipfile

from camkit.data.archive_root import roots_in_archive
from camkit.data.formats.registry import READERS
from camkit.errors import CamkitError

LOOKED_AT = 1 << 16  # bytes of a file; what a format is known by stands at its beginning
ANY = "*"


@dataclass(frozen=True)
class Found:
    """A format that fits.

    Attributes
    ----------
    name : str
        One of `READERS`.
    signs : tuple of str
        The files and folders that it was known by, below the root.
    """

    name: str
    signs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.signs)})"


def find_format(root: str | Path, split: str) -> Found:
    """The one format that fits a data set.

    Parameters
    ----------
    root : str or Path
        Its folder, a zip archive of it, or the annotation file of a format that is one file.
    split : str
        Files of this split decide; where there are none, of any.

    Raises
    ------
    CamkitError
        No format fits, or more than one does; all that fit are named, with their signs.
    """
    path = Path(root)
    if not path.exists():
        raise CamkitError(f"{root}: there is no such folder; check --root")
    if path.is_file():
        found = _in_archive(path, split) if is_zipfile(path) else _of_file(path)
    else:
        found = fitting(path, split)
    if len(found) == 1:
        return found[0]
    if found:
        raise CamkitError(f"{root}: {' and '.join(map(str, found))} both fit; name one with --dataset")
    raise CamkitError(f"{root}: no format fits; `camkit datasets` shows what each looks like, name one with --dataset")


def fitting(folder: Path, split: str) -> list[Found]:
    """All formats that fit a folder: by files of the split, or, where none does, by files of any split."""
    for wanted in (escape(split), ANY):
        found = [fit for name in READERS if (fit := _fit(name, folder, wanted)) is not None]
        if found:
            return found
    return []


def _fit(name: str, folder: Path, split: str) -> Found | None:
    for signs in READERS[name].signs:
        seen = [_seen(folder, sign, split) for sign in signs]
        if all(one is not None for one in seen):
            return Found(name, tuple(one for one in seen if one))
    return None


def _seen(folder: Path, sign: str, split: str) -> str | None:
    """What a sign matches, "" for what should not be there and is not; None where it does not hold."""
    absent = sign.startswith("! ")
    pattern, _, kind = sign.removeprefix("! ").partition(" ? ")
    for path in _matches(folder, pattern.format(split=split)):
        if not kind or LOOKS_LIKE[kind](_beginning(path)):
            return None if absent else path.relative_to(folder).as_posix()
    return "" if absent else None


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(folder.glob(pattern)) if not path.name.startswith("."))


def _of_file(path: Path) -> list[Found]:
    text = _beginning(path)
    return [Found(name, (path.name,)) for name, one in READERS.items() if one.of_one_file and LOOKS_LIKE[name](text)]


def _in_archive(path: Path, split: str) -> list[Found]:
    with roots_in_archive(path) as roots:
        return next((found for root in roots if (found := fitting(root, split))), [])


def _beginning(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LOOKED_AT).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _has_columns(*names: str) -> Callable[[str], bool]:
    def look(text: str) -> bool:
        columns = [name.strip().strip('"') for name in text.partition("\n")[0].split(",")]
        return all(name in columns for name in names)

    return look


def _is_json(start: str, *keys: str) -> Callable[[str], bool]:
    def look(text: str) -> bool:
        return text.lstrip().startswith(start) and all(re.search(rf'"{key}"\s*:', text) for key in keys)

    return look


_has_regions = _is_json("{", "(regions|_via_settings|_via_img_metadata)")
_has_objects = _is_json("{", "(images|annotations|categories)")
LOOKS_LIKE: dict[str, Callable[[str], bool]] = {
    "coco": lambda text: _has_objects(text) and not _has_regions(text),
    "createml": _is_json("[", "(image|imagefilename)", "annotations?"),
    "csv": _has_columns("image", "x0", "y0", "x1", "y1"),
    "openimages-csv": _has_columns("ImageID", "LabelName", "XMin"),
    "tensorflow-csv": _has_columns("filename", "class", "xmin"),
    "via": _has_regions,
    "voc": lambda text: "<annotation" in text,
    "yolo": lambda text: re.search(r"^names\s*:", text, re.MULTILINE) is not None,
}
