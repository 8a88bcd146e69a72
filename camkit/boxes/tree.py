"""The boxes of a map at all 256 grey levels at once, for measures that try every threshold.

A map of 8-bit values has at most 255 different masks ``grey > level``, however many thresholds are asked for. Both
functions walk over the pixels once (`components`) and give what labelling, or contour finding, would level by level.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.border import outer_area
from camkit.boxes.compiled import compiled
from camkit.boxes.components import Region, Regions, regions_of_all_levels
from camkit.boxes.neighbourhood import CONTACTS_4, CONTACTS_8
from camkit.errors import CamkitError

Criterion = Literal["pixels", "border"]

LONGEST_SIDE = 2**15 - 3  # a padded pixel's y << 16 | x is an int32


def level_boxes(grey: NDArray[np.uint8], criterion: Criterion = "pixels", threads: int = 1) -> NDArray[np.int32]:
    """The box of the largest 8-connected region of ``grey > level``, for each level.

    Parameters
    ----------
    grey : ndarray (H, W) or (N, H, W), uint8
    criterion : "pixels" or "border"
        Largest by number of pixels, as the papers have it (of equals, the region whose first pixel in raster order
        comes first); or by the area of the polygon through the centres of its outer border's pixels, as MaxBoxAcc has
        it (of equals, the one whose first pixel comes last).
    threads : int
        How many maps are worked on at a time.

    Returns
    -------
    ndarray (256, 4) or (N, 256, 4), int32
        ``x0, y0, x1, y1``, half open; ``0, 0, 0, 0`` where no pixel is above the level.

    Raises
    ------
    CamkitError
        An array of another dtype or shape, or an unknown criterion.
    """
    if criterion not in get_args(Criterion):
        raise CamkitError(f"criterion is {criterion!r}: give one of {', '.join(get_args(Criterion))}")
    stack = _grey(grey, dimensions=(2, 3)).reshape(-1, *grey.shape[-2:])
    boxes = np.zeros((len(stack), 256, 4), np.int32)
    work = (stack, [criterion == "border"] * len(stack), boxes)
    if threads == 1:
        for one in zip(*work, strict=True):
            _largest_of_all_levels(*one)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(_largest_of_all_levels, *work))
    return boxes.reshape(*grey.shape[:-2], 256, 4)


@dataclass(frozen=True, eq=False)
class LevelBoxes:
    """Boxes, each with the levels at which it exists.

    Attributes
    ----------
    boxes : ndarray (M, 4), int32
        ``x0, y0, x1, y1``, half open.
    low, high : ndarray (M,), int32
        First and last level, both included.
    """

    boxes: NDArray[np.int32]
    low: NDArray[np.int32]
    high: NDArray[np.int32]

    def highest(self, values: NDArray[np.float64], nothing: float) -> NDArray[np.float64]:
        """Of one value a box (M,), the highest at each level (256,); `nothing` at a level without boxes."""
        return _highest(np.asarray(values, np.float64), self.low, self.high, nothing)


def all_level_boxes(grey: NDArray[np.uint8]) -> LevelBoxes:
    """The boxes of all contours of ``grey > level``, for each level, as MaxBoxAccV2 wants them.

    A contour is the outer border of an 8-connected region, or that of a hole: a 4-connected part of the rest that does
    not reach the map's frame. A hole's contour runs through the pixels round it: its box is the hole's grown by one.

    Parameters
    ----------
    grey : ndarray (H, W), uint8

    Returns
    -------
    LevelBoxes
        In no particular order; two contours of one level may have the same box.

    Raises
    ------
    CamkitError
        An array of another dtype or shape.
    """
    return LevelBoxes(*_contours_of_all_levels(_grey(grey, dimensions=(2,))))


def _grey(grey: NDArray[np.uint8], dimensions: tuple[int, ...]) -> NDArray[np.uint8]:
    if grey.dtype != np.uint8 or grey.ndim not in dimensions or not 0 < min(grey.shape[-2:]) <= LONGEST_SIDE:
        raise CamkitError(
            f"a grey map of dtype {grey.dtype} and shape {grey.shape}: give uint8 "
            f"of {' or '.join(map(str, dimensions))} dimensions, sides from 1 to {LONGEST_SIDE} pixels"
        )
    return np.require(grey, requirements=["C_CONTIGUOUS", "WRITEABLE"])  # one layout, so one compilation


@compiled
def _largest_of_all_levels(grey: NDArray[np.uint8], by_border: bool, boxes: NDArray[np.int32]) -> None:
    regions = regions_of_all_levels(grey, CONTACTS_8)
    best, winner = np.full(256, -1, np.int64), np.full(256, -1, np.int64)
    for i, r in enumerate(regions):
        _offer(i, r.low, r.high, (r.area << 32) + r.first if by_border else (r.count << 32) - r.first, best, winner)
    if by_border:
        _fill_holes(grey, regions, best, winner)
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
def _fill_holes(grey: NDArray[np.uint8], regions: Regions, best: NDArray[np.int64], winner: NDArray[np.int64]) -> None:
    """Area by windows leaves holes out: follow such a region's border, but only where the choice can depend on it."""
    open_levels = np.zeros(256, np.bool_)
    for i, r in enumerate(regions):
        if r.euler != 1:
            for level in range(r.low, r.high + 1):
                open_levels[level] |= winner[level] != i and _at_most(r) > best[level]
    for i, r in enumerate(regions):
        levels = slice(r.low, r.high + 1)
        if r.euler != 1 and (open_levels[levels] & (best[levels] < _at_most(r))).any():
            _offer(i, r.low, r.high, (outer_area(grey, r.high, r.first) << 32) + r.first, best, winner)


@compiled
def _at_most(region: Region) -> int:
    """The key a region would have if its outer border were its box."""
    return int(2 * (region.x1 - region.x0 - 1) * (region.y1 - region.y0 - 1) << 32) + int(region.first)


@compiled
def _contours_of_all_levels(
    grey: NDArray[np.uint8],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    regions = regions_of_all_levels(grey, CONTACTS_8)
    # Holes are regions of the negative: 255 - grey > 254 - level. A frame makes one region of all that reaches it.
    negative = np.full((grey.shape[0] + 2, grey.shape[1] + 2), 255, np.uint8)
    negative[1:-1, 1:-1] -= grey
    holes = regions_of_all_levels(negative, CONTACTS_4)
    holes = holes[holes["first"] > 0]
    n, m = len(regions), len(holes)
    boxes, low, high = np.empty((n + m, 4), np.int32), np.empty(n + m, np.int32), np.empty(n + m, np.int32)
    for i in range(n):
        r = regions[i]
        boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3] = r.x0, r.y0, r.x1, r.y1
        low[i], high[i] = r.low, r.high
    for i in range(m):
        h = holes[i]  # one pixel to the lower right of the hole, through the frame
        boxes[n + i, 0], boxes[n + i, 1], boxes[n + i, 2], boxes[n + i, 3] = h.x0 - 2, h.y0 - 2, h.x1, h.y1
        low[n + i], high[n + i] = 254 - h.high, 254 - h.low
    return boxes, low, high


@compiled
def _highest(
    values: NDArray[np.float64], low: NDArray[np.int32], high: NDArray[np.int32], nothing: float
) -> NDArray[np.float64]:
    highest = np.full(256, -np.inf)
    for value, bottom, top in zip(values, low, high):  # noqa: B905
        for level in range(bottom, top + 1):
            highest[level] = max(highest[level], value)
    return np.where(highest == -np.inf, nothing, highest)
