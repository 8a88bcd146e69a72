"""Class maps as they are, each in the colours of its own range."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from camkit.figures.heat import palette
from camkit.figures.palette import on_paper
from camkit.figures.panels import panels

SHOWN = 8  # images, and classes of each
SIDE = 1.45  # inches of a map


@on_paper
def plot_class_maps(maps: NDArray[Any], titles: Sequence[Sequence[str]], ax: Any = None) -> Any:
    """Draw class maps, a row an image.

    Parameters
    ----------
    maps : ndarray (N, K, h, w)
        The first eight of each kind are shown, and the page says so.
    titles : N sequences of K texts
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    shown = maps[:SHOWN, :SHOWN]
    rows, columns, height, width = shown.shape
    place, part, grid = panels(ax, rows, columns, (SIDE + 0.25) * rows + 0.1, max(1.3, width / height) * SIDE * columns)
    for row, its_maps, its_titles in zip(grid, shown, titles, strict=False):
        for panel, one, title in zip(row, its_maps, its_titles, strict=False):
            panel.imshow(one, cmap=palette())
            panel.set_title(title, fontsize="small")
            panel.set_axis_off()
    if shown.shape != maps.shape:
        part.supxlabel(f"{rows} of {len(maps)} images, {columns} of {maps.shape[1]} classes", fontsize="small")
    return place
