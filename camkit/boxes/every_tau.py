"""The box of one score map as a function of tau, exact for every number: what a slider looks up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camkit.boxes.compiled import compiled
from camkit.errors import CamkitError


@dataclass(frozen=True, eq=False)
class BoxesOverTau:
    """Boxes, and from which tau on each of them holds.

    Attributes
    ----------
    starts : ndarray (B,), float64
        Rising. The box holds from this tau, included, up to the next one's; the first is minus infinity.
    boxes : ndarray (B, 4), int32
        ``x0, y0, x1, y1``, half open; the last is ``0, 0, 0, 0``: nothing lies above the maximum.
    """

    starts: NDArray[np.float64]
    boxes: NDArray[np.int32]

    def at(self, taus: ArrayLike) -> NDArray[np.int32]:
        """The boxes (..., 4) at taus (...,)."""
        return np.asarray(self.boxes[self.index(taus)])

    def index(self, taus: ArrayLike) -> NDArray[np.int64]:
        """Which of the boxes holds at each tau."""
        return np.asarray(np.searchsorted(self.starts, np.asarray(taus, np.float64), side="right") - 1)


def boxes_over_tau(score_map: ArrayLike) -> BoxesOverTau:
    """The box round the largest 8-connected region of ``map > tau``, as `boxes_from_maps` has it, for every tau.

    The pixels are taken from bright to dark and joined to regions (union-find): one pass, whatever the number of taus.

    Parameters
    ----------
    score_map : array_like (H, W)

    Raises
    ------
    CamkitError
        It has another number of dimensions, no pixel, or NaN or infinite values.
    """
    values = np.ascontiguousarray(score_map, np.float64)
    if values.ndim != 2 or values.size == 0 or not np.isfinite(values).all():
        raise CamkitError(f"a score map of shape {values.shape}: give (height, width), and finite values alone")
    order = np.argsort(values, axis=None, kind="stable")[::-1]
    starts, boxes = _over_tau(values, order)
    return BoxesOverTau(starts[::-1].copy(), boxes[::-1].copy())


@compiled
def _over_tau(values: NDArray[np.float64], order: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Starts and boxes from the highest tau to the lowest."""
    height, width = values.shape
    flat = values.ravel()
    parents = np.full(flat.size, -1, np.int64)
    counts, firsts = np.empty(flat.size, np.int64), np.empty(flat.size, np.int64)
    corners = np.empty((flat.size, 4), np.int32)
    # a box changes at most once a pixel, and as a rule once a row and column
    starts, boxes = np.empty(flat.size + 1, np.float64), np.zeros((flat.size + 1, 4), np.int32)
    starts[0] = flat[order[0]]
    recorded, best, best_root = 1, np.int64(-1), np.int64(-1)
    for rank in range(flat.size):
        pixel = order[rank]
        y, x = pixel // width, pixel % width
        parents[pixel], counts[pixel], firsts[pixel] = pixel, 1, pixel
        corners[pixel, 0], corners[pixel, 1], corners[pixel, 2], corners[pixel, 3] = x, y, x + 1, y + 1
        root = pixel
        for v in range(max(y - 1, 0), min(y + 2, height)):
            for u in range(max(x - 1, 0), min(x + 2, width)):
                other = v * width + u
                if parents[other] < 0:
                    continue
                while parents[other] != other:
                    parents[other] = parents[parents[other]]
                    other = parents[other]
                if other == root:
                    continue
                if counts[other] > counts[root]:
                    root, other = other, root
                parents[other] = root
                counts[root] += counts[other]
                firsts[root] = min(firsts[root], firsts[other])
                for side in range(2):
                    corners[root, side] = min(corners[root, side], corners[other, side])
                    corners[root, side + 2] = max(corners[root, side + 2], corners[other, side + 2])
        # Of equal sizes the region whose first pixel comes first. A region only grows, and its key with it.
        key = (counts[root] << 32) - firsts[root]
        if key > best:
            best, best_root = key, root
        last = rank + 1 == flat.size
        if last or flat[order[rank + 1]] < flat[pixel]:
            start = -np.inf if last else flat[order[rank + 1]]
            differs = False
            for side in range(4):
                differs |= corners[best_root, side] != boxes[recorded - 1, side]
                boxes[recorded, side] = corners[best_root, side]
            recorded += differs
            starts[recorded - 1] = start
    return starts[:recorded], boxes[:recorded]
