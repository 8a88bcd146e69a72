"""Every data set by its name on the command line."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.coco import read_coco
from camkit.data.formats.csv import read_csv
from camkit.data.formats.cub import read_cub
from camkit.data.formats.ilsvrc import read_ilsvrc
from camkit.data.formats.tiny_imagenet import read_tiny_imagenet
from camkit.data.formats.voc import read_voc
from camkit.data.formats.wsol import read_wsol
from camkit.errors import CamkitError

SHAPES = {"n": 200, "size": 64, "classes": 10, "seed": 0}
SHAPES_SPLITS = ("train", "val", "test")


def read_shapes(settings: str | Path, split: str) -> AnnotatedSet:
    """Draw the data set shapes.

    Parameters
    ----------
    settings : str or Path
        ``n=200,size=64,classes=10,seed=0``, or some of these, or none.
    split : {"train", "val", "test"}
        Splits of one seed share no image.

    Returns
    -------
    AnnotatedSet
        With boxes and masks.

    Raises
    ------
    CamkitError
        A setting or the split is unknown, or a number is out of range.
    """
    given = dict(SHAPES)
    for setting in str(settings).split(",") if str(settings) not in ("", ".") else ():
        key, _, value = setting.partition("=")
        if key not in SHAPES or not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise CamkitError(f"shapes does not know {setting!r}: give some of n=200,size=64,classes=10,seed=0")
        given[key] = int(value)
    if split not in SHAPES_SPLITS:
        raise CamkitError(f"shapes has no split {split!r}: use one of {', '.join(SHAPES_SPLITS)}")
    seed = given["seed"] * len(SHAPES_SPLITS) + SHAPES_SPLITS.index(split)
    # Imported when it is asked for: the other formats need none of its libraries.
    shapes = import_module("camkit.data.formats.shapes").Shapes(given["n"], given["size"], given["classes"], seed)
    labels = tuple(f"shape {label}" for label in range(given["classes"]))
    return AnnotatedSet("shapes", split, shapes.records(), labels, [], upright=True)


READERS: dict[str, Callable[[Path, str], AnnotatedSet]] = {
    "coco": read_coco,
    "csv": read_csv,
    "cub": read_cub,
    "ilsvrc": read_ilsvrc,
    "openimages": partial(read_wsol, name="openimages"),
    "shapes": read_shapes,
    "tiny-imagenet": read_tiny_imagenet,
    "voc": read_voc,
    "wsol": read_wsol,
}


def read_dataset(name: str, root: str | Path, split: str) -> AnnotatedSet:
    """Read a split of an annotated data set.

    Parameters
    ----------
    name : str
        One of `READERS`. Each reader's module says what its format is, and which corners it has.
    root : str or Path
        The data set's folder, as the reader's function says. For shapes, which is drawn, its settings.
    split : str

    Returns
    -------
    AnnotatedSet

    Raises
    ------
    CamkitError
        The name or the split is unknown, the folder or one of its files is missing or broken as a whole, or no image
        can be used. What is wrong with single images is in `AnnotatedSet.problems`.
    """
    if name not in READERS:
        raise CamkitError(f"data set {name!r} is unknown: use one of {', '.join(READERS)}")
    if name != "shapes" and not Path(root).is_dir():
        raise CamkitError(f"{root}: there is no such folder; check --root")
    if not split or split.startswith(".") or "/" in split or "\\" in split or "\0" in split:
        raise CamkitError(f"split {split!r} is no name of a split, such as train or val")
    return READERS[name](Path(root), split)
