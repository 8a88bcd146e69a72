"""A figure over one or two settings: curves, or surfaces."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from camkit.figures.palette import STYLES, SURFACE, WIDTH, band, new_figure, on_paper


@on_paper
def plot_sweep(
    table: pd.DataFrame, settings: Sequence[str], value: str = "gt_loc", by: str | None = None, label: str = ""
) -> Any:
    """A value over one setting as curves, over two as surfaces with the best marked.

    Parameters
    ----------
    table : DataFrame
        A column for each setting and for the value, a row a run. Over one setting the columns ``<value>_low`` and
        ``<value>_high``, where they are, become a band.
    settings : sequence of str
        One column or two, such as ``("theta", "percentile")`` or ``("set_size",)``.
    value : str
        The column that is shown, such as "gt_loc" or "max_box_acc", in percent.
    by : str, optional
        A column whose values are held against each other: a curve each, or a surface each.
    label : str
        Of the value's axis, instead of its name.
    """
    label = label or NAMES.get(value, value)
    groups = {"": table} if by is None else {f"{by}: {key}": rows for key, rows in table.groupby(by, sort=False)}
    if len(settings) == 1:
        return _curves(groups, settings[0], value, label)
    return _surfaces(groups, settings[0], settings[1], value, label)


BELOW_THE_BEST = 10  # points that a surface shows; what is lower has one colour
NAMES = {
    "gt_loc": "GT-known Loc, %",
    "max_box_acc": "MaxBoxAcc, %",
    "max_box_acc_v2": "MaxBoxAccV2, %",
    "crr": "weight of CRR",
    "frr": "weight of FRR",
    "set_size": "images in a set, S",
    "percentile": "percentile i",
    "theta": "theta",
}


def _curves(groups: dict[str, pd.DataFrame], setting: str, value: str, label: str) -> Any:
    figure = Figure(figsize=(WIDTH / 2 + 0.6, 3.0), layout="constrained")
    ax = figure.subplots()
    for (name, rows), style in zip(groups.items(), STYLES, strict=False):
        its = rows.sort_values(setting)
        if f"{value}_low" in its:
            band_of = {f"{value}_low": "low", f"{value}_high": "high", value: "middle"}
            band(ax, its.rename(columns=band_of), setting, style, name)
        ax.plot(its[setting], its[value], style.marker, linestyle=style.line, color=style.colour, label=name)
    ax.set(xlabel=NAMES.get(setting, setting), ylabel=label)
    if len(groups) > 1:
        ax.legend(frameon=False)
    return figure


def _surfaces(groups: dict[str, pd.DataFrame], across: str, up: str, value: str, label: str) -> Any:
    figure, (axes,) = new_figure(1, len(groups), 3.0, sharey=True)
    high = max(rows[value].max() for rows in groups.values())
    levels = np.arange(np.ceil(high) - BELOW_THE_BEST, np.ceil(high) + 1)
    for ax, (name, rows) in zip(axes, groups.items(), strict=True):
        grid = rows.pivot(index=up, columns=across, values=value)
        filled = ax.contourf(grid.columns, grid.index, grid.to_numpy(), levels, cmap=SURFACE, extend="min")
        ax.contour(grid.columns, grid.index, grid.to_numpy(), levels[:-1:2], colors="black", linewidths=0.5)
        best = rows.iloc[int(rows[value].to_numpy().argmax())]
        ax.plot(
            best[across],
            best[up],
            marker="*",
            markersize=14,
            color="white",
            markeredgecolor="black",
            linestyle="none",
            clip_on=False,
            label=f"best, {best[value]:.1f}",
        )
        ax.set(xlabel=NAMES.get(across, across), title=name)
        ax.title.set_y(1.06)
        ax.legend(loc="lower left")
    axes[0].set_ylabel(NAMES.get(up, up))
    figure.colorbar(filled, ax=list(axes), label=label)
    return figure
