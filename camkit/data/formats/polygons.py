"""Polygons as masks, pixel by pixel as COCO's mask API draws them (maskApi.c, rleFrPoly)."""

import numpy as np
from numpy.typing import NDArray

from camkit.errors import CamkitError

SCALE = 5  # the outline is followed in fifths of a pixel
CORNERS = 3


def polygon_points(polygon: object) -> NDArray[np.float64]:
    """The corners (n, 2) of a polygon ``x0, y0, x1, y1, ...``; `CamkitError` where it is none."""
    try:
        numbers = np.array(polygon, np.float64)
    except (TypeError, ValueError, OverflowError, RecursionError):
        numbers = np.array(np.nan)
    if numbers.ndim != 1 or len(numbers) % 2 or len(numbers) < 2 * CORNERS or not np.isfinite(numbers).all():
        raise CamkitError("a polygon is not three or more pairs of numbers x, y; mend or remove the segmentation")
    return numbers.reshape(-1, 2)


def mask_from_polygon(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of a polygon of corners (n, 2), each x, y.

    Raises
    ------
    CamkitError
        A corner is further outside the image than the image is large.
    """
    height, width = size
    sides = np.array([width, height])
    if (points < -sides).any() or (points > 2 * sides).any():
        raise CamkitError(f"a polygon reaches far outside the image of {width} x {height} pixels; mend it")
    x, y = _outline(np.trunc(SCALE * points + 0.5).astype(np.int64))
    # Where the outline goes from one column of fifths to the next, and that is the middle of a column of pixels, all
    # pixels below change sides.
    step = np.flatnonzero(x[1:] != x[:-1])
    columns = (np.minimum(x[step], x[step + 1]) + 0.5) / SCALE - 0.5
    rows = np.ceil(np.clip((np.minimum(y[step], y[step + 1]) + 0.5) / SCALE - 0.5, 0, height))
    kept = (columns == np.floor(columns)) & (columns >= 0) & (columns <= width - 1)
    changes = np.bincount((columns[kept] * height + rows[kept]).astype(np.int64), minlength=height * width + 1)
    inside: NDArray[np.bool_] = np.cumsum(changes[: height * width]) % 2 == 1
    return inside.reshape(width, height).T


def _outline(corners: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All points x, y on a closed polygon's edges, in order, each edge from its start to its end."""
    start, end = corners, np.roll(corners, -1, axis=0)
    reach = np.abs(end - start).max(axis=1)  # steps along the longer side
    flat = np.abs(end - start)[:, 0] == reach
    longer = np.where(flat, end[:, 0] - start[:, 0], end[:, 1] - start[:, 1])
    # Each edge is computed from its lower end, so that two polygons that share it do not overlap.
    flip = longer < 0
    low, high = (np.where(flip[:, None], *pair) for pair in ((end, start), (start, end)))
    rise = np.where(flat, high[:, 1] - low[:, 1], high[:, 0] - low[:, 0]) / np.maximum(reach, 1)
    edge = np.repeat(np.arange(len(corners)), reach + 1)
    along = np.arange(len(edge)) - np.repeat(np.cumsum(reach + 1) - reach - 1, reach + 1)
    along = np.where(flip[edge], reach[edge] - along, along)
    x0, y0 = low[edge, 0], low[edge, 1]
    sideways = np.trunc(np.where(flat[edge], y0, x0) + rise[edge] * along + 0.5).astype(np.int64)
    return np.where(flat[edge], x0 + along, sideways), np.where(flat[edge], sideways, y0 + along)
