"""Where positively and negatively weighted features lie: Intersection over Area (Rethinking CAM, Fig. 3b)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit.analysis.finding import Analysis, Finding, Summary, run_analysis, table_of
from camkit.analysis.observation import Observation, Requirements
from camkit.boxes import MaxThreshold, PercentileThreshold
from camkit.figures import plot_ioa
from camkit.localization import Failure
from camkit.metrics import Estimate
from camkit.metrics.intervals import jackknife, mean, median
from camkit.recipe import Recipe

Rows = list[dict[str, Any]]

BINS = np.linspace(0, 1, 21)  # of the histograms, and of their overlap
DEFAULT = Recipe("signed", MaxThreshold(0.35))
# What the summary is also computed with, to see how far it hangs on the rule.
OTHERS = (
    Recipe("signed", MaxThreshold(0.2)),
    Recipe("signed", MaxThreshold(0.35)),
    Recipe("signed", MaxThreshold(0.5)),
    Recipe("signed", PercentileThreshold(0.35, 90)),
    Recipe("signed", MaxThreshold(0.35), "none"),
)
SHARE, CHANGE = (0.0, 1.0), (-1.0, 1.0)  # bounds
PARTS: dict[str, str] = {"positive": "positive", "negative": "negative"}


def rule_name(recipe: Recipe) -> str:
    """The binarisation rule in words."""
    interpolation = "" if recipe.interpolation == "bilinear" else f", {recipe.interpolation}"
    return f"{recipe.threshold}, {'min-max' if recipe.normalization == 'minmax' else 'not normalised'}{interpolation}"


class IoA(Analysis[Rows]):
    """See `ioa`."""

    name = "ioa"

    def __init__(self, binarisation: Recipe = DEFAULT) -> None:
        self.rule = rule_name(binarisation)
        self.rules = {rule_name(recipe): recipe for recipe in (binarisation, *OTHERS)}
        self.rows: Rows = []
        self.without_boxes = 0

    @property
    def requirements(self) -> Requirements:
        return Requirements(boxes=True)

    def measure(self, observation: Observation) -> Rows:
        if not len(observation.record.boxes):
            return []
        truth = observation.truth()
        about = {"image": observation.record.image, "label": observation.label, "truth": truth.mean()}
        rows = []
        for part, weighting in PARTS.items():
            sign = -1 if part == "negative" else 1
            class_map = sign * observation.class_map(weighting)
            for rule, recipe in self.rules.items():
                score_map = observation.score_map(recipe, class_map)
                active = score_map > recipe.tau(score_map)
                rows.append(
                    about | {"part": part, "rule": rule, "area": active.mean(), "ioa": share_inside(active, truth)}
                )
        return rows

    def add(self, measured: Rows) -> None:
        self.rows += measured
        self.without_boxes += not measured

    def finding(self) -> Finding:
        table = table_of(self.rows, self.name, "ground-truth boxes")
        images = len(table) // (len(self.rules) * len(PARTS))
        chosen = table[table["rule"] == self.rule]
        by_rule = {rule: summary_of(rows) for rule, rows in table.groupby("rule", sort=False)}
        summary = {"rule": self.rule, **by_rule[self.rule], "sensitivity": by_rule}
        notes = []
        if self.without_boxes:
            notes.append(f"{self.without_boxes} images have no ground-truth box and are left out")
        for part, rows in chosen.groupby("part", sort=False):
            missing = int(rows["ioa"].isna().sum())
            if missing == images:
                notes.append(f"no image has a {part} part: its features fire nowhere, or all weights are of one sign")
            elif missing:
                notes.append(f"{missing} of {images} images have no {part} part, and count in none of its figures")
        return Finding(self.name, table, summary, partial(plot_ioa, table, self.rule, BINS), notes=tuple(notes))


def ioa(observations: Iterable[Observation | Failure], binarisation: Recipe = DEFAULT) -> Finding:
    """Which share of what positively, and of what negatively weighted features activate lies in the object.

    For each image the class map of its own class is split into the part from positive and the part from negative
    weights. Each part, its sign taken off, is resized, normalised and cut by a rule, as a map is on the way to a box;
    IoA is the area of what is above the threshold and inside a ground-truth box, over the area of what is above it.
    A part that was scattered at random would have the IoA that the boxes have of the image, `truth`.

    Parameters
    ----------
    observations : iterable of Observation
    binarisation : Recipe
        Normalisation, interpolation and threshold of the rule; its weighting plays no part. By default 0.35 of the
        maximum of the min-max normalised part. The paper does not name its own; the summary's `sensitivity` holds the
        same figures under others.

    Returns
    -------
    Finding
        Table: image, label, truth (share of the image inside boxes), part, rule, area (share of the image above the
        threshold), ioa (NaN where nothing is). Summary: means and medians of both parts, `overlap` of their
        distributions (the area that two histograms of 20 bins share, 1 for the same; histograms of few images are
        less alike than those of many, so it then lies low, and its interval with it), `negative_inside` (share of
        images with more than half of the negative part in the object), `difference` (positive minus negative, image
        by image) and `over_chance` (IoA minus `truth`).

    Raises
    ------
    CamkitError
        No image has a ground-truth box.
    """
    return run_analysis(IoA(binarisation), observations)


def share_inside(active: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Intersection over Area: the share of `active` that lies in `truth`; NaN where nothing is active."""
    return float(truth[active].mean()) if active.any() else float("nan")


def summary_of(rows: pd.DataFrame) -> Summary:
    """The figures of one rule."""
    parts = {part: rows[rows["part"] == part] for part in PARTS}
    summary: Summary = {}
    for part, its in parts.items():
        there = its.dropna(subset="ioa")
        if len(there):
            values = there["ioa"].to_numpy()
            summary |= {part: mean(values, SHARE), f"{part}_median": median(values)}
            summary[f"{part}_over_chance"] = mean(values - there["truth"].to_numpy(), CHANGE)
            summary[f"{part}_area"] = mean(there["area"].to_numpy(), SHARE)
    both = np.stack([parts["positive"]["ioa"], parts["negative"]["ioa"]])
    both = both[:, np.isfinite(both).all(axis=0)]
    if both.size:
        summary["difference"] = mean(both[0] - both[1], CHANGE)
        summary["overlap"] = histogram_overlap(both[0], both[1])
        summary["negative_inside"] = mean((both[1] > 0.5).astype(float), SHARE)
    summary["truth"] = mean(parts["positive"]["truth"].to_numpy(), SHARE)
    return summary


def histogram_overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> Estimate:
    """The area that the histograms of two paired samples (n,) share."""
    n = len(first)
    bins = [np.clip(np.digitize(values, BINS) - 1, 0, len(BINS) - 2) for values in (first, second)]
    member = np.stack([np.eye(len(BINS) - 1)[which] for which in bins])  # (2, n, bins)
    whole = member.sum(axis=1)
    left_out = (whole[:, None] - member).min(axis=0).sum(axis=1) / max(1, n - 1)
    return jackknife(float(whole.min(axis=0).sum() / n), left_out, SHARE)
