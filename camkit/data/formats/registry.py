"""Every data set by its name on the command line."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from zipfile import is_zipfile

from camkit.data.annotations import AnnotatedSet
from camkit.data.archive_root import read_from_archive
from camkit.errors import CamkitError

# Each reader's module and function; a module is imported when its format is asked for, and its libraries with it.
READERS = {
    "coco": "coco.read_coco",
    "csv": "csv.read_csv",
    "cub": "cub.read_cub",
    "ilsvrc": "ilsvrc.read_ilsvrc",
    "openimages": "wsol.read_openimages",
    "shapes": "shapes.read_shapes",
    "tiny-imagenet": "tiny_imagenet.read_tiny_imagenet",
    "voc": "voc.read_voc",
    "wsol": "wsol.read_wsol",
}
DRAWN = {"shapes"}  # the root is no folder, but settings
OF_ONE_FILE = {"coco", "csv"}  # the root may be the annotation file itself


def read_dataset(name: str, root: str | Path, split: str) -> AnnotatedSet:
    """Read a split of an annotated data set.

    Parameters
    ----------
    name : str
        One of `READERS`. Each reader's module says what its format is, and which corners it has.
    root : str or Path
        The data set's folder, as the reader's function says, or a zip archive of it; for coco and csv also the
        annotation file. For shapes, which is drawn, its settings.
    split : str

    Returns
    -------
    AnnotatedSet

    Raises
    ------
    CamkitError
        The name or the split is unknown, the folder or one of its files is missing or broken as a whole, or no image
        can be used. What is wrong with single entries is in `AnnotatedSet.problems`.
    """
    if name not in READERS:
        raise CamkitError(f"data set {name!r} is unknown: use one of {', '.join(READERS)}")
    if name not in DRAWN and not Path(root).is_dir():
        if not Path(root).exists():
            raise CamkitError(f"{root}: there is no such folder; check --root")
        if name not in OF_ONE_FILE and not is_zipfile(root):
            raise CamkitError(f"{root}: it is a file, and {name} is read from a folder; give the data set's folder")
    if not split or split.startswith(".") or "/" in split or "\\" in split or "\0" in split:
        raise CamkitError(f"split {split!r} is no name of a split, such as train or val")
    module, function = READERS[name].split(".")
    read: Callable[[Path, str], AnnotatedSet] = getattr(import_module(f"camkit.data.formats.{module}"), function)
    if name not in DRAWN and Path(root).is_file() and is_zipfile(root):
        return read_from_archive(Path(root), lambda folder: read(folder, split))
    return read(Path(root), split)
