"""A part of a split kept apart, to choose settings on."""

from collections import Counter
from dataclasses import replace

from camkit.data.annotations import AnnotatedSet
from camkit.data.records import Record
from camkit.errors import CamkitError


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
