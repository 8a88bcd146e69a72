"""Where positively and negatively weighted features lie."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from camkit.figures.palette import REFERENCE, STYLES, legend_above, on_paper, paired_histogram
from camkit.figures.panels import panels

PARTS = ("positive", "negative")


@on_paper
def plot_ioa(table: pd.DataFrame, rule: str, bins: ArrayLike, ax: Any = None) -> Any:
    """Histograms of IoA under one rule, and the means under every rule (Rethinking CAM, Fig. 3b).

    Parameters
    ----------
    table : DataFrame
        Columns part, rule, ioa, truth.
    rule : str
        The one whose histograms are shown.
    bins : array_like
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, ((left, right),) = panels(ax, 1, 2, 3.1, width_ratios=(1.35, 1))
    chosen = table[table["rule"] == rule]
    paired_histogram(left, {part: chosen.loc[chosen["part"] == part, "ioa"] for part in PARTS}, bins)
    truth = float(chosen["truth"].mean())
    reference = {"color": REFERENCE.colour, "linestyle": REFERENCE.line, "linewidth": 1.4}
    left.axvline(truth, **reference, label=f"boxes' share of the image, mean {truth:.2f}")
    left.set(
        xlabel=f"IoA: share inside the boxes\n(above {rule})",
    )
    legend_above(left)
    means = table.groupby(["rule", "part"], sort=False)["ioa"].mean().unstack("part")
    places = np.arange(len(means))[::-1]
    for part, style in zip(PARTS, STYLES, strict=False):
        right.plot(means[part], places, color=style.colour, marker=style.marker, linestyle="none", label=part)
    right.axvline(truth, **reference)
    right.set(xlim=(0, 1), xlabel="IoA, mean over images", ylim=(-0.6, len(means) - 0.4))
    right.set_yticks(places, [name.replace(", ", ",\n") for name in means.index])
    legend_above(right, 2)
    return place
