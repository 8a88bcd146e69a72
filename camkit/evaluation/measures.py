"""The figures: of the classifier, of each weighting's maps over all thresholds, and of each recipe's boxes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation.further import Further
from camkit.evaluation.image_evaluation import ImageEvaluation, MapMeasure
from camkit.evaluation.numbers_on_disk import NumbersOnDisk
from camkit.metrics import (
    Coverage,
    EnergyPointingGame,
    GTKnownLoc,
    MaxBoxAcc,
    MaxBoxAccV2,
    MaxBoxAccV3,
    MeanIoU,
    MeanPxAP,
    PeakIoU,
    PointingGame,
    PxAP,
    RankedLoc,
    RegionLoc,
    Result,
    TopKCls,
    TopKLoc,
)
from camkit.metrics.localization import is_right
from camkit.metrics.per_image import PerImage
from camkit.metrics.pixels import with_and_without
from camkit.metrics.wsol import SIDE

Results = dict[str, Result]


def results_of(metrics: dict[str, PerImage], seed: int) -> Results:
    """Each figure with its interval. A figure's draws are its own."""
    return {name: metric.result(np.random.default_rng(seed)) for name, metric in metrics.items()}


def top_ks(k_max: int) -> list[int]:
    """The k of Top-k Cls and Loc: 1 and the most there are to take; none without a classifier."""
    return sorted({1, k_max}) if k_max else []


def _keep(metrics: Iterable[PerImage | None], on_disk: bool) -> None:
    for metric in metrics:
        if on_disk and metric is not None:
            metric.keep_on_disk()


class Classification:
    """Top-1 and Top-k Cls; nothing without a classifier."""

    def __init__(self, k_max: int, on_disk: bool = False) -> None:
        self.metrics: dict[str, TopKCls] = {f"top{k}_cls": TopKCls(k) for k in top_ks(k_max)}
        _keep(self.metrics.values(), on_disk)

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


def map_measures(step: float, truth: GroundTruth, further: Further) -> dict[str, MapMeasure]:
    """The measures of maps, by the name of what they keep of an image."""
    measures: dict[str, MapMeasure] = {}
    if truth.boxes:
        measures |= {"max_box_acc": MaxBoxAcc(step), "max_box_acc_v2": MaxBoxAccV2(step)}
        measures |= {"max_box_acc_v3": MaxBoxAccV3(step)} if further.max_box_acc_v3 else {}
    measures |= {"pxap": PxAP(step)} if truth.masks else {}
    if further.pointing_game:
        measures |= {"pointing_game": PointingGame(0), "energy_pointing_game": EnergyPointingGame()}
    return measures


