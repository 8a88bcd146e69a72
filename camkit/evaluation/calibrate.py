"""The choice of fit, weighting and threshold on a split with boxes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.boxes import Normalization, PercentileThreshold, Threshold
from camkit.boxes.thresholds import percentile_of
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit
from camkit.errors import CamkitError
from camkit.evaluation.grid import thresholds_for
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.protocols import EvaluationProtocol, Scores, protocol_named
from camkit.evaluation.source import (
    EvaluationSource,
    check_weightings,
    has_class_weights,
    match_source,
    measure_images,
    none_measured,
)
from camkit.inference import Progress, no_progress
from camkit.localization import Failure
from camkit.metrics.iou import best_iou
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.metrics.wsol import LEVELS
from camkit.process_group import ALONE, ProcessGroup
from camkit.recipe import Recipe

THETAS = np.arange(1, 100) / 100
# Of each threshold the percentiles that are tried: PaS's standard, IVR's lower level, and 100 for the maximum.
PERCENTILES: dict[str, NDArray[np.int64]] = {
    "max": np.array([100]),
    "minmax": np.array([100]),
    "pas": np.arange(80, 100),
    "ivr": np.arange(5, 100, 5),
}
PAPER = 0.35, 90  # theta and percentile of PaS
WEIGHTINGS: tuple[str, ...] = ("signed", "positive")
FITS: tuple[Fit, ...] = get_args(Fit)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was chosen, and everything that was tried.

    Attributes
    ----------
    recipe : Recipe
    fit : {"stretch", "crop", "keep"}
    surface : DataFrame
        Columns fit, weighting, threshold, percentile (100: the maximum), theta, gt_loc in percent: GT-known Loc on the
        split.
    chosen_on : str
        Data set and split.
    n : int
        Images that were judged.
    failures : list of Failure
    """

    recipe: Recipe
    fit: Fit
    surface: pd.DataFrame
    chosen_on: str
    n: int
    failures: list[Failure]

    @property
    def setting(self) -> tuple[str, str, float, float]:
        """The recipe's weighting, threshold, percentile and theta, as the surface has them."""
        rule = self.recipe.threshold
        assert isinstance(rule, Threshold)
        lo, hi = (percentile_of(level) for level in (rule.lo, rule.hi))
        if lo is not None:
            return self.recipe.weighting, "ivr", lo, rule.theta
        assert hi is not None
        name = "max" if self.recipe.normalization == "none" else "minmax" if hi == 100 else "pas"
        return self.recipe.weighting, name, hi, rule.theta

    def __repr__(self) -> str:
        best = self.surface["gt_loc"].max()
        return (f"Calibration({self.recipe}, fit {self.fit}: gt_loc {best:.2f} on {self.chosen_on}; {self.n} images, "
                f"{len(self.failures)} failed)")  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw what was tried under the chosen fit, and the choice, in the place of a matplotlib Axes.

        Returns
        -------
        Axes
            The given one, or that of a page of its own.
        """
        from camkit.figures import plot_calibration  # noqa: PLC0415 - matplotlib only where a picture is wanted

        return plot_calibration(self.surface[self.surface["fit"] == self.fit], self.setting, ax)

    def _repr_png_(self) -> bytes:
        from camkit.figures import as_png  # noqa: PLC0415

        return as_png(self.plot())


def calibrate(
    source: EvaluationSource,
    dataset: AnnotatedSet,
    base: Recipe,
    *,
    weightings: Sequence[str] = WEIGHTINGS,
    thresholds: Sequence[str] | None = None,
    fits: Sequence[Fit] = ("stretch",),
    protocol: str = "paper",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = no_progress,
    gather: ProcessGroup = ALONE,
) -> Calibration:
    """Choose the fit, weighting, threshold, theta and percentile with the highest GT-known Loc on a split.

    Thetas from 0.01 to 0.99 in steps of one hundredth, PaS's percentiles from 80 to 99 in steps of one, IVR's from 5 to
    95 in steps of five, on score maps of 256 grey levels, so that all of them come from one pass over each map. Of
    equals PaS and min-max come before IVR and the maximum of the map as it is; then the one nearest to the paper's
    setting (theta 0.35, percentile 90) is taken, positive weights before signed before others, and an earlier fit
    before a later one.
    Under several fits an image that fails under one of them is a failure, so that all are judged on the same images.

    Parameters
    ----------
    source : Inference or MapFolder
    dataset : AnnotatedSet
    base : Recipe
        Gives interpolation and normalisation ("minmax").
    weightings : sequence of str
        On maps without class weights there is none to choose, and "signed" stands for the maps as they are.
    thresholds : sequence of {"max", "minmax", "pas", "ivr"}, optional
        By default all that the protocol has: "max" is of the map as it is, which wsol's are not.
    fits : sequence of {"stretch", "crop", "keep"}
        Each image is read and goes through the network once a fit. To the maps in a folder a fit says nothing.
    protocol, batch_size, workers, max_pixels, progress, gather
        See `evaluate`.

    Raises
    ------
    CamkitError
        No image could be judged, maps are not to be normalised, or a weighting or threshold does not hold.
    """
    if base.normalization != "minmax":
        raise CamkitError("thresholds are chosen on maps between 0 and 1: leave out --normalize none")
    require_boxes(dataset)
    match_source(source, dataset)  # refused before the first image
    if not has_class_weights(source):
        weightings = ("signed",)
    check_weightings(source, weightings)
    tried = tuple(thresholds_for(protocol, None)[0] if thresholds is None else thresholds)
    measure = EverySetting(protocol_named(protocol), base, tuple(weightings), tried)
    looks = [measure_images(source, dataset, measure.weightings, measure, fit=fit, batch_size=batch_size,
                            workers=workers, max_pixels=max_pixels, gather=gather) for fit in fits]  # fmt: skip
    results = (outcome_of(look) for look in zip(*looks, strict=True))
    right = np.zeros((len(fits), len(measure.weightings), len(measure.rules), len(THETAS)), np.int64)
    failures, n = [Failure("", problem) for problem in dataset.problems], 0
    for outcome in progress(results, len(dataset.records)):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            right, n = right + outcome, n + 1
    if n == 0:
        raise none_measured(dataset, failures)
    surface = surface_of(right, n, fits, measure.weightings, measure.rules)
    return Calibration(*best_of(surface, base), surface, f"{dataset.name} {dataset.split}", n, failures)


def outcome_of(look: Sequence[NDArray[np.bool_] | Failure]) -> NDArray[np.bool_] | Failure:
    """Of one image the outcomes under each fit, or the first failure."""
    outcomes = []
    for under_fit in look:
        if isinstance(under_fit, Failure):
            return under_fit
        outcomes.append(under_fit)
    return np.stack(outcomes)


def require_boxes(dataset: AnnotatedSet) -> None:
    """`CamkitError` where GT-known Loc, by which settings are chosen, can be measured on no image."""
    if not dataset.has_boxes:
        raise CamkitError(
            f"{dataset.name} {dataset.split} has no box, and settings are chosen by GT-known Loc: give one with boxes"
        )


@dataclass(frozen=True, eq=False)
class EverySetting:
    """Whether an image is right under each weighting, threshold with its percentile, and theta.

    Raises
    ------
    CamkitError
        A threshold is unknown, or not the protocol's.
    """

    protocol: EvaluationProtocol
    base: Recipe
    weightings: tuple[str, ...]
    thresholds: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.thresholds:
            if name not in PERCENTILES:
                raise CamkitError(f"threshold {name!r} has no thetas to try: choose of {', '.join(PERCENTILES)}")
            if name == "max":
                self.protocol.check(replace(self.base, normalization="none"))

    @property
    def rules(self) -> list[tuple[str, int]]:
        """Thresholds with their percentiles."""
        return [(name, int(percentile)) for name in self.thresholds for percentile in PERCENTILES[name]]

    def __call__(self, prediction: ImagePrediction) -> NDArray[np.bool_]:
        return np.stack([self._of(prediction, weighting) for weighting in self.weightings])

    def _of(self, prediction: ImagePrediction, weighting: str) -> NDArray[np.bool_]:
        recipe = Recipe(weighting, interpolation=self.base.interpolation)
        score_map, boxes = self.protocol.levels(prediction, recipe)
        boxes = np.concatenate([boxes, self.protocol.whole(prediction)])  # the last: a threshold below all values
        ious = best_iou(torch.from_numpy(boxes), self.protocol.truth(prediction), self.protocol.iou).numpy()
        return np.asarray((ious >= IOU_AT_LEAST)[self._levels(score_map, prediction, recipe)])

    def _levels(self, score_map: Scores, prediction: ImagePrediction, recipe: Recipe) -> NDArray[np.int64]:
        """The grey level that each rule cuts at, (rules, thetas); -1 below all values."""
        names, percentiles = (np.array(column)[:, None] for column in zip(*self.rules, strict=True))
        level = np.percentile(score_map, percentiles)
        lo, hi = np.where(names == "ivr", level, 0.0), np.where(names == "ivr", score_map.max(), level)
        levels: NDArray[np.int64] = ((lo + THETAS * (hi - lo)) * (LEVELS - 1)).astype(np.int64)
        if "max" in self.thresholds:
            levels[names[:, 0] == "max"] = self.protocol.levels_of_maximum(prediction, recipe, THETAS)
        return levels


def surface_of(
    right: NDArray[np.int64], n: int, fits: Sequence[Fit], weightings: Sequence[str], rules: Sequence[tuple[str, int]]
) -> pd.DataFrame:
    """Counts (fits, weightings, rules, thetas) of n images as a tidy table, in percent."""
    index = pd.MultiIndex.from_product(
        [fits, weightings, range(len(rules)), THETAS], names=["fit", "weighting", "rule", "theta"]
    )
    surface = pd.DataFrame({"gt_loc": 100 * right.ravel() / n}, index).reset_index()
    names, percentiles = (np.array(column)[surface["rule"]] for column in zip(*rules, strict=True))
    surface = surface.assign(threshold=names, percentile=percentiles)
    return surface[["fit", "weighting", "threshold", "percentile", "theta", "gt_loc"]]


def best_of(surface: pd.DataFrame, base: Recipe) -> tuple[Recipe, Fit]:
    """The recipe and the fit with the highest GT-known Loc; see `calibrate` for equals."""
    best = surface[surface["gt_loc"] == surface["gt_loc"].max()]
    away = abs(best["theta"] - PAPER[0]) + abs(best["percentile"] - PAPER[1]) / 100
    order = best.assign(
        away=away,
        rule=best["threshold"].map({"pas": 0, "minmax": 0, "ivr": 1, "max": 2}),
        other=best["weighting"].map(lambda name: {"positive": 0, "signed": 1}.get(name, 2)),
        late=best["fit"].map(FITS.index),
    )
    row = order.sort_values(["rule", "away", "other", "late"], kind="stable").iloc[0]
    name, theta, percentile = row["threshold"], float(row["theta"]), float(row["percentile"])
    threshold = Threshold(theta, f"p{percentile:g}", "max") if name == "ivr" else PercentileThreshold(theta, percentile)
    normalization: Normalization = "none" if name == "max" else base.normalization
    return Recipe(row["weighting"], threshold, normalization, base.interpolation), row["fit"]
