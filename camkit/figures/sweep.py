"""A measure over one setting, such as the weight of a loss or the size of a set (MinMaxCAM, Fig. 6 and Table 4)."""

from typing import Any

import pandas as pd

from camkit.figures.palette import STYLES, WIDTH, band, legend_above, new_figure, on_paper

NAMES = {
    "gt_loc": "GT-known Loc, %",
    "max_box_acc": "MaxBoxAcc, %",
    "max_box_acc_v2": "MaxBoxAccV2, %",
    "crr": "weight of CRR",
    "frr": "weight of FRR",
    "set_size": "images in a set, S",
    "theta": "theta",
    "percentile": "percentile i",
}


@on_paper
def plot_sweep(table: pd.DataFrame, setting: str, value: str = "gt_loc", by: str | None = None) -> Any:
    """Draw a value over a setting, with its interval as a band; returns a matplotlib Figure.

    `plot_surface` draws a value over two.

    Parameters
    ----------
    table : DataFrame
        A row a run: columns `setting`, `value` (in percent) and, for the band, `<value>_low` and `<value>_high`.
    setting, value : str
        Such as "crr", "frr", "set_size"; "max_box_acc", "gt_loc".
    by : str, optional
        A column whose values are held against each other, a curve each; at most four.
    """
    figure, ((ax,),) = new_figure(1, 1, 3.0, width=WIDTH / 2)
    groups = {"": table} if by is None else {f"{by}: {key}": rows for key, rows in table.groupby(by, sort=False)}
    for (name, rows), style in zip(groups.items(), STYLES, strict=False):
        its = rows.sort_values(setting).rename(columns={f"{value}_low": "low", f"{value}_high": "high"})
        its = its.assign(middle=its[value])
        if "low" not in its:
            its = its.assign(low=its[value], high=its[value])
        band(ax, its, setting, style, name)
        ax.plot(its[setting], its[value], style.marker, color=style.colour, markersize=4)
    ax.set(xlabel=NAMES.get(setting, setting), ylabel=NAMES.get(value, value))
    if by is not None:
        legend_above(ax, 2)
    return figure
