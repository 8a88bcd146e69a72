"""A part of a split kept apart, to choose settings on."""

from collections import defaultdict
from dataclasses import replace

from camkit.data.annotations import AnnotatedSet
from camkit.errors import CamkitError


def hold_out(dataset: AnnotatedSet, count: int) -> tuple[AnnotatedSet, AnnotatedSet]:
    """Cut a split in two: all but the last `count` images of each class, and those.

    Raises
    ------
    CamkitError
        A class has no image left to train on.
    """
    members: dict[int | None, list[int]] = defaultdict(list)
    for index, record in enumerate(dataset.records):
        members[record.label].append(index)
    poor = next((label for label, indices in members.items() if len(indices) <= count), None)
    if poor is not None:
        raise CamkitError(f"class {poor} of {dataset.name} has {len(members[poor])} images: hold out fewer than that")
    held = {index for indices in members.values() for index in indices[len(indices) - count :]}
    parts = ([record for i, record in enumerate(dataset.records) if (i in held) is kept] for kept in (False, True))
    train, apart = parts
    return replace(dataset, records=train), replace(
        dataset, split=f"{dataset.split}, {count} a class held out", records=apart, problems=[]
    )
