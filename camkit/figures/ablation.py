"""Recipes held against each other: a point with its interval for each."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from camkit.figures.palette import FIRST, SECOND, on_paper
from camkit.figures.panels import panels


@on_paper
def plot_ablation(table: pd.DataFrame, figures: Mapping[str, str], ax: Any = None) -> Any:
    """Draw every recipe of an ablation, a panel for each figure.

    Parameters
    ----------
    table : DataFrame
        A row a recipe: recipe, and for each of `figures` its value, ``NAME_low`` and ``NAME_high``, in percent.
    figures : mapping
        From a column to its title.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, _, axes = panels(ax, 1, len(figures), 0.6 + 0.28 * len(table), sharey=True)
    places = range(len(table))
    for panel, (column, title) in zip(axes[0], figures.items(), strict=True):
        values = table[column]
        reach = [values - table[f"{column}_low"], table[f"{column}_high"] - values]
        panel.errorbar(values, places, xerr=reach, fmt=FIRST.marker, color=FIRST.colour, markersize=4, capsize=2)
        panel.axvline(values.iloc[0], color=SECOND.colour, linestyle=SECOND.line, linewidth=0.8)  # the first recipe's
        panel.set(title=title, xlabel="%")
    axes[0][0].set_yticks(places, table["recipe"])
    axes[0][0].invert_yaxis()
    return place
