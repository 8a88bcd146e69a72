"""Intersection over union of boxes, in the two conventions of the field."""

from typing import Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torchvision.ops import box_iou

from camkit.errors import CamkitError


class IoU(Protocol):
    """Boxes (A, 4) and others (B, 4) to (A, B); a function with a name."""

    __name__: str

    def __call__(self, boxes: Tensor, others: Tensor, /) -> Tensor: ...


def half_open_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU where a box of one pixel has ``x1 = x0 + 1``.

    Parameters
    ----------
    boxes : Tensor (A, 4)
        ``x0, y0, x1, y1``.
    others : Tensor (B, 4)

    Returns
    -------
    Tensor (A, B), float64
        0 for disjoint boxes, also where both are empty.

    Examples
    --------
    >>> box, others = torch.tensor([[0, 0, 2, 2]]), torch.tensor([[1, 0, 3, 2], [2, 0, 4, 2]])
    >>> half_open_iou(box, others).round(decimals=3).tolist()
    [[0.333, 0.0]]
    """
    iou: Tensor = box_iou(boxes.double(), others.double())
    return iou.nan_to_num(0.0)  # two empty boxes: 0 / 0


def inclusive_iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU where the far corner is the last pixel inside: ``+ 1`` on each side, as the `wsol` protocol takes it.

    Parameters
    ----------
    boxes : Tensor (A, 4), int64
        ``x0, y0, x1, y1``. What the protocol writes where there is no region, ``0, 0, 0, 0``, is a box of one pixel.
    others : Tensor (B, 4), int64

    Returns
    -------
    Tensor (A, B), float64
        Integer areas, divided in float64.

    Examples
    --------
    >>> box, others = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[1, 0, 2, 1], [2, 0, 3, 1]])
    >>> inclusive_iou(box, others).round(decimals=3).tolist()
    [[0.333, 0.0]]
    """
    near = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    far = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    # Clamped before the product: two negative sides would make an area.
    intersection = _area((far - near + 1).clamp(min=0))
    union = _inclusive_area(boxes)[:, None] + _inclusive_area(others)[None] - intersection
    return intersection.double() / union.double()


def _inclusive_area(boxes: Tensor) -> Tensor:
    return _area(boxes[:, 2:] - boxes[:, :2] + 1)


def _area(sides: Tensor) -> Tensor:
    """(..., 2) to (...); a product of two is many times as fast as `Tensor.prod` over them."""
    return sides[..., 0] * sides[..., 1]


def best_iou(boxes: Tensor, truth: ArrayLike | Tensor, iou: IoU = half_open_iou) -> Tensor:
    """Each box's IoU with the ground-truth box of the image that it meets best.

    Parameters
    ----------
    boxes : Tensor (A, 4)
        Boxes in one image.
    truth : array_like (M, 4)
        The image's ground-truth boxes, M >= 1.
    iou : callable
        `half_open_iou` or `inclusive_iou`.

    Returns
    -------
    Tensor (A,), float64

    Raises
    ------
    CamkitError
        The image has no ground-truth box.
    """
    return iou(boxes, truth_boxes(truth, boxes.device)).amax(1)


def truth_boxes(truth: ArrayLike | Tensor, device: torch.device | str = "cpu") -> Tensor:
    """An image's ground-truth boxes as a tensor (M, 4), refused where there is none."""
    boxes = truth if isinstance(truth, Tensor) else torch.as_tensor(np.asarray(truth))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise CamkitError(
            f"ground-truth boxes of shape {tuple(boxes.shape)}: give (M, 4), at least one box an image; "
            "leave out images without"
        )
    return boxes.to(device)
