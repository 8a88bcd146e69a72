"""What a calibration tried: a row a weighting, a panel a kind of threshold."""

from typing import Any

import pandas as pd

from camkit.figures.palette import new_figure, on_paper
from camkit.figures.surfaces import CROSS, LINE, TITLES, draw_surface, keys, plot_surface

PANELS = {
    "PaS (100: min-max)": ("pas", "minmax"),
    "IVR": ("ivr",),
    "maximum of the map as it is": ("max",),
}


@on_paper
def plot_calibration(surface: pd.DataFrame, chosen: tuple[str, str, float, float]) -> Any:
    """Draw the table of a `camkit.evaluation.Calibration` of one fit; returns the figure.

    Parameters
    ----------
    surface : DataFrame
        Columns weighting, threshold, percentile, theta, gt_loc in percent.
    chosen : tuple
        Weighting, threshold, percentile and theta of a setting to mark.
    """
    tried = set(surface["threshold"])
    if tried <= {"pas", "minmax"}:
        return plot_surface(surface, (chosen[0], *chosen[2:]))
    panels = {title: names for title, names in PANELS.items() if tried & set(names)}
    weightings = list(surface["weighting"].unique())
    figure, grid = new_figure(len(weightings), len(panels), 1 + 1.9 * len(weightings), sharex=True)
    low, high = surface["gt_loc"].min(), surface["gt_loc"].max()
    image = None
    for row, weighting in zip(grid, weightings, strict=True):
        for ax, (title, names) in zip(row, panels.items(), strict=True):
            table = surface[(surface["weighting"] == weighting) & surface["threshold"].isin(names)]
            several = table["percentile"].nunique() > 1
            if several:
                image = draw_surface(ax, table, low, high)
            else:
                ax.plot(table["theta"], table["gt_loc"], color=LINE)
                ax.set_ylim(low, high + 1)
            if chosen[0] == weighting and chosen[1] in names:
                ax.plot(chosen[3], chosen[2] if several else table["gt_loc"].max(), **CROSS)
            ax.set_title(f"{TITLES.get(weighting, weighting)}\n{title}: at most {table['gt_loc'].max():.1f} %")
            ax.set_ylabel("percentile" if several else "GT-known Loc, %")
    for ax in grid[-1]:
        ax.set_xlabel("theta")
    figure.legend(handles=keys(chosen=True), loc="outside lower center", ncols=4, frameon=False)
    if image is not None:
        figure.colorbar(image, ax=list(grid.flat), label="GT-known Loc, %", aspect=40)
    return figure
