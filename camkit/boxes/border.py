"""The polygon along a region's outer border."""

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.compiled import compiled
from camkit.boxes.neighbourhood import RING

LEFT = 7  # in RING


@compiled
def outer_area(grey: NDArray[np.uint8], level: int, first: int) -> int:
    """Twice the area of the polygon through the centres of a region's outer border pixels; its holes count as filled.

    The border is followed clockwise (Moore neighbours) from `first`, the region's first pixel in raster order as
    ``y << 16 | x``, until the first step is about to be taken again; the area is the shoelace formula's.
    """
    y, x = first >> 16, first & 0xFFFF
    first_step = step = _next_step(grey, level, y, x, LEFT)
    if step < 0:
        return 0
    area = 0
    while True:
        dy, dx = RING[step]
        area += x * dy - y * dx
        y += dy
        x += dx
        step = _next_step(grey, level, y, x, step + 4)
        if step == first_step and first == y << 16 | x:
            return int(area)


@compiled
def _next_step(grey: NDArray[np.uint8], level: int, y: int, x: int, behind: int) -> int:
    """The first neighbour above `level`, clockwise after the one `behind`; -1 where there is none."""
    for turn in range(1, 9):
        step = (behind + turn) & 7
        v, u = y + RING[step, 0], x + RING[step, 1]
        if 0 <= v < grey.shape[0] and 0 <= u < grey.shape[1] and grey[v, u] > level:
            return step
    return -1
