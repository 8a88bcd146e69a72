"""GT-known Loc over theta and percentile."""

from typing import Any

import pandas as pd
from matplotlib.lines import Line2D

from camkit.figures.panels import panels

TITLES = {"signed": "all weights", "positive": "positive weights (NWC)", "negative": "negative weights"}
NEAR_BEST = {1: "-", 3: "--", 10: ":"}  # points of 100 under the best of all
LINE = "tab:blue"
CROSS: dict[str, Any] = {"marker": "x", "color": "tab:red", "markersize": 9, "markeredgewidth": 2, "linestyle": ""}


def plot_surface(surface: pd.DataFrame, chosen: tuple[str, float, float] | None = None, ax: Any = None) -> Any:
    """Draw GT-known Loc over theta and percentile: a panel a weighting, lines near the best of all.

    Parameters
    ----------
    surface : DataFrame
        Columns weighting, percentile (100: the maximum), theta, gt_loc in percent.
    chosen : tuple, optional
        Weighting, percentile and theta of a setting to mark.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    weightings = list(surface["weighting"].unique())
    place, part, (row,) = panels(ax, 1, len(weightings), 3.6, 1.2 + 3.8 * len(weightings), sharey=True)
    low, high = surface["gt_loc"].min(), surface["gt_loc"].max()
    for panel, weighting in zip(row, weightings, strict=True):
        table = surface[surface["weighting"] == weighting]
        image = draw_surface(panel, table, low, high)
        if chosen is not None and chosen[0] == weighting:
            panel.plot(chosen[2], chosen[1], **CROSS)
        panel.set_title(f"{TITLES.get(weighting, weighting)}\nat most {table['gt_loc'].max():.1f} %", fontsize="medium")
        panel.set_xlabel("theta")
    row[0].set_ylabel("percentile (100: the maximum)")
    part.legend(handles=keys(chosen is not None), loc="outside lower center", ncols=4, frameon=False)
    part.colorbar(image, ax=list(row), label="GT-known Loc, %")
    return place


def draw_surface(ax: Any, table: pd.DataFrame, low: float, high: float) -> Any:
    """One weighting's rows into an Axes, grey from `low` to `high`, with lines near `high`; returns the mesh."""
    table = table.pivot(index="percentile", columns="theta", values="gt_loc")
    values = table.to_numpy()
    image = ax.pcolormesh(table.columns, table.index, values, cmap="Greys_r", vmin=low, vmax=high, rasterized=True)
    for below, style in NEAR_BEST.items():
        if values.min() < high - below < values.max():
            ax.contour(table.columns, table.index, values, levels=[high - below], colors=[LINE], linestyles=style)
    return image


def keys(chosen: bool) -> list[Line2D]:
    """What the lines mean, and the cross of what was chosen."""
    lines = [Line2D([], [], color=LINE, linestyle=style, label=f"best - {b}") for b, style in NEAR_BEST.items()]
    return [*lines, Line2D([], [], label="chosen", **CROSS)] if chosen else lines
