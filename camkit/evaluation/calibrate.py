"""The choice of fit, weighting, theta and percentile on a split with boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.boxes import PercentileThreshold, Threshold
from camkit.boxes.thresholds import percentile_of
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit
from camkit.errors import CamkitError
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.protocols import EvaluationProtocol, protocol_named
from camkit.evaluation.source import EvaluationSource, has_class_weights, match_source, measure_images, none_measured
from camkit.inference import Progress, no_progress
from camkit.localization import Failure
from camkit.metrics.iou import best_iou
from camkit.metrics.localization import IOU_AT_LEAST
from camkit.metrics.wsol import LEVELS
from camkit.recipe import Recipe

THETAS = np.arange(1, 100) / 100
PERCENTILES = np.arange(80, 101)  # the last is the maximum
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
        Columns fit, weighting, percentile (100: the maximum), theta, gt_loc in percent: GT-known Loc on the split.
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
    def setting(self) -> tuple[str, float, float]:
        """The recipe's weighting, percentile and theta, as the surface has them."""
        threshold = self.recipe.threshold
        assert isinstance(threshold, Threshold)
        percentile = percentile_of(threshold.hi)
        assert percentile is not None
        return self.recipe.weighting, percentile, threshold.theta

    def __repr__(self) -> str:
        best = self.surface["gt_loc"].max()
        return (f"Calibration({self.recipe}, fit {self.fit}: gt_loc {best:.2f} on {self.chosen_on}; {self.n} images, "
                f"{len(self.failures)} failed)")  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw GT-known Loc over theta and percentile under the chosen fit in the place of a matplotlib Axes.

        Returns
        -------
        Axes
            The given one, or that of a page of its own.
        """
        from camkit.figures import plot_surface  # noqa: PLC0415 - matplotlib only where a picture is wanted

        return plot_surface(self.surface[self.surface["fit"] == self.fit], self.setting, ax)

    def _repr_png_(self) -> bytes:
        from camkit.figures import as_png  # noqa: PLC0415

        return as_png(self.plot())


def calibrate(
    source: EvaluationSource,
    dataset: AnnotatedSet,
    base: Recipe,
    *,
    weightings: Sequence[str] = WEIGHTINGS,
    fits: Sequence[Fit] = ("stretch",),
    protocol: str = "paper",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = no_progress,
) -> Calibration:
    """Choose the fit, weighting, theta and percentile with the highest GT-known Loc on a split.

    Thetas from 0.01 to 0.99 and percentiles from 80 to 100 in steps of one hundredth and one, on score maps of 256
    grey levels, so that all of them come from one pass over each map. Of equals the one nearest to the paper's setting
    (theta 0.35, percentile 90) is taken, positive weights before signed, and an earlier fit before a later one.
    Under several fits an image that fails under one of them is a failure, so that all are judged on the same images.

    Parameters
    ----------
    source : Inference or MapFolder
    dataset : AnnotatedSet
    base : Recipe
        Gives interpolation and normalisation ("minmax").
    weightings : sequence of str
        On maps without class weights there is none to choose, and "signed" stands for the maps as they are.
    fits : sequence of {"stretch", "crop", "keep"}
        Each image is read and goes through the network once a fit. To the maps in a folder a fit says nothing.
    protocol, batch_size, workers, max_pixels, progress
        See `evaluate`.

    Raises
    ------
    CamkitError
        No image could be judged, or maps are not to be normalised.
    """
    if base.normalization != "minmax":
        raise CamkitError("thresholds are chosen on maps between 0 and 1: leave out --normalize none")
    require_boxes(dataset)
    match_source(source, dataset)  # refused before the first image
    if not has_class_weights(source):
        weightings = ("signed",)
    measure = EverySetting(protocol_named(protocol), base, tuple(weightings))
    looks = [measure_images(source, dataset, measure.weightings, measure, fit=fit, batch_size=batch_size,
                            workers=workers, max_pixels=max_pixels) for fit in fits]  # fmt: skip
    results = (outcome_of(look) for look in zip(*looks, strict=True))
    right = np.zeros((len(fits), len(measure.weightings), len(PERCENTILES), len(THETAS)), np.int64)
    failures, n = [Failure("", problem) for problem in dataset.problems], 0
    for outcome in progress(results, len(dataset.records)):
        if isinstance(outcome, Failure):
            failures.append(outcome)
        else:
            right, n = right + outcome, n + 1
    if n == 0:
        raise none_measured(dataset, failures)
    surface = surface_of(right, n, fits, measure.weightings)
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
    """Whether an image is right under each weighting, percentile and theta."""

    protocol: EvaluationProtocol
    base: Recipe
    weightings: tuple[str, ...]

    def __call__(self, prediction: ImagePrediction) -> NDArray[np.bool_]:
        return np.stack([self._of(prediction, weighting) for weighting in self.weightings])

    def _of(self, prediction: ImagePrediction, weighting: str) -> NDArray[np.bool_]:
        score_map, boxes = self.protocol.levels(prediction, Recipe(weighting, interpolation=self.base.interpolation))
        ious = best_iou(torch.from_numpy(boxes), self.protocol.truth(prediction), self.protocol.iou).numpy()
        taus = np.percentile(score_map, PERCENTILES)[:, None] * THETAS
        return np.asarray((ious >= IOU_AT_LEAST)[(taus * (LEVELS - 1)).astype(np.int64)])


def surface_of(right: NDArray[np.int64], n: int, fits: Sequence[Fit], weightings: Sequence[str]) -> pd.DataFrame:
    """Counts (fits, weightings, percentiles, thetas) of n images as a tidy table, in percent."""
    names = ["fit", "weighting", "percentile", "theta"]
    index = pd.MultiIndex.from_product([fits, weightings, PERCENTILES, THETAS], names=names)
    return pd.DataFrame({"gt_loc": 100 * right.ravel() / n}, index).reset_index()


def best_of(surface: pd.DataFrame, base: Recipe) -> tuple[Recipe, Fit]:
    """The recipe and the fit with the highest GT-known Loc; see `calibrate` for equals."""
    best = surface[surface["gt_loc"] == surface["gt_loc"].max()]
    away = abs(best["theta"] - PAPER[0]) + abs(best["percentile"] - PAPER[1]) / 100
    order = best.assign(away=away, signed=best["weighting"] == "signed", late=best["fit"].map(FITS.index))
    row = order.sort_values(["away", "signed", "late"]).iloc[0]
    theta, percentile = float(row["theta"]), float(row["percentile"])
    threshold = PercentileThreshold(theta, percentile)
    return Recipe(row["weighting"], threshold, base.normalization, base.interpolation), row["fit"]
