"""The figures: of the classifier, of each weighting's maps over all thresholds, and of each recipe's boxes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation.image_evaluation import ImageEvaluation
from camkit.metrics import Coverage, GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, MeanIoU, PxAP, Result, TopKCls, TopKLoc
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.metrics.per_image import PerImage
from camkit.metrics.pixels import with_and_without

Results = dict[str, Result]


def results_of(metrics: dict[str, PerImage], seed: int) -> Results:
    """Each figure with its interval. A figure's draws are its own."""
    return {name: metric.result(np.random.default_rng(seed)) for name, metric in metrics.items()}


def top_ks(k_max: int) -> list[int]:
    """The k of Top-k Cls and Loc: 1 and the most there are to take; none without a classifier."""
    return sorted({1, k_max}) if k_max else []


class Classification:
    """Top-1 and Top-k Cls; nothing without a classifier."""

    def __init__(self, k_max: int) -> None:
        self.metrics: dict[str, TopKCls] = {f"top{k}_cls": TopKCls(k) for k in top_ks(k_max)}

    def update(self, evaluation: ImageEvaluation) -> None:
        for metric in self.metrics.values():
            assert evaluation.predicted is not None
            metric.update(evaluation.predicted[None], torch.tensor([evaluation.label]))

    def results(self, seed: int) -> Results:
        return results_of(dict(self.metrics), seed)


@dataclass(frozen=True)
class GroundTruth:
    """What the images of a data set are held against.

    Attributes
    ----------
    boxes, masks : bool
        Every image that is measured must have what is true here.
    name : str
        Of the data set and its split.
    without_masks : int
        Images without a mask, in a data set where others have one.
    """

    boxes: bool
    masks: bool
    name: str
    without_masks: int = 0

    @classmethod
    def of(cls, dataset: AnnotatedSet) -> "GroundTruth":
        """Boxes where an image has one; masks where all images have one, or some and no image has a box.

        Raises
        ------
        CamkitError
            There are neither.
        """
        name, boxes = f"{dataset.name} {dataset.split}", dataset.has_boxes
        masked = sum(record.read_mask is not None for record in dataset.records)
        if not boxes and not masked:
            raise CamkitError(
                f"{name} has neither boxes nor masks: localization can be measured on a split with either"
            )
        unmasked = len(dataset.records) - masked if masked else 0
        return cls(boxes, masked > 0 and (not boxes or not unmasked), name, unmasked)

    def notes(self) -> list[str]:
        """What is not measured, and why."""
        if not self.boxes:
            return [f"{self.name} has masks and no boxes: figures of boxes are left out, and thresholds have no say"]
        if self.without_masks and not self.masks:
            return [f"PxAP needs a mask of every image, and {self.without_masks} of {self.name} have none: left out"]
        return []


def curve_measures(step: float, truth: GroundTruth) -> dict[str, MaxBoxAcc | MaxBoxAccV2 | PxAP]:
    """The measures that try every threshold: two of boxes, PxAP of masks."""
    measures: dict[str, MaxBoxAcc | MaxBoxAccV2 | PxAP] = {}
    if truth.boxes:
        measures |= {"max_box_acc": MaxBoxAcc(step), "max_box_acc_v2": MaxBoxAccV2(step)}
    return measures | ({"pxap": PxAP(step)} if truth.masks else {})


class Curves:
    """MaxBoxAcc, MaxBoxAccV2 and PxAP of the maps of one weighting."""

    def __init__(self, weighting: str, step: float, truth: GroundTruth) -> None:
        self.weighting, self.metrics = weighting, curve_measures(step, truth)

    def update(self, evaluation: ImageEvaluation) -> None:
        for name, outcome in evaluation.outcomes[self.weighting].items():
            self.metrics[name].append(outcome)

    def results(self, seed: int) -> Results:
        return results_of(dict(self.metrics), seed)

    def curve(self) -> pd.DataFrame:
        """MaxBoxAccV2's; nothing without boxes."""
        v2 = self.metrics.get("max_box_acc_v2")
        if not isinstance(v2, MaxBoxAccV2):
            return pd.DataFrame()
        with v2.sync_context():
            return v2.curve()

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """What each image leaves in the table: what it counts for, PxAP of all the others."""
        columns = {}
        for name, metric in self.metrics.items():
            if len(metric.outcomes) == 0:
                continue
            if isinstance(metric, PxAP):
                columns["pxap_without"] = with_and_without(metric.per_image())[1]
            else:
                columns[name] = metric.at_best()
        return columns


COLUMNS = ("recipe", "image", "label", "score", "predicted")
BOX_COLUMNS = ("x0", "y0", "x1", "y1", "share", "truth_share", "iou", "gt_loc")


class RecipeMeasures:
    """One recipe's row for each image, and everything that its boxes are measured by, where there are boxes.

    Parameters
    ----------
    recipe : str
        Its name.
    k_max : int
        The k of Top-k Loc beside 1; 0 without a classifier.
    threshold_split : str
        The split on which the recipe's threshold was chosen.
    """

    def __init__(self, recipe: str, k_max: int, threshold_split: str, truth: GroundTruth) -> None:
        self.recipe, self.ks, self.threshold_split, self.boxes = recipe, top_ks(k_max), threshold_split, truth.boxes
        self.rows: list[dict[str, object]] = []

    def update(self, evaluation: ImageEvaluation) -> None:
        row: dict[str, object] = {"recipe": self.recipe, "image": evaluation.image, "label": evaluation.label}
        if evaluation.score is not None:
            row["score"] = evaluation.score
        if evaluation.predicted is not None:
            row["predicted"] = int(evaluation.predicted[0])
        self.rows.append(row | (self._of_box(evaluation) if self.boxes else {}))

    def _of_box(self, evaluation: ImageEvaluation) -> dict[str, object]:
        found = evaluation.boxes[self.recipe]
        right = found.iou >= IOU_AT_LEAST
        row: dict[str, object] = dict(zip(("x0", "y0", "x1", "y1"), found.box, strict=True))
        row |= {"share": found.share, "truth_share": found.truth_share, "iou": found.iou, "gt_loc": right}
        if evaluation.predicted is not None:
            # A predicted class that is right is the image's own, and so is its map's box.
            predicted = evaluation.predicted.tolist()
            row |= {f"top{k}_loc": right and evaluation.label in predicted[:k] for k in self.ks}
        return row

    def table(self) -> pd.DataFrame:
        """A row an image; of none the columns alone, so that a process without images measures with the others."""
        if self.rows:
            return pd.DataFrame(self.rows)
        boxes = [*BOX_COLUMNS, *(f"top{k}_loc" for k in self.ks)] if self.boxes else []
        return pd.DataFrame(columns=[*COLUMNS, *boxes], dtype=float)

    def results(self, seed: int) -> Results:
        if not self.boxes:
            return {}
        table, split = self.table(), self.threshold_split
        metrics: dict[str, PerImage] = {"gt_loc": GTKnownLoc(split), "mean_iou": MeanIoU(split)}
        metrics |= {f"top{k}_loc": TopKLoc(k, split) for k in self.ks}
        columns = {"gt_loc": "gt_loc", "mean_iou": "iou", **{name: name for name in metrics if name.startswith("top")}}
        for name, metric in metrics.items():
            metric.append(torch.tensor(table[[columns[name]]].to_numpy()))
        coverage = Coverage(split)
        coverage.append(torch.tensor(table[["share", "truth_share"]].to_numpy()))
        shares: Results = coverage.result(np.random.default_rng(seed))
        return results_of(metrics, seed) | {f"coverage_{name}": share for name, share in shares.items()}
