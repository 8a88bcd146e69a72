"""The boxes of a map at all 256 grey levels at once, for measures that try every threshold.

A map of 8-bit values has at most 255 different masks ``grey > level``, however many thresholds are asked for. Both
functions walk over the pixels once (`components`) and give what labelling, or contour finding, would level by level.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.compiled import compiled
from camkit.boxes.components import Regions, regions_of_all_levels
from camkit.boxes.largest import largest_of_all_levels
from camkit.boxes.neighbourhood import EIGHT, FOUR, Neighbourhood
from camkit.errors import CamkitError

Criterion = Literal["pixels", "border"]

PIECES = 4  # for each thread: one that got the harder maps does not keep the others waiting for long
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
    by_border = criterion == "border"
    if threads == 1:
        _largest(stack, EIGHT, by_border, boxes)
    else:  # in pieces of several maps: between two of them a thread waits for its turn in Python
        with ThreadPoolExecutor(threads) as pool:
            pieces = zip(*(np.array_split(one, PIECES * threads) for one in (stack, boxes)), strict=True)
            list(pool.map(lambda piece: _largest(piece[0], EIGHT, by_border, piece[1]), pieces))
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
    grey = _grey(grey, dimensions=(2,))
    regions = regions_of_all_levels(grey, EIGHT)
    # Holes are regions of the negative: 255 - grey > 254 - level. A frame makes one region of all that reaches it.
    # Above the last level with a hole there is nothing to look for.
    last = _last_level_with_a_hole(regions)
    holes = regions_of_all_levels(_framed_negative(grey, last), FOUR) if last >= 0 else regions[:0]
    return LevelBoxes(*_contours(regions, holes, last))


def _grey(grey: NDArray[np.uint8], dimensions: tuple[int, ...]) -> NDArray[np.uint8]:
    if (
        grey.dtype != np.uint8
        or grey.ndim not in dimensions
        or not all(0 < side <= LONGEST_SIDE for side in grey.shape[-2:])
    ):
        raise CamkitError(
            f"a grey map of dtype {grey.dtype} and shape {grey.shape}: give uint8 "
            f"of {' or '.join(map(str, dimensions))} dimensions, sides from 1 to {LONGEST_SIDE} pixels"
        )
    return np.require(grey, requirements=["C_CONTIGUOUS", "WRITEABLE"])  # one layout, so one compilation


@compiled
def _largest(stack: NDArray[np.uint8], neighbourhood: Neighbourhood, by_border: bool, boxes: NDArray[np.int32]) -> None:
    for i in range(len(stack)):
        regions = regions_of_all_levels(stack[i], neighbourhood)
        largest_of_all_levels(stack[i], regions, by_border, neighbourhood.ring, boxes[i])


@compiled
def _last_level_with_a_hole(regions: Regions) -> int:
    last = -1
    for r in regions:
        if r.euler != 1:
            last = max(last, r.high)
    return last


@compiled
def _framed_negative(grey: NDArray[np.uint8], last: int) -> NDArray[np.uint8]:
    height, width = grey.shape
    negative = np.full((height + 2, width + 2), 255, np.uint8)
    for y in range(height):
        for x in range(width):
            value = grey[y, x]
            negative[y + 1, x + 1] = np.uint8(255) - value if value <= last else np.uint8(0)
    return negative


@compiled
def _contours(
    regions: Regions, holes: Regions, last: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Boxes, low and high of regions and of holes; what reaches the frame is no hole."""
    most = len(regions) + len(holes)
    boxes, low, high = np.empty((most, 4), np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
    n = 0
    for r in regions:
        boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3] = r.x0, r.y0, r.x1, r.y1
        low[n], high[n] = r.low, r.high
        n += 1
    for hole in holes:
        if hole.first > 0:  # the frame has moved them by 1, 1
            boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3] = hole.x0 - 2, hole.y0 - 2, hole.x1, hole.y1
            low[n], high[n] = 254 - hole.high, min(254 - hole.low, last)
            n += 1
    return boxes[:n], low[:n], high[:n]


@compiled
def _highest(
    values: NDArray[np.float64], low: NDArray[np.int32], high: NDArray[np.int32], nothing: float
) -> NDArray[np.float64]:
    highest = np.full(256, -np.inf)
    for value, bottom, top in zip(values, low, high):  # noqa: B905
        for level in range(bottom, top + 1):
            highest[level] = max(highest[level], value)
    return np.where(highest == -np.inf, nothing, highest)
