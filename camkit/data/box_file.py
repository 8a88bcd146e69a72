"""A table of boxes that are no ground truth: of a detector, a person's guess, or `camkit localize`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camkit.data.formats.tables import Line, Table
from camkit.data.names import read_path
from camkit.errors import CamkitError

CORNERS = ("x0", "y0", "x1", "y1")
Corners = tuple[float, float, float, float]


def read_box_file(path: Path) -> dict[str, NDArray[np.float64]]:
    """By image its boxes (M, 4), half open, in pixels of the image.

    A CSV with the columns image, x0, y0, x1, y1, such as `camkit localize` writes. Where it has a column rank, an
    image's boxes of the first rank alone are taken. Empty boxes, as of maps without a region, are left out.

    Raises
    ------
    CamkitError
        The file or a column is missing, or a line holds no box.
    """
    table = Table(path)
    ranked = "rank" in table.columns
    found: dict[str, list[tuple[int, Corners]]] = {}
    for line in table.lines(("image", *CORNERS, *(["rank"] if ranked else []))):
        try:
            line.check()
            box, rank = _box(line), line.whole(5) if ranked else 0
        except CamkitError as error:
            raise CamkitError(f"{line.where}: {error}") from None
        boxes = found.setdefault(read_path(line.fields[0]), [])
        if box is not None:
            boxes.append((rank, box))
    return {image: _first(boxes) for image, boxes in found.items()}


def _box(line: Line) -> Corners | None:
    """A line's box; None where it is empty."""
    x0, y0, x1, y1 = line.numbers(1, 5)
    if (x0, y0) == (x1, y1):
        return None
    if not (x1 > x0 and y1 > y0):
        raise CamkitError(f"the box from {x0:g}, {y0:g} to {x1:g}, {y1:g} has no inside: mend the line")
    return x0, y0, x1, y1


def _first(boxes: list[tuple[int, Corners]]) -> NDArray[np.float64]:
    least = min((rank for rank, _ in boxes), default=0)
    return np.array([box for rank, box in boxes if rank == least], np.float64).reshape(-1, 4)
