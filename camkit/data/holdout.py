"""A part of a split kept apart, to choose settings on."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.readers import read_dataset
from camkit.data.records import Record
from camkit.errors import CamkitError

HOLDOUT = "holdout:"


def read_splits(dataset: str, root: str | Path, split: str, val_split: str) -> tuple[AnnotatedSet, AnnotatedSet]:
    """What is trained on, and what is measured.

    Parameters
    ----------
    dataset, root, split
        As `read_dataset` takes them.
    val_split : str
        Another split, or ``holdout:N``: the last N images of each class, which are then not trained on.

    Raises
    ------
    CamkitError
        A split cannot be read, or N is no number above 0.
    """
    train = read_dataset(dataset, root, split)
    if not val_split.startswith(HOLDOUT):
        return train, read_dataset(dataset, root, val_split)
    count = val_split.removeprefix(HOLDOUT)
    if not count.isdecimal() or int(count) < 1:
        raise CamkitError(f"--val-split {val_split}: write {HOLDOUT}N with N images of each class, such as holdout:10")
    return hold_out(train, int(count))


def hold_out(dataset: AnnotatedSet, count: int) -> tuple[AnnotatedSet, AnnotatedSet]:
    """A split without the last `count` records of each class, and these.

    Raises
    ------
    CamkitError
        A class has no image left to train on.
    """
    left = Counter(record.label for record in dataset.records)
    poor = next((label for label, images in left.items() if images <= count), None)
    if poor is not None:
        raise CamkitError(f"class {poor} of {dataset.name} has {left[poor]} images: hold out fewer than that")
    kept: list[Record] = []
    held: list[Record] = []
    for record in dataset.records:
        (held if left[record.label] <= count else kept).append(record)
        left[record.label] -= 1
    return replace(dataset, records=kept), replace(dataset, split=f"holdout:{count}", records=held, problems=[])
