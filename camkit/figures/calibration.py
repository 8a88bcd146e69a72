"""What a calibration tried: a row a weighting, a panel a kind of threshold."""

from typing import Any

import pandas as pd

from camkit.figures.palette import on_paper
from camkit.figures.panels import panels
from camkit.figures.surfaces import CROSS, LINE, TITLES, draw_surface, keys, plot_surface

KINDS = {
    "PaS (100: min-max)": ("pas", "minmax"),
    "IVR": ("ivr",),
    "maximum of the map as it is": ("max",),
}


@on_paper
def plot_calibration(surface: pd.DataFrame, chosen: tuple[str, str, float, float], ax: Any = None) -> Any:
    """Draw the table of a `camkit.evaluation.Calibration` of one fit.

    Parameters
    ----------
    surface : DataFrame
        Columns weighting, threshold, percentile, theta, gt_loc in percent.
    chosen : tuple
        Weighting, threshold, percentile and theta of a setting to mark.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    tried = set(surface["threshold"])
    if tried <= {"pas", "minmax"} and surface["percentile"].nunique() > 1:
        return plot_surface(surface, (chosen[0], *chosen[2:]), ax)
    kinds = {title: names for title, names in KINDS.items() if tried & set(names)}
    weightings = list(surface["weighting"].unique())
    place, part, grid = panels(ax, len(weightings), len(kinds), 1 + 1.9 * len(weightings), sharex=True)
    low, high = surface["gt_loc"].min(), surface["gt_loc"].max()
    image = None
    for row, weighting in zip(grid, weightings, strict=True):
        for panel, (title, names) in zip(row, kinds.items(), strict=True):
            table = surface[(surface["weighting"] == weighting) & surface["threshold"].isin(names)]
            several = table["percentile"].nunique() > 1
            if several:
                image = draw_surface(panel, table, low, high)
            else:
                panel.plot(table["theta"], table["gt_loc"], color=LINE)
                panel.set_ylim(low, high + 1)
            if chosen[0] == weighting and chosen[1] in names:
                panel.plot(chosen[3], chosen[2] if several else table["gt_loc"].max(), **CROSS)
            panel.set_title(f"{TITLES.get(weighting, weighting)}\n{title}: at most {table['gt_loc'].max():.1f} %")
            panel.set_ylabel("percentile" if several else "GT-known Loc, %")
    for panel in grid[-1]:
        panel.set_xlabel("theta")
    part.legend(handles=keys(chosen=True), loc="outside lower center", ncols=4, frameon=False)
    if image is not None:
        part.colorbar(image, ax=list(grid.flat), label="GT-known Loc, %", aspect=40)
    return place
