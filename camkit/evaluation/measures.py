"""The figures: of the classifier, of each weighting's maps over all thresholds, and of each recipe's boxes."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.evaluation.judge import Judged
from camkit.metrics import Coverage, GTKnownLoc, MaxBoxAcc, MaxBoxAccV2, MeanIoU, PxAP, Result, TopKCls, TopKLoc
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.metrics.per_image import PerImage

Results = dict[str, Result]


def results_of(metrics: dict[str, PerImage], seed: int) -> Results:
    """Each figure with its interval. A figure's draws are its own."""
    return {name: metric.result(np.random.default_rng(seed)) for name, metric in metrics.items()}


def of_k(most: int) -> list[int]:
    """The k of Top-k Cls and Loc: 1 and the most there are to take; none without a classifier."""
    return sorted({1, most}) if most else []


class Classification:
    """Top-1 and Top-k Cls; nothing without a classifier."""

    def __init__(self, most: int) -> None:
        self.metrics: dict[str, TopKCls] = {f"top{k}_cls": TopKCls(k) for k in of_k(most)}

    def update(self, judged: Judged) -> None:
        for metric in self.metrics.values():
            assert judged.predicted is not None
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

    def __init__(self, weighting: str, step: float, masks: bool) -> None:
        self.weighting, self.metrics = weighting, curve_measures(step, masks)

    def update(self, judged: Judged) -> None:
        for name, outcome in judged.outcomes[self.weighting].items():
            self.metrics[name].append(outcome)

    def results(self, seed: int) -> Results:
        return results_of(dict(self.metrics), seed)

    def curve(self) -> pd.DataFrame:
        v2 = self.metrics["max_box_acc_v2"]
        assert isinstance(v2, MaxBoxAccV2)
        with v2.sync_context():
            return v2.curve()


COLUMNS = ("recipe", "image", "label", "predicted", "x0", "y0", "x1", "y1", "share", "truth_share", "iou", "gt_loc")


class BoxMeasures:
    """Everything that one recipe's boxes are measured by.

    Parameters
    ----------
    recipe : str
        Its name.
    most : int
        The k of Top-k Loc beside 1; 0 without a classifier.
    threshold_split : str
        The split on which the recipe's threshold was chosen.
    """

    def __init__(self, recipe: str, most: int, threshold_split: str) -> None:
        self.recipe, self.ks, self.threshold_split = recipe, of_k(most), threshold_split
        self.rows: list[dict[str, object]] = []

    def update(self, judged: Judged) -> None:
        found = judged.boxes[self.recipe]
        right = found.iou >= IOU_AT_LEAST
        row: dict[str, object] = {"recipe": self.recipe, "image": judged.image, "label": judged.label}
        if judged.predicted is not None:
            row["predicted"] = int(judged.predicted[0])
        row |= dict(zip(("x0", "y0", "x1", "y1"), found.box, strict=True))
        row |= {"share": found.share, "truth_share": found.truth_share, "iou": found.iou, "gt_loc": right}
        if judged.predicted is not None:
            # A predicted class that is right is the image's own, and so is its map's box.
            predicted = judged.predicted.tolist()
            row |= {f"top{k}_loc": right and judged.label in predicted[:k] for k in self.ks}
        self.rows.append(row)

    def table(self) -> pd.DataFrame:
        """A row an image; of none the columns alone, so that a process without images measures with the others."""
        if self.rows:
            return pd.DataFrame(self.rows)
        return pd.DataFrame(columns=[*COLUMNS, *(f"top{k}_loc" for k in self.ks)], dtype=float)

    def right(self) -> NDArray[np.bool_]:
        """Whether each image counts for GT-known Loc, (n,)."""
        return self.table()["gt_loc"].to_numpy(bool)

    def results(self, seed: int) -> Results:
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


def table_of(measures: Iterable[BoxMeasures]) -> pd.DataFrame:
    return pd.concat([measure.table() for measure in measures], ignore_index=True)
