"""The `wsol` protocol's doors (Choe et al. 2020): its score map, its grey levels, its boxes, its IoU at every level.

The protocol thresholds a map of 8 bits, so however many thresholds it tries, at most 255 masks differ. Everything here
is by level: level l stands for the mask ``grey > l``, and `levels_of` says which level a threshold is.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camkit.boxes.compiled import compiled
from camkit.boxes.geometry import Window, pixels_inside
from camkit.boxes.score_maps import is_constant
from camkit.boxes.tree import all_level_boxes, level_boxes
from camkit.errors import CamkitError
from camkit.metrics.iou import truth_boxes

SIDE = 224
LEVELS = 256

Map = NDArray[np.float64]


def thresholds(step: float) -> NDArray[np.float64]:
    """(T,), from 0 by `step` to below 1; the protocol's steps are 0.001 and 0.01."""
    if not 0 < step <= 1:
        raise CamkitError(f"step is {step}: give a number above 0 and at most 1, such as 0.001")
    return np.arange(0, 1, step)


def levels_of(t: NDArray[np.float64]) -> NDArray[np.int64]:
    """The level ``int(t * g.max())`` of each threshold t.

    The grey values g of a normalised map reach 255, or are all 0: then no level has a region, and any level will do.
    """
    return (t * (LEVELS - 1)).astype(np.int64)


def protocol_map(class_map: Tensor, size: tuple[int, int] = (SIDE, SIDE), window: Window | None = None) -> Map:
    """A map (h, w) at 224x224, bicubic, min-max normalised in float64; zeros where it is constant or not finite.

    Whether it is constant is asked of the map as it comes (`camkit.boxes.score_maps.is_constant`): resizing a constant
    leaves rounding noise, which the public code stretches to 0..1 and judges.

    Parameters
    ----------
    class_map : Tensor (h, w)
    size, window
        The image's height and width, and what of it the map covers, where that is not the whole image
        (see `camkit.boxes.resize_maps`). The rest of the image counts as the map's minimum.
    """
    cells = class_map.detach().cpu()
    values = (cells if cells.dtype == torch.float64 else cells.float()).numpy()
    low, high = values.min(), values.max()  # NaN passes through both
    if not (np.isfinite(low) and np.isfinite(high)) or _is_constant(low, high):
        return np.zeros((SIDE, SIDE))
    x0, y0, x1, y1 = (0, 0, SIDE, SIDE) if window is None else _on_grid(window, size)
    rows, columns = pixels_inside((x0, y0, x1, y1), (SIDE, SIDE))
    down = _bicubic(rows.start, rows.stop, y0, y1, class_map.shape[0])
    across = _bicubic(columns.start, columns.stop, x0, x1, class_map.shape[1])
    resized = down @ values.astype(np.float64) @ across.T
    low, high = resized.min(), resized.max()
    if _is_constant(low, high):
        return np.zeros((SIDE, SIDE))
    resized -= low
    resized /= high - low
    if resized.shape == (SIDE, SIDE):
        return resized
    score_map = np.zeros((SIDE, SIDE))
    score_map[rows, columns] = resized
    return score_map


def _is_constant(low: Any, high: Any) -> bool:
    """`is_constant` of a map's minimum and maximum alone, which are not sought again."""
    return bool(is_constant(torch.from_numpy(np.array([[low, high]]))))


def _on_grid(window: Window, size: tuple[int, int]) -> Window:
    """A window in pixels of an image of `size` (height, width) in those of the grid."""
    (x0, y0, x1, y1), (height, width) = window, size
    return x0 * SIDE / width, y0 * SIDE / height, x1 * SIDE / width, y1 * SIDE / height


