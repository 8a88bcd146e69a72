"""Pictures side by side on one page."""

from collections.abc import Iterable
from textwrap import fill
from typing import Any

import numpy as np
import torch

from camkit.errors import CamkitError
from camkit.figures.palette import on_paper
from camkit.figures.panels import WIDTH, panels

COLUMNS = 4
LETTERS = 15  # of a title, an inch
LOWEST, HIGHEST = 0.4, 1.5  # of a place, over its width
MOST = 400  # pictures on a page


@on_paper
def grid(pictures: Iterable[Any], columns: int = COLUMNS, ax: Any = None) -> Any:
    """Draw pictures side by side.

    Parameters
    ----------
    pictures : iterable
        Of what draws itself, ``plot(ax)`` (a `camkit.Localization`, class maps, findings), of images, uint8 tensors
        (3, H, W) or arrays (H, W, 3), and of `camkit.Failure`, whose reason stands in its place.
    columns : int
        How many stand side by side.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned: ``grid(found).figure.savefig("found.pdf")``.

    Raises
    ------
    CamkitError
        There are none, more than 400, or something that is none of these.
    """
    many = []
    for picture in pictures:  # of a folder's stream not more than a page bears
        many.append(picture)
        if len(many) > MOST:
            raise CamkitError(
                f"more than {MOST} pictures on one page: give fewer, such as itertools.islice(found, {MOST})"
            )
    if not many or columns < 1:
        raise CamkitError(f"{len(many)} pictures in {columns} columns: give at least one of each")
    across = min(columns, len(many))
    side, rows = WIDTH / across, [many[i : i + across] for i in range(0, len(many), across)]
    heights = [side * max(map(_shape, row)) for row in rows]
    place, _, cells = panels(ax, len(rows), across, sum(heights) + 0.25 * len(rows), WIDTH, height_ratios=heights)
    for cell, picture in zip(cells.flat, many, strict=False):
        _draw(cell, picture)
        cell.set_title(fill(cell.get_title(), max(8, int(side * LETTERS))), fontsize="small")
    for cell in cells.flat[len(many) :]:
        cell.set_axis_off()
    return place


def _shape(picture: Any) -> float:
    """How high a picture's place is, over its width."""
    if getattr(picture, "error", None):
        return LOWEST
    size = getattr(picture, "size", None) if hasattr(picture, "plot") else as_rows(picture).shape[:2]
    return min(max(size[0] / size[1], LOWEST), HIGHEST) if isinstance(size, tuple) else 1.0


def _draw(cell: Any, picture: Any) -> None:
    if reason := getattr(picture, "error", None):
        cell.set_axis_off()
        text = fill(f"{picture.image}: {reason}", 24)
        cell.text(0.5, 0.5, text, ha="center", va="center", fontsize="small", transform=cell.transAxes)
    elif hasattr(picture, "plot"):
        picture.plot(cell)
    else:
        cell.imshow(as_rows(picture))
        cell.set_axis_off()


def as_rows(picture: Any) -> Any:
    """An image as matplotlib takes it, (H, W, 3); `CamkitError` where it is none."""
    if isinstance(picture, torch.Tensor):
        picture = picture.movedim(0, -1).numpy() if picture.ndim == 3 else None
    if not isinstance(picture, np.ndarray) or picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise CamkitError(
            "a picture on the page is neither a result that draws itself nor an image: give uint8 (H, W, 3) arrays, "
            "(3, H, W) tensors, or results of camkit"
        )
    return picture
