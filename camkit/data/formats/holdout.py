"""A part of a split kept apart, to choose settings on."""

from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.read import read_dataset
from camkit.errors import CamkitError

HOLDOUT = "holdout:"


def read_splits(dataset: str, root: str | Path, split: str, val_split: str) -> tuple[AnnotatedSet, AnnotatedSet]:
    """What is trained on, and what is measured.

    Parameters
    ----------
    dataset, root, split
        As `read_dataset` takes them.
    val_split : str
        Another split, or ``holdout:N``: N images of each class, as `hold_out` picks them.

    Raises
    ------
    CamkitError
        A split cannot be read, N is no number above 0, or two splits are the same images.
    """
    train = read_dataset(dataset, root, split)
    if not val_split.startswith(HOLDOUT):
        try:
            validation = read_dataset(dataset, root, val_split)
        except CamkitError as error:  # of a split that nobody may have named: it is the default
            raise CamkitError(
                f"--val-split {val_split}: {error}; {HOLDOUT}10 keeps 10 images of each class of {split!r} apart"
            ) from None
        if val_split != split and {r.read for r in validation.records} == {r.read for r in train.records}:
            raise CamkitError(
                f"{root}: the splits {split!r} and {val_split!r} are the same images, as the data set is not divided; "
                f"use {HOLDOUT}10 to keep 10 images of each class apart"
            )
        return train, validation
    count = val_split.removeprefix(HOLDOUT)
    if not count.isdecimal() or int(count) < 1:
        raise CamkitError(f"--val-split {val_split}: write {HOLDOUT}N with N images of each class, such as holdout:10")
    return hold_out(train, int(count))


def hold_out(dataset: AnnotatedSet, count: int) -> tuple[AnnotatedSet, AnnotatedSet]:
    """A split without `count` images of each class, and these.

    They are the last of those with a box, where any image of the split has one, so that they can be measured; images
    without a class stay.

    Raises
    ------
    CamkitError
        A class has too few of them, or no image left to train on.
    """
    boxes = any(len(record.boxes) for record in dataset.records)
    of_class: dict[int, list[int]] = {}
    fit: dict[int, list[int]] = {}
    for index, record in enumerate(dataset.records):
        if record.label is not None:
            of_class.setdefault(record.label, []).append(index)
            if len(record.boxes) or not boxes:
                fit.setdefault(record.label, []).append(index)
    for label, every in of_class.items():
        few = len(fit.get(label, ()))
        if len(every) <= count or few < count:
            name = f"{label}" if dataset.class_names is None else f"{label} ({dataset.class_names[label]!r})"
            has = f"{len(every)} images" + (f", {few} of them with boxes" if boxes else "")
            raise CamkitError(f"{HOLDOUT}{count}: class {name} of {dataset.name} has {has}; hold out fewer")
    held = {index for indices in fit.values() for index in indices[-count:]}
    kept, apart = ([i for i in range(len(dataset.records)) if (i in held) is wanted] for wanted in (False, True))
    return dataset.some(kept), replace(dataset.some(apart), split=f"{HOLDOUT}{count}", problems=[])
