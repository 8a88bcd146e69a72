"""Names of files: which are images', which lead out of a root, and which mean the same file."""

import os
from functools import lru_cache
from pathlib import PurePosixPath, PureWindowsPath
from unicodedata import normalize

from camkit.errors import CamkitError

_DECODED = {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
# A folder is searched also for kinds that are not decoded: such a photograph is reported, not passed over.
SUFFIXES = _DECODED | {".avif", ".heic", ".heif", ".jp2"}
# What the file managers of macOS and Windows leave in folders and archives.
LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")


def checked_name(name: str) -> str:
    """A file's name below a root; `CamkitError` where it leads out of it."""
    if "\0" in name:
        raise CamkitError(f"{name!r} holds a zero byte, as no file's name does; mend it")
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = not path.parts or path.is_absolute() or windows.root or windows.drive or ".." in windows.parts
    if outside:
        raise CamkitError(f"{name!r} leads out of the data set's folder; a name is relative, with / and without ..")
    return name


def is_litter(name: str) -> bool:
    """Whether a file is no part of a data set."""
    *folders, last = PurePosixPath(name).parts
    return last in LITTER or last.startswith("._") or "__MACOSX" in folders


def unicode_form(name: str) -> str:
    """A name in the Unicode form that all its forms share: macOS writes é as two characters, others as one."""
    return normalize("NFC", name)


def same_name(root: str, name: str) -> str | None:
    """The path below a folder that a name means if it is read in another Unicode form, or with backslashes.

    Returns
    -------
    str or None
        None where there is none, or more than one.
    """
    path = root
    for part in PurePosixPath(name.replace("\\", "/")).parts:
        inside = os.path.join(path, part)
        if not os.path.lexists(inside):
            meant = _entries(path).get(unicode_form(part), [])
            if len(meant) != 1:
                return None
            inside = os.path.join(path, meant[0])
        path = inside
    return path


def _entries(folder: str) -> dict[str, list[str]]:
    try:
        return _listed(folder, os.stat(folder).st_mtime_ns)
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=256)
def _listed(folder: str, changed: int) -> dict[str, list[str]]:  # noqa: ARG001 - a folder that has changed is read again
    names: dict[str, list[str]] = {}
    for name in os.listdir(folder):
        names.setdefault(unicode_form(name), []).append(name)
    return names
