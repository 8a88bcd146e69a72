"""Differences with their intervals, one under the other."""

from typing import Any

import pandas as pd

from camkit.figures.panels import one_panel

# Told apart in grey and by their marks.
MARKS = {"shown": ("o", "black"), "contradicted": ("x", "black"), "open": ("o", "0.6"), "does not count": (".", "0.8")}
HEIGHT = 0.17  # inches a line


def plot_forest(rows: pd.DataFrame, ax: Any = None) -> Any:
    """Draw values with intervals into a matplotlib Axes, a new one by default; returns it.

    Parameters
    ----------
    rows : DataFrame
        Columns label, value, low, high, in one unit, bound (a number, or NaN), and outcome, one of `MARKS`.
    """
    ax = one_panel(ax, 7.5, 1 + HEIGHT * len(rows))
    places = range(len(rows))[::-1]
    for place, row in zip(places, rows.itertuples(), strict=True):
        mark, colour = MARKS[str(row.outcome)]
        ax.plot([row.low, row.high], [place, place], color=colour, linewidth=1)
        ax.plot(row.value, place, mark, color=colour, markersize=4)
        ax.plot([row.bound, row.bound], [place - 0.4, place + 0.4], color="0.4", linewidth=0.8)
    ax.axvline(0, color="0.7", linewidth=0.8, zorder=0)
    ax.set_yticks(list(places), rows["label"], fontsize=5)
    ax.set(xlabel="points, or hundredths of a share, with 95 % intervals", ylim=(-1, len(rows)))
    for outcome in dict.fromkeys(rows["outcome"]):
        mark, colour = MARKS[str(outcome)]
        ax.plot([], [], mark, color=colour, label=outcome, markersize=4)
    ax.legend(frameon=False, fontsize=6, loc="best")
    return ax