class Curves:
    """The measures of the maps of one weighting, most of which try every threshold."""

    def __init__(
        self, weighting: str, step: float, truth: GroundTruth, further: Further, on_disk: bool = False
    ) -> None:
        self.weighting, self.metrics = weighting, map_measures(step, truth, further)
        # What others keep tells these, too.
        self.mean_pxap = MeanPxAP(step) if truth.masks else None
        self.peak_iou = PeakIoU(step) if truth.masks else None
        self.near = PointingGame(further.tolerance) if further.pointing_game and further.tolerance else None
        _keep((*self.metrics.values(), self.mean_pxap, self.peak_iou, self.near), on_disk)

    def update(self, evaluation: ImageEvaluation) -> None:
        outcomes = evaluation.outcomes[self.weighting]
        for name, outcome in outcomes.items():
            self.metrics[name].append(outcome)
        if self.mean_pxap is not None and self.peak_iou is not None and evaluation.own_label is not None:
            self.mean_pxap.append(MeanPxAP.row(evaluation.own_label, outcomes["pxap"]))
            self.peak_iou.append(outcomes["pxap"])
        if self.near is not None:
            self.near.append(outcomes["pointing_game"])

    def results(self, seed: int) -> Results:
        named: dict[str, PerImage] = {}
        for name, metric in self.metrics.items():
            named[name] = metric
            if name == "pxap" and self.mean_pxap is not None and self.peak_iou is not None:
                named |= {"mpxap": self.mean_pxap, "peak_iou": self.peak_iou}
            if name == "pointing_game" and self.near is not None:
                named[f"pointing_game_{self.near.tolerance:g}px"] = self.near
        v3 = named.pop("max_box_acc_v3", None)
        found = results_of(named, seed)
        if v3 is not None:
            figures = v3.result(np.random.default_rng(seed))
            found |= {f"max_box_acc_v3{'' if name == 'recall' else f'_{name}'}": of for name, of in figures.items()}
        return found

    def curve(self) -> pd.DataFrame:
        """MaxBoxAccV2's; nothing without boxes."""
        v2 = self.metrics.get("max_box_acc_v2")
        if not isinstance(v2, MaxBoxAccV2):
            return pd.DataFrame()
        with v2.sync_context():
            return v2.curve()

    def columns(self) -> dict[str, NDArray[np.float64]]:
        """What each image leaves in the table: what it counts for, PxAP of all the others, its mask's share."""
        columns = {}
        for name, metric in self.metrics.items():
            if not metric.has_rows:
                continue
            if isinstance(metric, PxAP):
                rows = metric.per_image()
                columns["pxap_without"] = with_and_without(rows)[1]
                columns["mask_share"] = rows[:, : rows.shape[1] // 2].sum(axis=1) / SIDE**2
            elif isinstance(metric, PointingGame):
                columns["pointing_distance"] = metric.per_image()[:, 0]
            elif isinstance(metric, EnergyPointingGame):
                columns["energy"] = metric.per_image()[:, 0]
            elif isinstance(metric, MaxBoxAcc):
                columns[name] = metric.at_best()
        return columns


COLUMNS = ("recipe", "image", "label", "score", "predicted")
REGION_COLUMNS = ("regions", "regions_found", "true_boxes", "regions_iou")
COUNTED_COLUMNS = ("regions_found", "regions", "true_boxes")  # as `RegionLoc` keeps them
BOX_COLUMNS = ("x0", "y0", "x1", "y1", "share", "truth_share", "iou")


class RecipeMeasures:
    """One recipe's row for each image, and everything that its boxes are measured by, where there are boxes.

    Parameters
    ----------
    recipe : str
        Its name.
    k_max : int
        The k of Top-k Loc beside 1; 0 without a classifier.
    threshold_split : str
        What chose the recipe's threshold.
    truth : GroundTruth
    further : Further
    on_disk : bool
        Keep the numbers of rows alone, in a temporary file.
    """

    def __init__(
        self,
        recipe: str,
        k_max: int,
        threshold_split: str,
        truth: GroundTruth,
        further: Further,
        on_disk: bool = False,
    ) -> None:
        self.recipe, self.ks, self.threshold_split = recipe, top_ks(k_max), threshold_split
        self.boxes, self.masks = truth.boxes, truth.masks
        self.further = further
        self.rows: list[dict[str, object]] | NumbersOnDisk = NumbersOnDisk() if on_disk else []

    def update(self, evaluation: ImageEvaluation) -> None:
        self.rows.append(self.row(evaluation))

    def row(self, evaluation: ImageEvaluation) -> dict[str, object]:
        """An image's row of the table."""
        row: dict[str, object] = {"recipe": self.recipe, "image": evaluation.image, "label": evaluation.label}
        if evaluation.score is not None:
            row["score"] = evaluation.score
        if evaluation.predicted is not None:
            row["predicted"] = int(evaluation.predicted[0])
        return row | (self._of_box(evaluation) if self.boxes else {}) | self._of_regions(evaluation)

    def _of_regions(self, evaluation: ImageEvaluation) -> dict[str, object]:
        if self.recipe not in evaluation.regions:
            return {}
        of = evaluation.regions[self.recipe]
        values = zip(REGION_COLUMNS, (of.regions, of.found, of.true, of.iou), strict=True)
        return {name: value for name, value in values if value is not None}

    def _of_box(self, evaluation: ImageEvaluation) -> dict[str, object]:
        found = evaluation.boxes[self.recipe]
        iou = torch.tensor(found.iou, dtype=torch.float64)
        right = bool(is_right(iou))
        row: dict[str, object] = dict(zip(("x0", "y0", "x1", "y1"), found.box, strict=True))
        row |= {"share": found.share, "truth_share": found.truth_share, "iou": found.iou}
        counts = {"": right} | ({"_strict": bool(is_right(iou, strict=True))} if self.further.strict else {})
        for kind, yes in counts.items():
            row[f"gt_loc{kind}"] = yes
            if evaluation.predicted is not None:
                # A predicted class that is right is the image's own, and so is its map's box.
                predicted = evaluation.predicted.tolist()
                row |= {f"top{k}_loc{kind}": yes and evaluation.label in predicted[:k] for k in self.ks}
        if found.ranked_iou is not None:
            row[self.ranked] = bool(is_right(torch.tensor(found.ranked_iou)))
        return row

    @property
    def ranked(self) -> str:
        """The name of GT-known Loc with ranked boxes."""
        return f"gt_loc_{self.further.ranked_boxes}_boxes"

    def _loc(self) -> dict[str, PerImage]:
        """The metrics of right and wrong, by the names of their columns."""
        split, metrics = self.threshold_split, dict[str, PerImage]()
        for strict in (False, True) if self.further.strict else (False,):
            kind = "_strict" * strict
            metrics[f"gt_loc{kind}"] = GTKnownLoc(split, strict=strict)
            metrics |= {f"top{k}_loc{kind}": TopKLoc(k, split, strict=strict) for k in self.ks}
        if self.further.ranked_boxes:
            metrics[self.ranked] = RankedLoc(self.further.ranked_boxes, split)
        return metrics

    def table(self, columns: Mapping[str, NDArray[np.float64]] | None = None) -> pd.DataFrame:
        """A row an image, with more columns; of what is kept on disk the columns of numbers.

        Of no image it is the columns alone, so that a process without images measures with the others.
        """
        if isinstance(self.rows, NumbersOnDisk):
            return self.rows.table(columns or {})
        if self.rows:
            return pd.DataFrame(self.rows).assign(**(columns or {}))
        boxes = [*BOX_COLUMNS, *self._loc()] if self.boxes else []
        boxes += REGION_COLUMNS if self.further.regions is not None else ()
        return pd.DataFrame(columns=[*COLUMNS, *boxes], dtype=float)

    def results(self, seed: int) -> Results:
        table = self.table()
        return (self._results_of_box(table, seed) if self.boxes else {}) | self._results_of_regions(table, seed)

    def _results_of_regions(self, table: pd.DataFrame, seed: int) -> Results:
        """Of all regions that are asked for: what they find of the boxes, and how their pixels meet the masks."""
        found: Results = {}
        if self.further.regions is None:
            return found
        if self.boxes:
            loc = RegionLoc(self.threshold_split)
            loc.append(torch.tensor(table[list(COUNTED_COLUMNS)].to_numpy(np.int64)))
            found |= {f"regions_{name}": of for name, of in loc.result(np.random.default_rng(seed)).items()}
        if self.masks:
            pixels = MeanIoU(self.threshold_split)
            pixels.append(torch.tensor(table[["regions_iou"]].to_numpy(float)))
            found["regions_iou"] = pixels.result(np.random.default_rng(seed))
        return found

    def _results_of_box(self, table: pd.DataFrame, seed: int) -> Results:
        split = self.threshold_split
        loc, mean_iou = self._loc(), MeanIoU(split)
        for name, metric in loc.items():
            metric.append(torch.tensor(table[[name]].to_numpy()))
        mean_iou.append(torch.tensor(table[["iou"]].to_numpy()))
        metrics = {"gt_loc": loc.pop("gt_loc"), "mean_iou": mean_iou, **loc}
        coverage = Coverage(split)
        coverage.append(torch.tensor(table[["share", "truth_share"]].to_numpy()))
        shares: Results = coverage.result(np.random.default_rng(seed))
        return results_of(metrics, seed) | {f"coverage_{name}": share for name, share in shares.items()}