@lru_cache(maxsize=64)
def _bicubic(first: int, last: int, start: float, stop: float, length: int) -> Map:
    """How the pixels from first to before last sum up the `length` cells that cover start..stop: (pixels, length).

    As OpenCV resizes, which the protocol's numbers come from: sums in float64, but places and weights in float32 (slope
    -0.75). Weights in float64 move scores by some 1e-7, and PxAP in its sixth digit.
    """
    pixels = np.arange(first, last)
    places = ((pixels + 0.5 - start) * (length / (stop - start)) - 0.5).astype(np.float32)
    left = np.floor(places).astype(np.int64)
    x, a, one = places - left.astype(np.float32), np.float32(-0.75), np.float32(1)
    before = ((a * (x + one) - 5 * a) * (x + one) + 8 * a) * (x + one) - 4 * a
    here = ((a + 2) * x - (a + 3)) * x * x + one
    after = ((a + 2) * (one - x) - (a + 3)) * (one - x) * (one - x) + one
    weights = np.zeros((len(pixels), length))
    for tap, weight in zip((-1, 0, 1, 2), (before, here, after, one - before - here - after), strict=True):
        weights[np.arange(len(pixels)), np.clip(left + tap, 0, length - 1)] += weight
    return weights


def quantise(score_map: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Scores in [0, 1] to grey values, truncated."""
    grey = np.empty(score_map.shape, np.uint8)
    np.multiply(score_map, LEVELS - 1, out=grey, casting="unsafe")  # by pieces, without a map in between
    return grey


def protocol_boxes(boxes: ArrayLike | Tensor, size: tuple[int, int]) -> Tensor:
    """An image's ground-truth boxes on the 224x224 grid.

    Parameters
    ----------
    boxes : array_like (M, 4)
        ``x0, y0, x1, y1`` in pixels of the original image, half open, M >= 1.
    size : tuple of int
        The original image's height and width.

    Returns
    -------
    Tensor (M, 4), int64
        ``int(coordinate * 224 / size)``, truncated towards 0, of the corners as the protocol's lists have them: the far
        one is the last pixel inside.
    """
    height, width = size
    inclusive = truth_boxes(boxes).cpu().double() - torch.tensor([0, 0, 1, 1])
    return (inclusive * SIDE / torch.tensor([width, height, width, height])).long()


def clip_far_corner(boxes: NDArray[np.int32]) -> Tensor:
    """Half-open boxes (B, 4) as the protocol writes them: the far corner no further than the last pixel."""
    return torch.from_numpy(np.minimum(boxes, SIDE - 1))


def best_ious(grey: NDArray[np.uint8], truth: Tensor) -> NDArray[np.float64]:
    """MaxBoxAcc's IoU at each level: of the one box round the region with the largest outer border.

    Parameters
    ----------
    grey : ndarray (224, 224), uint8
    truth : Tensor (M, 4), int64
        Ground truth as `protocol_boxes` gives it.

    Returns
    -------
    ndarray (256,), float64
        With the ground-truth box that is met best. Where a level has no region the box is ``0, 0, 0, 0``.
    """
    return _best_ious(level_boxes(grey, "border"), truth.numpy(), SIDE - 1)


def best_ious_of_all(grey: NDArray[np.uint8], truth: Tensor) -> NDArray[np.float64]:
    """MaxBoxAccV2's IoU at each level: the best over the boxes of all contours. Arguments as `best_ious`."""
    contours = all_level_boxes(grey)
    nothing = _best_ious(np.zeros((1, 4), np.int32), truth.numpy(), SIDE - 1).item()
    return contours.highest(_best_ious(contours.boxes, truth.numpy(), SIDE - 1), nothing)


@compiled
def _best_ious(boxes: NDArray[np.int32], truth: NDArray[np.int64], last: int) -> NDArray[np.float64]:
    """The best `inclusive_iou` of half-open boxes (B, 4), far corners clipped: (B,), many times as fast as tensors."""
    found = np.zeros(len(boxes))
    for index in range(len(boxes)):
        x0, y0, x1, y1 = boxes[index, 0], boxes[index, 1], min(boxes[index, 2], last), min(boxes[index, 3], last)
        for one in range(len(truth)):
            wide = min(x1, truth[one, 2]) - max(x0, truth[one, 0]) + 1
            high = min(y1, truth[one, 3]) - max(y0, truth[one, 1]) + 1
            if wide > 0 and high > 0:
                area = (truth[one, 2] - truth[one, 0] + 1) * (truth[one, 3] - truth[one, 1] + 1)
                union = (x1 - x0 + 1) * (y1 - y0 + 1) + area - wide * high
                found[index] = max(found[index], wide * high / union)
    return found
