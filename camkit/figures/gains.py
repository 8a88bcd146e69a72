"""Recipes of a grid against one of them: a block a weighting, a mark a threshold."""

from typing import Any

import pandas as pd

from camkit.figures.palette import REFERENCE, STYLES, on_paper
from camkit.figures.panels import panels

LINE = 0.11  # inches


@on_paper
def plot_grid(rows: pd.DataFrame, baseline: str, ax: Any = None) -> Any:
    """Draw differences in GT-known Loc with their intervals.

    Parameters
    ----------
    rows : DataFrame
        Columns weighting, threshold, gain, gain_low, gain_high in points; NaN for the baseline.
    baseline : str
        What the others are compared with.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    weightings, thresholds = rows["weighting"].unique().tolist(), rows["threshold"].unique().tolist()
    block = len(thresholds) + 1.5
    place, part, ((panel,),) = panels(ax, 1, 1, 0.9 + LINE * block * len(weightings))
    for i, threshold in enumerate(thresholds):
        style = STYLES[i % len(STYLES)]
        of_rule = rows[rows["threshold"] == threshold].set_index("weighting")
        places = [-(block * j + i) for j in range(len(weightings))]
        values = of_rule.loc[weightings].fillna({"gain": 0, "gain_low": 0, "gain_high": 0})
        panel.hlines(places, values["gain_low"], values["gain_high"], color=style.colour, linewidth=1)
        panel.plot(values["gain"], places, style.marker, color=style.colour, markersize=3.5, label=threshold)
    panel.axvline(0, color=REFERENCE.colour, linewidth=0.8, zorder=0)
    middles = [-(block * j + (len(thresholds) - 1) / 2) for j in range(len(weightings))]
    panel.set_yticks(middles, weightings)
    panel.tick_params(axis="y", length=0)
    panel.set(
        xlabel=f"GT-known Loc against {baseline}, points, with 95 % intervals", ylim=(middles[-1] - block / 2, 1.5)
    )
    for edge in ("top", "right", "left"):
        panel.spines[edge].set_visible(False)
    part.legend(loc="outside upper center", ncols=min(len(thresholds), 6), frameon=False)
    return place
