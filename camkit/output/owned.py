"""What camkit put into a folder: that much an overwriting run removes, and a search for photographs passes over."""

import json
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from camkit.errors import CamkitError
from camkit.output.files import whole
from camkit.output.journal import JOURNAL, drawn
from camkit.output.yolo import LABELS

if TYPE_CHECKING:
    from camkit.data import ImageFile

MANIFEST = ".camkit-files.json"
PICTURES = ("overlays", "maps", "masks")
LISTED = (*PICTURES, LABELS)  # their files are in the journal
FOLDERS = (*LISTED, "tensorboard")


def owned_files(folder: Path) -> list[str]:
    """The files in a folder that runs of camkit wrote there, as their manifest and their journal say.

    A name that leads out of the folder is none of them: a manifest may come from elsewhere.
    """
    root, resolved = os.path.realpath(folder), cache(os.path.realpath)

    def inside(name: str) -> bool:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
            return False
        parent = resolved(folder / path.parent)
        return os.path.commonpath([root, parent]) == root and _is_file(folder / name)

    pictures = (name for name in drawn(folder) if PurePosixPath(name).parts[:1] in {(top,) for top in LISTED})
    return sorted(name for name in {*manifest(folder), *pictures} if inside(name))


def holds_run(folder: Path) -> bool:
    """Whether anything of an earlier run is in the folder."""
    return (folder / JOURNAL).exists() or any(_is_file(folder / name) for name in manifest(folder))


def manifest(folder: Path) -> list[str]:
    """The files that runs claimed; none where the manifest is missing or damaged."""
    try:
        names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["camkit-files"]
        return [name for name in names if isinstance(name, str)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def claim(folder: Path, names: Iterable[str]) -> None:
    """Write down, before any of them is written, that these files are camkit's.

    Raises
    ------
    OSError
    """
    with whole(folder / MANIFEST) as file:
        json.dump({"camkit-files": sorted({*manifest(folder), *names})}, file, indent=1)


def check_free(folder: Path, names: Collection[str], *, overwrite: bool, remedy: str = "--overwrite") -> None:
    """`CamkitError` where something is in the way of files of these names: an earlier run, or what is not camkit's.

    Parameters
    ----------
    folder : Path
    names : collection of str
        What is going to be written; a folder's name ends with a slash.
    overwrite : bool
        An earlier run's files may be replaced.
    remedy : str
        What a user can give where there is an earlier run.
    """
    if holds_run(folder) and not overwrite:
        held = [name for name in manifest(folder) if not name.startswith(".") and _is_file(folder / name)]
        raise CamkitError(f"{folder} already holds a run ({', '.join(held)}): give {remedy} or another --out")
    ours = owned_files(folder)
    strange = sorted(name for name in names if _in_the_way(folder / name) and not any(o.startswith(name) for o in ours))
    if strange:
        raise CamkitError(
            f"{folder} holds {', '.join(strange)}, which no run of camkit wrote: move it away, or give another --out"
        )


def remove(folder: Path, *, keep: Collection[str] = ()) -> None:
    """Remove what runs of camkit left but for some files, and its folders where they are empty then; nothing else.

    Raises
    ------
    OSError
    """
    last = (JOURNAL, MANIFEST)  # they say what is left, should this break off
    for name in (*(name for name in owned_files(folder) if name not in last), *last):
        if name not in keep:
            (folder / name).unlink(missing_ok=True)
    for name in FOLDERS:
        for below, _, _ in os.walk(folder / name, topdown=False):
            with suppress(OSError):
                os.rmdir(below)


def is_own_picture() -> "Callable[[str], bool]":
    """Says of an image file whether it is a picture of camkit's own.

    Pictures are all that lies in ``overlays/`` or ``masks/`` beside a journal, and the files that a manifest claims.
    """
    beside_journal = cache(lambda folder: folder.name in PICTURES and (folder.parent / JOURNAL).exists())
    claimed = cache(lambda folder: frozenset(manifest(folder)))
    drawn = cache(lambda folder: any(map(beside_journal, (folder, *folder.parents))))

    def is_ours(file: str) -> bool:
        folder, name = os.path.split(os.path.abspath(file))
        return drawn(Path(folder)) or name in claimed(Path(folder))

    return is_ours


def photographs(files: "Iterable[ImageFile]") -> "tuple[list[ImageFile], list[ImageFile]]":
    """Those image files that are not camkit's own pictures, and those that are.

    Pictures are all that lies in ``overlays/`` beside a journal, and the files that a manifest claims.
    """
    is_ours = is_own_picture()
    sides: tuple[list[ImageFile], list[ImageFile]] = [], []
    for file in files:
        sides[is_ours(str(file.path))].append(file)
    return sides


def _is_file(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())


def _in_the_way(path: Path) -> bool:
    try:
        return next(path.iterdir(), None) is not None
    except NotADirectoryError:
        return True
    except OSError:
        return os.path.lexists(path)
