"""The papers' recipes side by side on a few images."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

from camkit.figures.examples import Example, draw_example
from camkit.figures.palette import on_paper
from camkit.figures.panels import panels

ACROSS = 2  # images in a row
TITLE = 60  # letters in a line over both pictures of an image


@on_paper
def plot_recipes(images: Mapping[str, Sequence[Example]], ax: Any = None) -> Any:
    """Each image twice, under its CAM and its NWC map, with the boxes of the maximum and of the percentile.

    Parameters
    ----------
    images : mapping from a title to two Examples
        With boxes "max" and "percentile".
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    rows = -(-len(images) // ACROSS)
    place, part, grid = panels(ax, rows, 2 * ACROSS, 1.55 * rows + 0.35)
    for panel in grid.flat:
        panel.set_axis_off()
    for i, (title, pair) in enumerate(images.items()):
        row, column = divmod(i, ACROSS)
        for j, (example, weighting) in enumerate(zip(pair, ("CAM", "NWC"), strict=True)):
            panel = grid[row, 2 * column + j]
            draw_example(panel, example)
            above = fill(title, TITLE) if j == 0 else ""
            panel.set_title(f"{above}\n{weighting}", loc="left", fontsize="small")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    part.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    return place
