"""Where a plot goes: into an Axes of yours, or onto a page of its own, cut into panels where it has several.

No figure here is pyplot's, so that none has to be closed, and none is shown by itself.
"""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

WIDTH = 7.2  # inches: a page's text


def one_panel(ax: Any, width: float, height: float) -> Any:
    """The Axes to draw into: the given one, or that of a new page of so many inches."""
    return Figure(figsize=(width, height), layout="constrained").subplots() if ax is None else ax


def panels(
    ax: Any, rows: int, columns: int, height: float, width: float = WIDTH, **settings: Any
) -> tuple[Any, Any, Any]:
    """The place of a plot with several panels.

    Parameters
    ----------
    ax : matplotlib Axes or None
        Its place is cut into panels, and itself no longer seen. None: a new page.
    rows, columns : int
    height, width : float
        Of a new page, in inches.
    **settings
        Of ``Figure.subplots``.

    Returns
    -------
    place : Axes
        For the plot to return; its ``figure`` can be saved.
    part : SubFigure
        For legends and colour bars.
    panels : ndarray (rows, columns) of Axes
    """
    ax = one_panel(ax, width, height)
    ax.set_axis_off()
    ax.set_in_layout(False)
    where = ax.get_subplotspec()
    if where is None:
        box = ax.get_position(original=True)  # the middle of nine places: a SubFigure knows no margins
        across, down = [box.x0, box.width, 1 - box.x1], [1 - box.y1, box.height, box.y0]
        where = GridSpec(3, 3, width_ratios=across, height_ratios=down)[1, 1]
    part = ax.figure.add_subfigure(where)
    part.patch.set_visible(False)
    return ax, part, part.subplots(rows, columns, squeeze=False, **settings)
