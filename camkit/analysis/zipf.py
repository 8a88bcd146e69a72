"""How the values of a class map fall off, against the maximum and against a percentile (Rethinking CAM, Fig. 4)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.analysis.finding import SHARES, Analysis, Finding, Summary, band_table, run_analysis, table_of
from camkit.analysis.observation import MapObservation, Requirements
from camkit.boxes import MaxThreshold, PercentileThreshold, ThresholdRule, boxes_from_maps
from camkit.figures import Example, plot_zipf
from camkit.localization import Failure
from camkit.metrics.intervals import deviation, mean, median, paired_difference
from camkit.metrics.iou import best_iou, half_open_iou, truth_boxes
from camkit.metrics.localization import IOU_AT_LEAST, share_of_image
from camkit.recipe import Recipe

FLOOR = 0.1  # of the maximum: the slope is that of the values above
POINTS = 60  # of a line's fit
EXTREMES = 1  # images shown from either end
STANDARDS = ("max", "percentile")


@dataclass(frozen=True, eq=False)
class Falloff:
    """What one image leaves."""

    row: dict[str, Any]
    curve: NDArray[np.float32]
    example: Example | None


class Zipf(Analysis[Falloff]):
    """See `zipf`."""

    name = "zipf"
    series = ("curves",)

    def __init__(self, theta: float = 0.35, percentile: float = 90.0, recipe: Recipe | None = None) -> None:
        self.recipe = recipe or Recipe("signed")
        self.theta, self.percentile = theta, percentile
        self.rules: dict[str, ThresholdRule] = {
            "max": MaxThreshold(theta),
            "percentile": PercentileThreshold(theta, percentile),
        }
        self.rows: list[dict[str, Any]] = []
        self.curves: list[NDArray[np.float32]] = []
        self.examples: list[tuple[float, Example]] = []
        self.slopes = (np.inf, -np.inf)  # of those that `slim` has seen

    @property
    def requirements(self) -> Requirements:
        return Requirements(head=False, pixels=True)

    def measure(self, observation: MapObservation) -> Falloff:
        score_map = observation.score_map(self.recipe)
        values = np.sort(score_map, axis=None)[::-1]
        constant = not values[0] > max(values[-1], 0)
        row = {"image": observation.record.image, "label": observation.label, "constant": constant, **slope_of(values)}
        boxes = {}
        for name, rule in self.rules.items():
            tau = rule(score_map)
            box = boxes_from_maps(score_map, rule)
            boxes[name] = (box + np.array(observation.corner * 2) * (box[2] > box[0]))[None]
            row[f"share_{name}"] = float("nan") if constant else float((score_map > tau).mean())
            row[f"iou_{name}"] = iou_with(boxes[name], observation.record.boxes)
            row[f"excess_{name}"] = excess_over(boxes[name], observation)
        standard = np.percentile(values, self.percentile)
        row["percentile_over_max"] = float("nan") if constant else float(standard / values[0])
        curve = np.interp(SHARES, np.linspace(0, 1, len(values)), values / (values[0] if values[0] > 0 else 1))
        example = None
        if observation.pixels is not None and not constant:
            named = {"truth": observation.record.boxes, **boxes}
            example = Example(
                observation.record.image, observation.pixels, observation.on_image(score_map), named, values
            )
        return Falloff(row, curve.astype(np.float32), example)

    def slim(self, measured: Falloff) -> Falloff:
        """Without the picture of an image that lies between two that came before."""
        slope, (low, high) = measured.row["slope"], self.slopes
        if measured.example is None or not np.isfinite(slope) or low < slope < high:
            return replace(measured, example=None)
        self.slopes = min(low, slope), max(high, slope)
        return measured

    def add(self, measured: Falloff) -> None:
        self.rows.append(measured.row)
        self.curves.append(measured.curve)
        if measured.example is not None and np.isfinite(measured.row["slope"]):
            self.examples.append((measured.row["slope"], measured.example))
            self.examples.sort(key=lambda pair: pair[0])
            if len(self.examples) > 2 * EXTREMES:
                del self.examples[EXTREMES]

    def finding(self) -> Finding:
        table = table_of(self.rows, self.name)
        order = np.argsort(table["slope"].to_numpy(), kind="stable")
        usable = ~table["constant"].to_numpy()[order]
        table, curves = table.iloc[order].reset_index(drop=True), np.stack(self.curves)[order]
        notes = []
        if not usable.all():
            notes.append(f"{(~usable).sum()} of {len(table)} class maps are constant, and count in no figure")
        series = {"curves": curves_table(curves[usable], table[usable])} if usable.any() else {}
        summary = {
            "theta": self.theta,
            "percentile": self.percentile,
            "weighting": self.recipe.weighting,
            **(summary_of(table[usable]) if usable.any() else {}),
            "examples": [example.image for _, example in self.examples],
        }
        examples = [example for _, example in self.examples]
        figure = partial(plot_zipf, table[usable], series.get("curves"), examples, self.theta, self.percentile)
        return Finding(self.name, table, summary, figure, series, tuple(notes))


def zipf(
    observations: Iterable[MapObservation | Failure],
    theta: float = 0.35,
    percentile: float = 90.0,
    recipe: Recipe | None = None,
) -> Finding:
    """How concentrated class maps are, and how much of the image each standard of thresholding leaves above theta.

    The values of the own class's map, resized and normalised, in descending order: where a few positions shoot up,
    they fall off like Zipf's law, ``value ~ rank ** slope``, and a threshold at theta times their maximum leaves little
    of the image above it; theta times a percentile (PaS) leaves more.

    Parameters
    ----------
    observations : iterable of MapObservation
    theta, percentile : float
        Of the two standards, ``theta * max`` and ``theta * percentile``.
    recipe : Recipe
        Weighting, normalisation and interpolation; its threshold plays no part. By default signed, min-max, bilinear.

    Returns
    -------
    Finding
        Table, most concentrated image first: image, label, constant (the map is: nothing else is known), slope and fit
        (of log value over log rank, among the values above a tenth of the maximum, and R squared of the line),
        share_max and share_percentile (of the image above the threshold), iou_max and iou_percentile (of the box with
        the best ground-truth box, NaN without one), excess_max and excess_percentile (share of the image that the box
        covers beyond that one), percentile_over_max. Summary: means, and `spread_*`, the standard
        deviation of the share between images, which PaS should make smaller; both shares for the most and the least
        concentrated quarter; `excess_*`; `gain`, GT-known Loc of the percentile minus that of the maximum in points.

    Raises
    ------
    CamkitError
        There is no image.
    """
    return run_analysis(Zipf(theta, percentile, recipe), observations)


def slope_of(values: NDArray[np.float64]) -> dict[str, float]:
    """Slope of log value over log rank, and R squared, of values in descending order.

    Least squares over ranks that are evenly spaced in their logarithm: at all ranks, those far down, which are most,
    would decide alone. NaN with fewer than two ranks.
    """
    upper = values[values > FLOOR * values[0]] if values[0] > 0 else values[:0]
    if len(upper) < 2:
        return {"slope": float("nan"), "fit": float("nan")}
    ranks = np.unique(np.geomspace(1, len(upper), POINTS).round().astype(int))
    x, y = np.log(ranks), np.log(upper[ranks - 1])
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y / (x @ x))
    level = y @ y == 0
    return {"slope": slope, "fit": float("nan") if level else 1 - float(((y - slope * x) ** 2).sum() / (y @ y))}


def iou_with(box: NDArray[np.int64], truth: NDArray[np.float64]) -> float:
    """IoU of one box (1, 4) with the ground-truth box that it meets best; NaN without ground truth."""
    return float(best_iou(torch.from_numpy(box), truth)[0]) if len(truth) else float("nan")


def excess_over(box: NDArray[np.int64], observation: MapObservation) -> float:
    """Share of the image that one box (1, 4) covers beyond the ground-truth box that it meets best; NaN without one."""
    if not len(observation.record.boxes):
        return float("nan")
    truths = truth_boxes(observation.record.boxes)
    met = truths[half_open_iou(torch.from_numpy(box), truths).argmax()]
    shares = share_of_image(torch.stack([torch.from_numpy(box[0]).double(), met]), observation.view.size)
    return float(shares[0] - shares[1])


def curves_table(curves: NDArray[np.float32], table: pd.DataFrame) -> pd.DataFrame:
    """The band of images at each share of the image, over the maximum and, where that is above 0, the percentile."""
    percentiles = table["percentile_over_max"].to_numpy()[:, None]
    positive = percentiles[:, 0] > 0
    scaled = {"max": curves, "percentile": curves[positive] / percentiles[positive]}
    return band_table("standard", {standard: values for standard, values in scaled.items() if len(values)})


def summary_of(table: pd.DataFrame) -> Summary:
    """The figures, from rows in descending concentration."""
    slopes = table["slope"].dropna().to_numpy()
    summary: Summary = {}
    if len(slopes):
        summary |= {"slope": mean(slopes), "slope_median": median(slopes)}
    quarter = max(1, len(table) // 4)
    parts = {"concentrated": table[:quarter], "level": table[-quarter:]}
    for standard in STANDARDS:
        shares = table[f"share_{standard}"].to_numpy()
        summary[f"share_{standard}"] = mean(shares, (0, 1))
        summary[f"spread_{standard}"] = deviation(shares)
        for name, part in parts.items():
            summary[f"share_{standard}_{name}"] = mean(part[f"share_{standard}"].to_numpy(), (0, 1))
    for name, part in {"": table, **parts}.items():
        boxed = part.dropna(subset="iou_max")
        if len(boxed):
            by_max, by_percentile = (boxed[f"iou_{standard}"].to_numpy() >= IOU_AT_LEAST for standard in STANDARDS)
            summary["_".join(filter(None, ("gain", name)))] = paired_difference(by_max, by_percentile)
    boxed = table.dropna(subset="excess_max")
    if len(boxed):
        summary |= {f"excess_{standard}": mean(boxed[f"excess_{standard}"].to_numpy(), (-1, 1))
                    for standard in STANDARDS}  # fmt: skip
    return summary
