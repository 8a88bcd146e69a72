"""A measure over one setting, such as the weight of a loss or the size of a set (MinMaxCAM, Fig. 6 and Table 4)."""

from typing import Any

import pandas as pd

from camkit.figures.palette import FIRST, REFERENCE, STYLES, Style, band, legend_above, on_paper
from camkit.figures.panels import WIDTH, panels

NAMES = {
    "gt_loc": "GT-known Loc, %",
    "max_box_acc": "MaxBoxAcc, %",
    "max_box_acc_v2": "MaxBoxAccV2, %",
    "coverage_excess": "share of the image that boxes\ncover, above the true boxes'",
    "weight_crr": "weight of CRR",
    "weight_frr": "weight of FRR",
    "set_size": "images in a set, S",
    "theta": "theta",
    "percentile": "percentile i",
}
PANELS = 4  # in a row
LOSS_WEIGHTS = ("weight_crr", "weight_frr")


@on_paper
def plot_sweep(
    table: pd.DataFrame,
    setting: str,
    value: str = "gt_loc",
    by: str | None = None,
    reference: float | None = None,
    ax: Any = None,
) -> Any:
    """Draw a value over a setting, with its interval as a band.

    `plot_surface` draws a value over two.

    Parameters
    ----------
    table : DataFrame
        A row a run: columns `setting`, `value` (in percent) and, for the band, `<value>_low` and `<value>_high`.
    setting, value : str
        Such as "weight_crr", "set_size"; "max_box_acc", "gt_loc".
    by : str, optional
        A column whose values are held against each other: a curve each, and where there are more than three a panel
        each. Text is its own name, a number is told with the column's.
    reference : float, optional
        The value of plain CAM, as a line across.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    curves = {"": table} if by is None else {_curve_name(by, key): runs for key, runs in table.groupby(by, sort=False)}
    apart = len(curves) >= len(STYLES)
    columns = min(len(curves), PANELS) if apart else 1
    rows = -(-len(curves) // columns) if apart else 1
    place, _, axes = panels(ax, rows, columns, 0.6 + 2.2 * rows, WIDTH * columns / max(2, columns), sharey=True)
    for i, (name, runs) in enumerate(curves.items()):
        panel, style = (axes.flat[i], FIRST) if apart else (axes[0, 0], STYLES[i])
        _curve(panel, runs.sort_values(setting), setting, value, style, "" if apart else name)
        if apart:
            panel.set_title(name)
    for panel in axes.flat[: len(curves)]:
        _axis(panel, table[setting], setting, reference)
    for panel in axes.flat[len(curves) :]:
        panel.set_axis_off()
    for panel in axes[:, 0]:
        panel.set_ylabel(NAMES.get(value, value))
    if not apart:
        legend_above(axes[0, 0], 2)
    elif reference is not None:
        axes[0, 0].legend(frameon=False)
    return place


def _curve_name(by: str, key: Any) -> str:
    return key if isinstance(key, str) else f"{NAMES.get(by, by)}: {key:g}"


def _axis(ax: Any, values: pd.Series, setting: str, reference: float | None) -> None:
    """Plain CAM as a line, and the setting's own scale."""
    if reference is not None:
        ax.axhline(reference, color=REFERENCE.colour, linestyle=REFERENCE.line, label="CAM")
    if setting in LOSS_WEIGHTS and values.max() > 0:  # they are tried at 0, 1, 10, 100
        least = values[values > 0].min()
        ax.set_xscale("symlog", linthresh=least)
        ax.set_xlim(-0.3 * least, 1.3 * values.max())
        tried = sorted(values.unique())
        ax.set_xticks(tried, [f"{value:g}" for value in tried])
        ax.set_xticks([], minor=True)
    ax.set_xlabel(NAMES.get(setting, setting))


def _curve(ax: Any, runs: pd.DataFrame, setting: str, value: str, style: Style, name: str) -> None:
    """A value over a setting with its band, where the table has one."""
    ends = (f"{value}_low", f"{value}_high") if f"{value}_low" in runs else (value, value)
    low, high = (runs[end] for end in ends)
    band(ax, runs.assign(low=low, middle=runs[value], high=high), setting, style, name)
    ax.plot(runs[setting], runs[value], style.marker, color=style.colour, markersize=4)
