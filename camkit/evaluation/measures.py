"""The figures: of the classifier, of each weighting's maps over all thresholds, and of each recipe's boxes."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.evaluation.judge import Judged
from camkit.metrics import Coverage, GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, MeanIoU, PxAP, Result, TopKCls, TopKLoc
from camkit.metrics.iou import IoU, inclusive_iou
from camkit.metrics.per_image import PerImage
from camkit.recipe import Weighting

Results = dict[str, Result]


def results_of(metrics: dict[str, PerImage], seed: int) -> Results:
    """Each figure with its interval; one that was given no image is left out. A figure's draws are its own."""
    return {
        name: metric.result(np.random.default_rng(seed)) for name, metric in metrics.items() if len(metric.outcomes)
    }


class Classification:
    """Top-1 and Top-k Cls; nothing without a classifier."""

    def __init__(self, k: int) -> None:
        self.metrics: dict[str, TopKCls] = {f"top{k}_cls": TopKCls(k) for k in sorted({1, k})}

    def update(self, judged: Judged) -> None:
        if judged.predicted is not None:
            for metric in self.metrics.values():
                metric.update(judged.predicted[None], torch.tensor([judged.label]))

    def results(self, seed: int) -> Results:
        return results_of(dict(self.metrics), seed)


def curve_measures(step: float, masks: bool) -> dict[str, MaxBoxAcc | MaxBoxAccV2 | PxAP]:
    """The measures that try every threshold; PxAP where there are masks."""
    measures: dict[str, MaxBoxAcc | MaxBoxAccV2 | PxAP] = {
        "max_box_acc": MaxBoxAcc(step),
        "max_box_acc_v2": MaxBoxAccV2(step),
    }
    return measures | ({"pxap": PxAP(step)} if masks else {})


class Curves:
    """MaxBoxAcc, MaxBoxAccV2 and PxAP of the maps of one weighting."""

    def __init__(self, weighting: Weighting, step: float, masks: bool) -> None:
        self.weighting, self.metrics = weighting, curve_measures(step, masks)

    def update(self, judged: Judged) -> None:
        for name, outcome in judged.outcomes[self.weighting].items():
            self.metrics[name].append(outcome)

    def results(self, seed: int) -> Results:
        return results_of(dict(self.metrics), seed)

    def curve(self) -> pd.DataFrame:
        v2 = self.metrics["max_box_acc_v2"]
        assert isinstance(v2, MaxBoxAccV2)
        return v2.curve()


class BoxMeasures:
    """Everything that one recipe's boxes are measured by.

    Parameters
    ----------
    recipe : str
        Its name.
    k : int
        The k of Top-k Loc beside 1.
    iou : IoU
        The protocol's.
    threshold_split : str
        The split on which the recipe's threshold was chosen.
    """

    def __init__(self, recipe: str, k: int, iou: IoU, threshold_split: str) -> None:
        self.recipe, self.k, self.iou = recipe, k, iou
        self.gt_loc = GTKnownLoc(threshold_split, iou)
        self.topk_loc = {f"top{k}_loc": TopKLoc(k, threshold_split, iou) for k in sorted({1, k})}
        self.mean_iou, self.coverage = MeanIoU(threshold_split, iou), Coverage(threshold_split)
        self.rows: list[dict[str, object]] = []

    def update(self, judged: Judged) -> None:
        box, truths = torch.from_numpy(judged.boxes[self.recipe])[None], [judged.truth]
        self.gt_loc.update(box, truths)
        self.mean_iou.update(box, truths)
        self.coverage.update(self._half_open(box), [self._half_open(judged.truth)], [judged.size])
        if judged.predicted is not None:
            # A predicted class that is right is the image's own, and so is its map's box.
            boxes = box[:, None].expand(1, self.k, 4)
            for metric in self.topk_loc.values():
                metric.update(boxes, judged.predicted[None], torch.tensor([judged.label]), truths)
        self.rows.append(self._row(judged))

    def _row(self, judged: Judged) -> dict[str, object]:
        corners = zip(("x0", "y0", "x1", "y1"), judged.boxes[self.recipe].tolist(), strict=True)
        predicted = None if judged.predicted is None else int(judged.predicted[0])
        return {
            "recipe": self.recipe,
            "image": judged.image,
            "label": judged.label,
            "predicted": predicted,
            **dict(corners),
        }

    def _half_open(self, boxes: torch.Tensor) -> torch.Tensor:
        return boxes + torch.tensor([0, 0, 1, 1]) if self.iou is inclusive_iou else boxes

    def results(self, seed: int) -> Results:
        results = results_of({"gt_loc": self.gt_loc, **self.topk_loc, "mean_iou": self.mean_iou}, seed)
        shares: Results = self.coverage.result(np.random.default_rng(seed))
        return results | {f"coverage_{name}": share for name, share in shares.items()}

    def right(self) -> NDArray[np.bool_]:
        """Whether each image counts for GT-known Loc, (n,)."""
        return np.asarray(self.gt_loc.per_image()[:, 0])

    def table(self) -> pd.DataFrame:
        """A row an image."""
        outcomes = {"iou": self.mean_iou, "gt_loc": self.gt_loc, **self.topk_loc}
        columns = {name: metric.per_image()[:, 0] for name, metric in outcomes.items() if len(metric.outcomes)}
        return pd.DataFrame(self.rows).assign(**columns)


def table_of(measures: Iterable[BoxMeasures]) -> pd.DataFrame:
    return pd.concat([measure.table() for measure in measures], ignore_index=True)
