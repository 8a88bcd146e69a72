"""How class maps fall off, against the maximum and against a percentile."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from camkit.figures.examples import Example, draw_example
from camkit.figures.palette import BOXES, FIRST, REFERENCE, band, legend_above, on_paper, paired_histogram
from camkit.figures.panels import panels


@on_paper
def plot_zipf(
    table: pd.DataFrame,
    curves: pd.DataFrame | None,
    examples: Sequence[Example],
    theta: float,
    percentile: float,
    ax: Any = None,
) -> Any:
    """Rethinking CAM's Fig. 4: chosen images with their boxes and curves, then all images.

    Parameters
    ----------
    table : DataFrame
        Columns share_max, share_percentile; a row an image.
    curves : DataFrame or None
        Columns standard, share, low, median, high.
    examples : sequence of Example
        With values; the most concentrated first.
    theta, percentile : float
        Of the thresholds.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    rows = max(1, len(examples) + (curves is not None))
    place, part, axes = panels(ax, rows, 3, 2.1 * rows + 0.5)
    for row, example in zip(axes, examples, strict=False):
        _draw_one(row, example, theta, percentile)
    if curves is not None:
        _draw_all(axes[-1], table, curves, theta, percentile)
    if examples:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        part.legend(handles, labels, loc="outside upper center", ncols=len(BOXES), frameon=False)
    return place


def _draw_one(row: Any, example: Example, theta: float, percentile: float) -> None:
    picture, by_max, by_percentile = row
    draw_example(picture, example)
    values = np.asarray(example.values, float)
    share = np.linspace(0, 1, len(values))
    for ax, standard in ((by_max, values[0]), (by_percentile, np.percentile(values, percentile))):
        ax.plot(share, values / (standard if standard > 0 else 1), color=FIRST.colour)
        _threshold(ax, theta, f"{(values > theta * standard).mean():.0%} above {theta:g}")
    _name(by_max, by_percentile, percentile)


def _draw_all(row: Any, table: pd.DataFrame, curves: pd.DataFrame, theta: float, percentile: float) -> None:
    shares, by_max, by_percentile = row
    samples = {"maximum": table["share_max"], f"{percentile:g}th percentile": table["share_percentile"]}
    paired_histogram(shares, samples, np.linspace(0, 1, 21))
    shares.set_xlabel(f"share of the image above {theta:g}")
    legend_above(shares)
    for ax, standard in ((by_max, "max"), (by_percentile, "percentile")):
        band(ax, curves[curves["standard"] == standard], "share", FIRST, "median, and 80 % of images")
        _threshold(ax, theta, "")
        legend_above(ax)
    _name(by_max, by_percentile, percentile)


def _threshold(ax: Any, theta: float, text: str) -> None:
    ax.axhline(theta, color=REFERENCE.colour, linestyle=REFERENCE.line)
    ax.text(0.96, 0.95, text, ha="right", va="top", transform=ax.transAxes)


def _name(by_max: Any, by_percentile: Any, percentile: float) -> None:
    for ax, standard in ((by_max, "maximum"), (by_percentile, f"{percentile:g}th percentile")):
        ax.set(xlabel="share of the image", ylabel=f"value / {standard}", xlim=(0, 1))
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
