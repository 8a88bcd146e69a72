"""The `wsol` protocol's doors (Choe et al. 2020): its score map, its grey levels, its boxes, its IoU at every level.

The protocol thresholds a map of 8 bits, so however many thresholds it tries, at most 255 masks differ. Everything here
is by level: level l stands for the mask ``grey > l``, and `levels_of` says which level a threshold is.
"""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camkit.boxes.score_maps import normalize_maps, resize_maps
from camkit.boxes.tree import all_level_boxes, level_boxes
from camkit.errors import CamkitError
from camkit.metrics.iou import best_iou, inclusive_iou, truth_boxes

SIDE = 224
LEVELS = 256


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


def protocol_map(class_map: Tensor) -> NDArray[np.float64]:
    """A map (h, w) at 224x224, bicubic, min-max normalised in float64; zeros where it is constant or not finite."""
    if not class_map.isfinite().all():
        return np.zeros((SIDE, SIDE))
    resized = resize_maps(class_map.detach().cpu().double(), (SIDE, SIDE), interpolation="bicubic")
    return np.asarray(normalize_maps(resized).numpy())


def quantise(score_map: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Scores in [0, 1] to grey values, truncated."""
    return (score_map * (LEVELS - 1)).astype(np.uint8)


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
    return np.asarray(best_iou(clip_far_corner(level_boxes(grey, "border")), truth, inclusive_iou))


def best_ious_of_all(grey: NDArray[np.uint8], truth: Tensor) -> NDArray[np.float64]:
    """MaxBoxAccV2's IoU at each level: the best over the boxes of all contours. Arguments as `best_ious`."""
    contours = all_level_boxes(grey)
    ious = best_iou(clip_far_corner(contours.boxes), truth, inclusive_iou)
    without_region = best_iou(torch.zeros(1, 4, dtype=torch.int64), truth, inclusive_iou)
    return contours.highest(ious.numpy(), without_region.item())
