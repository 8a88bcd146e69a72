"""A data set by the name of its format."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from zipfile import is_zipfile

from camkit.data.annotations import AnnotatedSet
from camkit.data.archive_root import read_from_archive
from camkit.data.formats.auto import find_format
from camkit.data.formats.registry import AUTO, READERS
from camkit.errors import CamkitError


def read_dataset(name: str, root: str | Path, split: str) -> AnnotatedSet:
    """Read a split of an annotated data set.

    Parameters
    ----------
    name : str
        One of `READERS`, or ``auto``: the one that fits. Each reader's module says what its format is, and which
        corners it has.
    root : str or Path
        The data set's folder, as the reader's function says, or a zip archive of it; of some formats also the
        annotation file. For shapes, which is drawn, its settings.
    split : str

    Returns
    -------
    AnnotatedSet

    Raises
    ------
    CamkitError
        The name or the split is unknown, the folder or one of its files is missing or broken as a whole, or no image
        can be used; no format fits, or several do. What is wrong with single entries is in `AnnotatedSet.problems`.
    """
    if not split or split.startswith(".") or "/" in split or "\\" in split or "\0" in split:
        raise CamkitError(f"split {split!r} is no name of a split, such as train or val")
    if name == AUTO:
        name = find_format(root, split).name
    if name not in READERS:
        raise CamkitError(f"data set {name!r} is unknown: use one of {', '.join(READERS)}, or auto")
    form, path = READERS[name], Path(root)
    if not form.drawn and not path.is_dir():
        if not path.exists():
            raise CamkitError(f"{root}: there is no such folder; check --root")
        if not form.of_one_file and not is_zipfile(path):
            raise CamkitError(f"{root}: it is a file, and {name} is read from a folder; give the data set's folder")
    module, function = form.reader.split(".")
    read: Callable[[Path, str], AnnotatedSet] = getattr(import_module(f"camkit.data.formats.{module}"), function)
    if not form.drawn and path.is_file() and is_zipfile(path):
        return read_from_archive(path, lambda folder: read(folder, split))
    return read(path, split)
