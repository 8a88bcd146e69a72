"""GT-known Loc over theta and percentile: the surface on which the two fixed thresholds lie."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.analysis.finding import Analysis, Finding, Summary, run_analysis
from camkit.analysis.observation import MapObservation, Requirements
from camkit.boxes import PercentileThreshold, boxes_at_taus
from camkit.errors import CamkitError
from camkit.figures import plot_surface
from camkit.localization import Failure
from camkit.metrics import Result
from camkit.metrics.best_accuracy import best_accuracy
from camkit.metrics.intervals import accuracy
from camkit.metrics.iou import best_iou
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.metrics.threshold_splits import FIXED, REPORTED
from camkit.recipe import Recipe

Correct = NDArray[np.bool_]

THETAS = tuple(round(0.05 * i, 2) for i in range(21))
PERCENTILES = (80.0, 82.0, 84.0, 86.0, 88.0, 90.0, 92.0, 94.0, 96.0, 98.0, 100.0)
FIXED_RULES = {"max_0.2": (0.2, 100.0), "pas_0.35_90": (0.35, 90.0)}  # theta and percentile
WEIGHTINGS: tuple[str, ...] = ("signed", "positive")


class Sweep(Analysis[Correct | None]):
    """See `sweep`. Keeps a bit an image, weighting and setting."""

    name = "sweep"

    def __init__(
        self,
        thetas: Sequence[float] = THETAS,
        percentiles: Sequence[float] = PERCENTILES,
        recipe: Recipe | None = None,
        seed: int = 0,
    ) -> None:
        self.recipe, self.seed = recipe or Recipe("signed"), seed
        self.settings = list(product(thetas, percentiles))
        for theta, percentile in self.settings:
            PercentileThreshold(theta, percentile)  # refuses what is out of range
        self.weightings: tuple[str, ...] = WEIGHTINGS
        self.correct: list[NDArray[np.uint8]] = []
        self.without_boxes = 0

    @property
    def requirements(self) -> Requirements:
        return Requirements(head=False, boxes=True)

    def measure(self, observation: MapObservation) -> Correct | None:
        """(weightings, settings): whether the box meets the truth."""
        if not len(observation.record.boxes):
            return None
        rows = []
        for weighting in observation.weightings:
            score_map = observation.score_map(self.recipe, observation.class_map(weighting))
            standards = {p: np.percentile(score_map, p) for p in {percentile for _, percentile in self.settings}}
            boxes = boxes_at_taus(score_map, [theta * standards[percentile] for theta, percentile in self.settings])
            boxes += np.array(observation.corner * 2) * (boxes[:, 2:3] > boxes[:, :1])
            rows.append(best_iou(torch.from_numpy(boxes), observation.record.boxes).numpy() >= IOU_AT_LEAST)
        return np.stack(rows)

    def add(self, measured: Correct | None) -> None:
        if measured is None:
            self.without_boxes += 1
        else:
            self.weightings = WEIGHTINGS[: len(measured)]
            self.correct.append(np.packbits(measured))

    def finding(self) -> Finding:
        if not self.correct:
            raise CamkitError("sweep needs ground-truth boxes, and there is none: check the data set and its split")
        shape = (len(self.weightings), len(self.settings))
        correct = np.unpackbits(np.stack(self.correct), axis=1, count=shape[0] * shape[1]).astype(bool)
        correct = correct.reshape(-1, *shape)
        rows = [
            {"weighting": weighting, "theta": theta, "percentile": percentile, "gt_loc": gt_loc}
            for weighting, surface in zip(self.weightings, 100 * correct.mean(axis=0), strict=True)
            for (theta, percentile), gt_loc in zip(self.settings, surface, strict=True)
        ]
        table = pd.DataFrame(rows).assign(n=len(correct))
        summary: Summary = {weighting: self._summary(correct[:, i]) for i, weighting in enumerate(self.weightings)}
        notes = ["the best settings were chosen on these very images"]
        if self.without_boxes:
            notes.append(f"{self.without_boxes} images have no ground-truth box and are left out")
        best = table.iloc[int(table["gt_loc"].to_numpy().argmax())]
        figure = partial(plot_surface, table, (best["weighting"], best["percentile"], best["theta"]))
        return Finding(self.name, table, summary, figure, notes=tuple(notes))

    def _summary(self, correct: Correct) -> Summary:
        """The best setting of one weighting (n, settings), the best with the maximum, and the two that are fixed."""
        right = correct.sum(axis=0)
        summary: Summary = {"best": self._best(correct, range(len(self.settings)))}
        maximum = [i for i, (_, percentile) in enumerate(self.settings) if percentile == 100]
        if maximum:
            summary["best_with_maximum"] = self._best(correct, maximum)
        summary["within_a_point"] = float((right >= right.max() - 0.01 * len(correct)).mean())
        for name, rule in FIXED_RULES.items():
            if rule in self.settings:
                summary[name] = Result.of(accuracy(correct[:, self.settings.index(rule)]), FIXED)
        return summary

    def _best(self, correct: Correct, among: Sequence[int]) -> Result:
        setting = self.settings[among[int(correct[:, among].sum(axis=0).argmax())]]
        estimate = best_accuracy(correct[:, None, among], np.random.default_rng(self.seed))
        return Result.of(estimate, REPORTED, setting)


def sweep(
    observations: Iterable[MapObservation | Failure],
    thetas: Sequence[float] = THETAS,
    percentiles: Sequence[float] = PERCENTILES,
    recipe: Recipe | None = None,
    seed: int = 0,
) -> Finding:
    """GT-known Loc at every theta and percentile, from signed and from positive weights (NWC).

    Parameters
    ----------
    observations : iterable of MapObservation
    thetas : sequence of float
        In [0, 1].
    percentiles : sequence of float
        In [80, 100]; 100 is the maximum, the plain rule.
    recipe : Recipe
        Normalisation and interpolation; the rest plays no part.
    seed : int
        Of the draws behind the intervals of the best settings.

    Returns
    -------
    Finding
        Table: weighting, theta, percentile, gt_loc in percent, n. Summary, for each weighting: `best` and
        `best_with_maximum`, chosen on these very images (`thresholds` are theta and percentile), the two fixed settings
        `max_0.2` and `pas_0.35_90`, and `within_a_point`, the share of the settings that lose at most a point.

    Raises
    ------
    CamkitError
        No image has a ground-truth box, or a setting is out of range.
    """
    return run_analysis(Sweep(thetas, percentiles, recipe, seed), observations)
