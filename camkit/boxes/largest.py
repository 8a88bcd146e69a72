"""Which of a level's regions is the largest: by pixels, or by the area of the polygon along its outer border."""

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.compiled import compiled
from camkit.boxes.components import Region, Regions

LEFT = 7  # in the ring


@compiled
def largest_of_all_levels(
    grey: NDArray[np.uint8], regions: Regions, by_border: bool, ring: NDArray[np.int64], boxes: NDArray[np.int32]
) -> None:
    """Write the box of the largest region at each level into `boxes` (256, 4); where there is none, leave it.

    Size and first pixel make one number, so that comparing it settles ties too: of equal numbers of pixels the first
    region in raster order wins, of equal areas the last.
    """
    best, winner = np.full(256, -1, np.int64), np.full(256, -1, np.int64)
    for i, r in enumerate(regions):
        _offer(i, r.low, r.high, (r.area << 32) + r.first if by_border else (r.count << 32) - r.first, best, winner)
    if by_border:
        _fill_holes(grey, regions, ring, best, winner)
    for level in range(256):
        if winner[level] >= 0:
            r = regions[winner[level]]
            boxes[level, 0], boxes[level, 1], boxes[level, 2], boxes[level, 3] = r.x0, r.y0, r.x1, r.y1


@compiled
def _offer(i: int, low: int, high: int, key: int, best: NDArray[np.int64], winner: NDArray[np.int64]) -> None:
    for level in range(low, high + 1):
        if key > best[level]:
            best[level] = key
            winner[level] = i


@compiled
def _fill_holes(
    grey: NDArray[np.uint8],
    regions: Regions,
    ring: NDArray[np.int64],
    best: NDArray[np.int64],
    winner: NDArray[np.int64],
) -> None:
    """Area by windows leaves holes out: follow such a region's border, but only where the choice can depend on it."""
    open_levels = np.zeros(256, np.bool_)
    for i, r in enumerate(regions):
        if r.euler != 1:
            for level in range(r.low, r.high + 1):
                open_levels[level] |= winner[level] != i and _at_most(r) > best[level]
    for i, r in enumerate(regions):
        needed = False
        for level in range(r.low, r.high + 1):
            needed |= r.euler != 1 and open_levels[level] and _at_most(r) > best[level]
        if needed:
            _offer(i, r.low, r.high, (outer_area(grey, r.high, r.first, ring) << 32) + r.first, best, winner)


@compiled
def _at_most(region: Region) -> int:
    """The key a region would have if its outer border were its box."""
    return int(2 * (region.x1 - region.x0 - 1) * (region.y1 - region.y0 - 1) << 32) + int(region.first)


@compiled
def outer_area(grey: NDArray[np.uint8], level: int, first: int, ring: NDArray[np.int64]) -> int:
    """Twice the area of the polygon through the centres of a region's outer border pixels; its holes count as filled.

    The border is followed clockwise (Moore neighbours) from `first`, the region's first pixel in raster order as
    ``y << 16 | x``, until the first step is about to be taken again; the area is the shoelace formula's.
    """
    y, x = first >> 16, first & 0xFFFF
    first_step = step = _next_step(grey, level, y, x, LEFT, ring)
    if step < 0:
        return 0
    area = 0
    while True:
        dy, dx = ring[step]
        area += x * dy - y * dx
        y += dy
        x += dx
        step = _next_step(grey, level, y, x, step + 4, ring)
        if step == first_step and first == y << 16 | x:
            return int(area)


@compiled
def _next_step(grey: NDArray[np.uint8], level: int, y: int, x: int, behind: int, ring: NDArray[np.int64]) -> int:
    """The first neighbour above `level`, clockwise after the one `behind`; -1 where there is none."""
    for turn in range(1, 9):
        step = (behind + turn) & 7
        v, u = y + ring[step, 0], x + ring[step, 1]
        if 0 <= v < grey.shape[0] and 0 <= u < grey.shape[1] and grey[v, u] > level:
            return step
    return -1
