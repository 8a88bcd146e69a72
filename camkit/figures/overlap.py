"""Where the most activated regions of the channels coincide."""

from typing import Any

import pandas as pd

from camkit.figures.examples import Example, draw_example
from camkit.figures.palette import STYLES, SURFACE, band, on_paper
from camkit.figures.panels import panels


@on_paper
def plot_overlap(curve: pd.DataFrame, mean_map: pd.DataFrame, example: Example | None, ax: Any = None) -> Any:
    """The image with highest overlap, the mean over images as a map, and the overlap in descending order.

    Parameters
    ----------
    curve : DataFrame
        Columns regions, share, low, middle, high.
    mean_map : DataFrame
        Columns y, x, overlap.
    example : Example or None
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    place, part, (axes,) = panels(
        ax, 1, 2 + (example is not None), 2.7, width_ratios=[*[1] * (example is not None), 1.15, 1.5]
    )
    if example is not None:
        draw_example(axes[0], example)
        axes[0].set_title("highest overlap")
    grid = mean_map.pivot(index="y", columns="x", values="overlap").to_numpy()
    shown = axes[-2].imshow(grid, cmap=SURFACE, vmin=0, extent=(0, 1, 1, 0))
    part.colorbar(shown, ax=axes[-2], label="share of the channels", shrink=0.8)
    axes[-2].set(xlabel="width of the image", ylabel="height of the image", xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    axes[-2].set_title("mean over images")
    for (name, its), style in zip(curve.groupby("regions", sort=False), STYLES, strict=False):
        band(axes[-1], its, "share", style, str(name))
    axes[-1].set(xlabel="share of the map, sorted", ylabel="share of the channels\nmost activated there", xlim=(0, 1))
    axes[-1].set_ylim(bottom=0)
    axes[-1].legend(frameon=False, title="median and 80 % of images")
    for panel in axes[1 - (example is None) :]:
        panel.set_box_aspect(1)
    return place
