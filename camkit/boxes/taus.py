"""The boxes of one score map at many thresholds at once, for sweeps."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camkit.boxes.tree import level_boxes

MOST = 255  # thresholds that 8-bit levels tell apart


def boxes_at_taus(score_map: ArrayLike, taus: ArrayLike) -> NDArray[np.int64]:
    """The box round the largest 8-connected region of ``map > tau`` for each tau, as `boxes_from_maps` has it.

    A pixel's level is the number of taus strictly below it, so that one component tree holds the exact regions of up
    to 255 different taus.

    Parameters
    ----------
    score_map : array_like (H, W)
    taus : array_like (T,)
        In any order.

    Returns
    -------
    ndarray (T, 4), int64
        ``x0, y0, x1, y1``, half open; ``0, 0, 0, 0`` where no pixel is above tau.

    Examples
    --------
    >>> boxes_at_taus([[0.2, 0.9, 1.0], [0.1, 0.3, 0.0]], [0.25, 0.95, 1.0]).tolist()
    [[1, 0, 3, 2], [2, 0, 3, 1], [0, 0, 0, 0]]
    """
    values = np.asarray(score_map, np.float64)
    different, where = np.unique(np.asarray(taus, np.float64), return_inverse=True)
    boxes = np.empty((len(different), 4), np.int64)
    for start in range(0, len(different), MOST):
        some = different[start : start + MOST]
        levels = np.searchsorted(some, values, side="left").astype(np.uint8)
        boxes[start : start + MOST] = level_boxes(levels)[: len(some)]
    return boxes[where]
