"""Channels: activated area and pooled values against class weights."""

from typing import Any

import pandas as pd

from camkit.figures.palette import FIRST, REFERENCE, SECOND, legend_above, on_paper
from camkit.figures.panels import panels

QUANTITIES = {"area": "area", "maximum": "maximum", "gap": "GAP", "tap": "TAP"}


@on_paper
def plot_channels(table: pd.DataFrame, images: pd.DataFrame, ax: Any = None) -> Any:
    """What Rethinking CAM's Fig. 2 says of two channels, of all.

    Parameters
    ----------
    table : DataFrame
        Columns area, gap, tap, weight; a row a channel.
    images : DataFrame
        Columns rank_area, rank_maximum, rank_gap, rank_tap, and the same with variation; a row an image.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, ((area, pooled), (ranks, variations)) = panels(ax, 2, 2, 5.6)
    area.scatter(table["area"], table["weight"], s=6, color=FIRST.colour, marker=FIRST.marker, linewidths=0)
    area.set(xlabel="activated area, share of the map", ylabel="class weight, root mean square")
    for name, style in (("gap", FIRST), ("tap", SECOND)):
        values = table[name] / table[name].mean()
        pooled.scatter(
            values,
            table["weight"],
            s=8,
            color=style.colour,
            marker=style.marker,
            linewidths=0,
            alpha=0.6,
            label=QUANTITIES[name],
        )
    pooled.set(xlabel="pooled value, over the channels' mean", ylabel="class weight, root mean square")
    legend_above(pooled, 2)
    for panel, kind, label in (
        (ranks, "rank", "rank correlation with the weight"),
        (variations, "variation", "coefficient of variation"),
    ):
        columns = [images[f"{kind}_{quantity}"].dropna() for quantity in QUANTITIES]
        panel.boxplot(columns, showfliers=False, whis=(5, 95), medianprops={"color": FIRST.colour, "linewidth": 2})
        panel.set_xticks(range(1, len(QUANTITIES) + 1), list(QUANTITIES.values()))
        panel.set_ylabel(f"{label},\nover channels of an image")
    ranks.axhline(0, color=REFERENCE.colour, linestyle=REFERENCE.line)
    return place
