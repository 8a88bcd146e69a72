"""GT-known Loc over theta and percentile."""

import pandas as pd
from matplotlib.figure import Figure

TITLES = {"signed": "all weights", "positive": "positive weights (NWC)", "negative": "negative weights"}


def plot_surface(surface: pd.DataFrame) -> Figure:
    """Draw a table of `camkit.evaluation.Calibration`: a panel a weighting, the best setting marked.

    Parameters
    ----------
    surface : DataFrame
        Columns weighting, percentile (100: the maximum), theta, gt_loc in percent.
    """
    weightings = list(surface["weighting"].unique())
    figure = Figure(figsize=(1.2 + 3.6 * len(weightings), 3.4), layout="constrained")
    panels = figure.subplots(1, len(weightings), sharey=True, squeeze=False)[0]
    low, high = surface["gt_loc"].min(), surface["gt_loc"].max()
    for ax, weighting in zip(panels, weightings, strict=True):
        table = surface[surface["weighting"] == weighting].pivot(index="percentile", columns="theta", values="gt_loc")
        image = ax.pcolormesh(table.columns, table.index, table.to_numpy(), cmap="Greys_r", vmin=low, vmax=high)
        best = table.stack().idxmax()
        ax.plot(best[1], best[0], "x", color="tab:red", markersize=9, markeredgewidth=2)
        ax.set(title=f"{TITLES[weighting]}: at most {table.to_numpy().max():.1f} %", xlabel="theta")
    panels[0].set_ylabel("percentile (100: the maximum)")
    figure.colorbar(image, ax=list(panels), label="GT-known Loc, %")
    return figure
