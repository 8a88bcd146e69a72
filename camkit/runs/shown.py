"""Which photographs `camkit compare` shows, and what is known of them."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from camkit.data import AnnotatedSet, ImageDataset, PreparedImages, RecordDataset, find_images
from camkit.errors import CamkitError
from camkit.evaluation import match_classes
from camkit.localizer import Localizer
from camkit.output import photographs
from camkit.runs.class_lines import class_lines
from camkit.runs.labels import read_labels

T = TypeVar("T")


@dataclass(frozen=True)
class Shown:
    """The photographs to show, and what is known of them.

    Attributes
    ----------
    names : list of str
    truth : list of ndarray (M, 4)
        Ground-truth boxes; none of plain image files.
    dataset : callable
        Makes of a localizer the data set that it looks at.
    labels : callable
        The class to find in each, as a localizer's model numbers them; None for the predicted ones.
    lines : list of str
        What a user should know of the choice; `labels` may add to them.
    """

    names: list[str]
    truth: list[NDArray[np.float64]]
    dataset: Callable[[Localizer], PreparedImages]
    labels: Callable[[Localizer], Sequence[int] | None]
    lines: list[str]


def of_files(images: Sequence[str], labels: Path | None, limit: int) -> Shown:
    """Image files: under the predicted class of each, or the one that --labels names.

    Raises
    ------
    CamkitError
        There are none.
    """
    every, _ = photographs(find_images(list(images)))
    if not every:
        raise CamkitError(
            f"--images {' '.join(images)}: nothing but pictures that camkit drew; name the photographs' folder"
        )
    files = evenly(every, limit)

    def known(localizer: Localizer) -> list[int] | None:
        if labels is None:
            return None
        inference = localizer.inference
        names = {file.name for file in every}
        by_name = read_labels(labels, names, inference.classifier.class_names, inference.source.num_classes)
        missing = [file.name for file in files if file.name not in by_name]
        if missing:
            raise CamkitError(f"{labels}: it has no label for {missing[0]!r:.200} ({len(missing)} in all); add them")
        return [by_name[file.name] for file in files]

    def dataset(localizer: Localizer) -> PreparedImages:
        return ImageDataset(files, localizer.preprocess, localizer.max_pixels, True, localizer.filled)

    none_known = [np.zeros((0, 4))] * len(files)
    return Shown([file.name for file in files], none_known, dataset, known, left_out(len(files), len(every)))


def of_dataset(annotated: AnnotatedSet, images: Sequence[str], limit: int) -> Shown:
    """Annotated images, under their own class and with their boxes: those that --images names, or evenly spaced ones.

    Raises
    ------
    CamkitError
        There are none, or none has a label.
    """
    where, every = f"{annotated.name} {annotated.split}", annotated.records
    if images:
        every = [record for record in every if any(_called(record.image, one) for one in images)]
        if not every:
            said = " ".join(images)
            raise CamkitError(f"--images {said}: no image of {where} is called so; give names or patterns of its own, "
                              f"such as {annotated.records[0].image!r:.200}")  # fmt: skip
    labelled = [record for record in every if record.label is not None]
    if not labelled:
        raise CamkitError(f"no image of {where} has a label, so there is no class to show; take another split")
    records = evenly(labelled, limit)
    chosen, lines = replace(annotated, records=records), left_out(len(records), len(every))

    def own(localizer: Localizer) -> list[int]:
        match = match_classes(chosen, localizer.inference.classifier, localizer.inference.source.num_classes)
        lines.extend(line for line in class_lines([match], chosen) if line not in lines)
        return [match.numbers[record.label] for record in records if record.label is not None]

    def dataset(localizer: Localizer) -> PreparedImages:
        return RecordDataset(records, localizer.preprocess, localizer.max_pixels, True, annotated.upright,
                             localizer.filled)  # fmt: skip

    return Shown([record.image for record in records], [record.boxes for record in records], dataset, own, lines)


def _called(image: str, pattern: str) -> bool:
    return image == pattern or fnmatch.fnmatchcase(image, pattern)


def evenly(every: Sequence[T], limit: int) -> list[T]:
    """So many of them, evenly spaced."""
    number = min(limit, len(every))
    return [every[i * len(every) // number] for i in range(number)]


def left_out(shown: int, of: int) -> list[str]:
    """A line where not all photographs are on the page."""
    return [f"{shown} of {of} photographs, evenly spaced; --limit shows more"] if shown < of else []
