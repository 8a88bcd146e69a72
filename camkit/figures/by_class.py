"""The classes with the highest and the lowest figure, with intervals."""

from typing import Any

import pandas as pd

from camkit.figures.palette import FIRST, REFERENCE, legend_above, on_paper
from camkit.figures.panels import one_panel

SHOWN = 10  # of the best, and as many of the worst
LETTERS = 40  # of a class's name


@on_paper
def plot_by_class(table: pd.DataFrame, title: str, ax: Any = None) -> Any:
    """Draw the best and the worst classes into a matplotlib Axes, a new one by default; returns it.

    Parameters
    ----------
    table : DataFrame
        Columns class, value, low, high, n, of one figure; a row a class.
    title : str
        The figure's name.
    """
    order = table.sort_values(["value", "n"], ascending=False, kind="stable")
    few = len(order) <= 2 * SHOWN
    shown = order if few else pd.concat([order.head(SHOWN), order.tail(SHOWN)])
    ax = one_panel(ax, 6, 1 + 0.2 * len(shown))
    places = range(len(shown))[::-1]
    for place, row in zip(places, shown.to_dict("records"), strict=True):
        ax.plot([row["low"], row["high"]], [place, place], color=FIRST.colour, linewidth=1)
        ax.plot(row["value"], place, FIRST.marker, color=FIRST.colour, markersize=4)
    names = [f"{_short(str(row['class']))} ({row['n']})" for row in shown.to_dict("records")]
    ax.set_yticks(list(places), names, parse_math=False)
    if not few:
        ax.axhline(SHOWN - 0.5, color=REFERENCE.colour, linestyle=REFERENCE.line, linewidth=0.8)
    middle = float(table["value"].mean())
    ax.axvline(middle, color=REFERENCE.colour, linestyle=REFERENCE.line, linewidth=0.8, label="mean over classes")
    which = f"all {len(order)} classes" if few else f"best and worst {SHOWN} of {len(order)} classes"
    ax.set(xlabel=f"{title}, with 95 % intervals", ylabel=f"{which} (images)", ylim=(-1, len(shown)))
    legend_above(ax)
    return ax


def _short(name: str) -> str:
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 3]}..."
