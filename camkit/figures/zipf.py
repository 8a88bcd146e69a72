"""How class maps fall off, against the maximum and against a percentile."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from camkit.figures.examples import Example, draw_example
from camkit.figures.palette import BOXES, FIRST, REFERENCE, legend_above, new_figure, on_paper, paired_histogram


@on_paper
def plot_zipf(
    table: pd.DataFrame,
    curves: pd.DataFrame | None,
    examples: Sequence[Example],
    theta: float,
    percentile: float,
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
    """
    rows = len(examples) + (curves is not None)
    figure, axes = new_figure(max(rows, 1), 3, 2.1 * max(rows, 1) + 0.5)
    names = {"max": "the maximum", "percentile": f"the {percentile:g}th percentile"}
    for (picture, *distributions), example in zip(axes, examples, strict=False):
        draw_example(picture, example)
        values = np.asarray(example.values, float)
        share = np.linspace(0, 1, len(values))
        for ax, (standard, scale) in zip(
            distributions, (("max", values[0]), ("percentile", np.percentile(values, percentile))), strict=True
        ):
            ax.plot(share, values / scale, color=FIRST.colour)
            _threshold(ax, theta, f"{(values > theta * scale).mean():.0%} above")
            _name(ax, names[standard])
    if curves is not None:
        shares, *distributions = axes[-1]
        paired_histogram(shares, {f"{names[s]}": table[f"share_{s}"] for s in names}, np.linspace(0, 1, 21))
        shares.set(
            xlabel=f"share of the image above {theta:g}",
        )
        legend_above(shares)
        for ax, (standard, its) in zip(distributions, curves.groupby("standard"), strict=True):
            ax.fill_between(
                its["share"],
                its["low"],
                its["high"],
                color=FIRST.colour,
                alpha=0.2,
                linewidth=0,
                label="80 % of images",
            )
            ax.plot(its["share"], its["median"], color=FIRST.colour, label="median")
            _threshold(ax, theta, f"theta {theta:g}")
            _name(ax, names[standard])
            legend_above(ax, 2)
    if examples:
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(BOXES), frameon=False)
    return figure


def _threshold(ax: Any, theta: float, text: str) -> None:
    ax.axhline(theta, color=REFERENCE.colour, linestyle=REFERENCE.line)
    ax.text(0.98, theta + 0.02, text, ha="right", va="bottom", transform=ax.get_yaxis_transform())


def _name(ax: Any, standard: str) -> None:
    ax.set(xlabel="share of the image", ylabel=f"value / {standard}", xlim=(0, 1))
    ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
