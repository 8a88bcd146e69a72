"""Boxes that are there already, of a regressor or a detector, to the figures that need only boxes.

**An image counts whatever the file says of it**: one without a box there is a miss in every figure of boxes, and named.
GT-known Loc takes the first box of the image's own class; where the file names no classes, the first box.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd
import torch

from camkit.data import MAX_PIXELS, AnnotatedSet, Record, read_size
from camkit.data.annotations import check_inside
from camkit.data.class_map import classes_of
from camkit.data.found_boxes import FoundBox, FoundBoxes, Kind
from camkit.errors import CamkitError
from camkit.evaluation.found import Evaluation
from camkit.evaluation.found_classes import match_kinds
from camkit.evaluation.found_images import images_meant
from camkit.evaluation.further import NOTHING, Further
from camkit.evaluation.image_evaluation import BoxEvaluation, ImageEvaluation
from camkit.evaluation.measures import Classification, GroundTruth, RecipeMeasures, Results
from camkit.evaluation.predicted_classes import TOP_K, PredictedClasses
from camkit.evaluation.source import check_pixels, none_measured
from camkit.evaluation.tables import Measured, class_table, macro_results, size_table
from camkit.inference import Progress, no_progress
from camkit.localization import Failure
from camkit.metrics.iou import half_open_iou
from camkit.metrics.localization import share_of_image
from camkit.metrics.threshold_splits import NO_THRESHOLD

BoxOf = Literal["own", "own-or-miss", "any"]
NAME = "boxes"  # of the one thing that is measured, where recipes have their names
NO_CLASS = -1  # where fewer classes than k are named, or another than the data set's
NOTHING_FOUND = FoundBox((0.0, 0.0, 0.0, 0.0))
LEFT_OUT = "MaxBoxAcc, MaxBoxAccV2 and all else that is measured of maps is left out: there are boxes alone"
OF_BOXES = ("iou", "share", "gt_loc")  # what columns begin with whose figures need the own class's box


@dataclass(frozen=True, eq=False)
class BoxEvaluations:
    """What was found, and the images that were missed for want of a box.

    Attributes
    ----------
    evaluation : Evaluation
        Of the one "recipe" `NAME`.
    misses : DataFrame
        Columns image, reason.
    """

    evaluation: Evaluation
    misses: pd.DataFrame


def evaluate_boxes(
    found: FoundBoxes,
    dataset: AnnotatedSet,
    *,
    box_of: BoxOf = "own",
    classes: PredictedClasses | None = None,
    further: Further = NOTHING,
    max_pixels: int = MAX_PIXELS,
    seed: int = 0,
    progress: Progress = no_progress,
) -> BoxEvaluations:
    """Measure ready-made boxes by the paper protocol: on the original image, IoU of half-open boxes.

    Parameters
    ----------
    found : FoundBoxes
        See `camkit.data.found_files.read_found_boxes`.
    dataset : AnnotatedSet
        Its records need a label and a box; others are failures.
    box_of : {"own", "own-or-miss", "any"}
        Which box GT-known Loc takes of an image: the first of its own class; the same, where an image that has boxes of
        other classes alone is a miss, as with a detector that looked for every class (with "own" GT-known Loc is then
        left out, since nobody asked where the own class is); or the first of any class. Without classes all are "any".
    classes : PredictedClasses, optional
        Another classifier's. Without, the classes of the boxes are those predicted, in the boxes' order.
    further : Further
        What is measured besides; nothing that needs maps.
    max_pixels : int
        Larger images are refused.
    seed : int
    progress : Progress

    Raises
    ------
    CamkitError
        The data set has no boxes, none of its images is in the file, or it cannot be told which class is which.
    """
    if not dataset.has_boxes:
        raise CamkitError(f"{dataset.name} {dataset.split} has no boxes to hold others against: give a split with some")
    boxes = _Boxes.of(found, dataset, box_of)
    k_max = boxes.k if classes is None else classes.k
    truth = GroundTruth(boxes=True, masks=False, name=f"{dataset.name} {dataset.split}")
    classification, rows = Classification(k_max), RecipeMeasures(NAME, k_max, NO_THRESHOLD, truth, further)
    failures, labels = [Failure("", problem) for problem in dataset.problems], list[int]()
    for index, record in progress(enumerate(dataset.records), len(dataset.records)):
        try:
            one = boxes.evaluation(record, index, classes, further, max_pixels)
        except CamkitError as error:
            failures.append(Failure(record.image, str(error)))
            continue
        assert one.own_label is not None
        labels.append(one.own_label)
        classification.update(one)
        rows.update(one)
    if not labels:
        raise none_measured(dataset, failures)
    table, results = rows.table(), rows.results(seed)
    if boxes.of_others:
        table, results = _without_own(table, results, keep_top_k=classes is None)
    named = classification.results(seed)
    if not results and not named:
        raise CamkitError(f"{found.path}: no figure can be told of it: {boxes.notes()[-1]}")
    measured, own = Measured({NAME: table}, {NAME: results}, {}), np.array(labels, np.int64)
    localization = {NAME: results | (macro_results(measured, further, own)[NAME] if further.macro else {})}
    evaluation = Evaluation(
        classification=named,
        localization=localization,
        curves=pd.DataFrame(),
        tables={NAME: table},
        against={},
        pxap_against={},
        failures=failures,
        notes=[LEFT_OUT, *boxes.notes()],
        match=None if classes is None else classes.match,
        by_size=size_table(measured, further) if further.by_size else pd.DataFrame(),
        by_class=class_table(measured, further, own, classes_of(dataset)) if further.by_class else pd.DataFrame(),
    )
    return BoxEvaluations(evaluation, pd.DataFrame(boxes.misses, columns=["image", "reason"]))


def _without_own(table: pd.DataFrame, results: Results, *, keep_top_k: bool) -> tuple[pd.DataFrame, Results]:
    """Without the figures that need a box of every image's own class; Top-k Loc by the boxes' own classes does not."""
    begin = OF_BOXES if keep_top_k else (*OF_BOXES, "top")
    figures = ("gt_loc", "mean_iou", "coverage") if keep_top_k else ("gt_loc", "mean_iou", "coverage", "top")
    kept = [str(name) for name in table.columns if not str(name).startswith(begin)]
    return table[kept], {name: result for name, result in results.items() if not name.startswith(figures)}


@dataclass(eq=False)
class _Boxes:
    """A file's boxes, for a data set's images one by one, and what is to be said of them at the end."""

    found: FoundBoxes
    dataset: AnnotatedSet
    box_of: BoxOf
    listed: Mapping[str, str]  # the file's name by the data set's image
    kind_of: Mapping[int, Kind]
    number_of: Mapping[Kind, int]
    about: list[str]
    misses: list[dict[str, str]] = field(default_factory=list)
    of_others: int = 0

    @classmethod
    def of(cls, found: FoundBoxes, dataset: AnnotatedSet, box_of: BoxOf) -> "_Boxes":
        names = list(dict.fromkeys([*found.boxes, *found.problems]))
        meant = images_meant(names, (record.image for record in dataset.records))
        if not meant:
            raise CamkitError(f"{found.path}: none of its {len(names)} images ({names[0]!r:.120}, ...) is one of "
                              f"{dataset.name} {dataset.split} ({dataset.records[0].image!r:.120}, ...): give the file "
                              "of this split, or mend the names")  # fmt: skip
        about = [] if len(meant) == len(names) else [
            f"{len(names) - len(meant)} of the {len(names)} images in {found.path} are none of the split"]  # fmt: skip
        if box_of == "any" or not found.kinds:
            return cls(found, dataset, "any", _turned(meant), {}, {}, about)
        kind_of, notes = match_kinds(found, dataset)
        number_of = dict[Kind, int]()
        for label, kind in kind_of.items():
            number_of.setdefault(kind, label)
        return cls(found, dataset, box_of, _turned(meant), kind_of, number_of, about + notes)

    @property
    def k(self) -> int:
        """How many of the likeliest classes the boxes themselves name: at most five, none without classes."""
        if not self.number_of:
            return 0
        return min(TOP_K, max(len({box.kind for box in boxes}) for boxes in self.found.boxes.values()))

    def evaluation(
        self, record: Record, index: int, classes: PredictedClasses | None, further: Further, max_pixels: int
    ) -> ImageEvaluation:
        """One image's; `CamkitError` where it cannot be judged."""
        if record.label is None:
            raise CamkitError("it has no label, and no class is its own")
        if not len(record.boxes):
            raise CamkitError("it has no box, and its localization cannot be judged")
        name = self.listed.get(record.image)
        if name in self.found.problems:
            raise CamkitError(self.found.problems[str(name)])
        size = record.size or read_size(record.read(), record.image, self.dataset.upright)
        check_pixels(size, max_pixels)
        check_inside(record.boxes.tolist(), size)
        all_boxes = [
            replace(box, corners=self.found.in_pixels(box, size)) for box in self.found.boxes.get(name or "", [])
        ]
        label, predicted = self._predicted(record.label, all_boxes) if classes is None else classes.of(record, index)
        boxes = self._own(record, all_boxes)
        ranked = _judged(boxes, record, size, further.ranked_boxes)
        return ImageEvaluation(record.image, label, predicted, record.label, {NAME: ranked}, {},
                               score=(boxes or [NOTHING_FOUND])[0].score)  # fmt: skip

    def _own(self, record: Record, boxes: list[FoundBox]) -> list[FoundBox]:
        """Those that GT-known Loc may take; a miss is named."""
        assert record.label is not None
        kind = self.kind_of.get(record.label, "")  # no box is of that
        own = boxes if self.box_of == "any" else [box for box in boxes if box.kind == kind]
        if boxes and not own:
            self.of_others += self.box_of == "own"
            self.misses.append({"image": record.image, "reason": "no box of its own class, others alone"})
        elif not boxes:
            where = "listed without a box" if record.image in self.listed else "not listed"
            self.misses.append({"image": record.image, "reason": f"{where} in {self.found.path}"})
        elif own[0].is_empty:
            self.misses.append({"image": record.image, "reason": f"its box in {self.found.path} is empty"})
        return own

    def _predicted(self, label: int, boxes: list[FoundBox]) -> tuple[int | None, torch.Tensor | None]:
        """The image's class and those that its boxes name, best first, in the data set's numbers."""
        if not self.number_of:
            return None, None
        kinds = list(dict.fromkeys(box.kind for box in boxes))[: self.k]
        numbers = [NO_CLASS if kind is None else self.number_of.get(kind, NO_CLASS) for kind in kinds]
        own = self.number_of.get(self.kind_of[label], label) if label in self.kind_of else label
        return own, torch.tensor(numbers + [NO_CLASS] * (self.k - len(numbers)))

    def notes(self) -> list[str]:
        """What has to be said beside the figures."""
        bare = [miss["image"] for miss in self.misses if not miss["reason"].startswith("no box of its own")]
        notes = list(self.about)
        if bare:
            few = ", ".join(f"{name!r:.120}" for name in bare[:3])
            notes.append(f"{len(bare)} images have no box in {self.found.path} and count as misses: {few}"
                         f"{', ...' * (len(bare) > 3)}; misses.csv names them")  # fmt: skip
        others = len(self.misses) - len(bare)
        if others and self.box_of == "own-or-miss":
            notes.append(f"{others} images have boxes of other classes alone and count as misses (--box-of "
                         "own-or-miss); misses.csv names them")  # fmt: skip
        elif others:
            notes.append(f"GT-known Loc asks for a box of each image's own class, and {others} images have boxes of "
                         "other classes alone: it is left out; --box-of own-or-miss counts them as misses, as of a "
                         "detector that looked for every class, --box-of any takes an image's first box")  # fmt: skip
        return notes


def _turned(meant: Mapping[str, str]) -> dict[str, str]:
    return {image: name for name, image in meant.items()}


def _judged(boxes: list[FoundBox], record: Record, size: tuple[int, int], k: int) -> BoxEvaluation:
    """The first box against the truth, and the best of the first k."""
    corners = torch.tensor([box.corners for box in boxes or [NOTHING_FOUND]], dtype=torch.float64)
    truth = torch.from_numpy(record.boxes)
    ious = half_open_iou(corners, truth).amax(1)
    share, largest = share_of_image(corners[:1], size)[0], share_of_image(truth, size).amax()
    return BoxEvaluation(_as_written(corners[0]), float(ious[0]), float(share), float(largest),
                         float(ious[:k].max()) if k else None)  # fmt: skip


def _as_written(corners: torch.Tensor) -> tuple[float, ...]:
    """Corners as a table has them, whole where they are."""
    return tuple(int(number) if number == int(number) else float(number) for number in corners.tolist())
