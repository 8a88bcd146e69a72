"""Several ranked boxes an image: is one of the first k right?"""

import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.metrics.iou import IoU, best_iou, half_open_iou
from camkit.metrics.localization import IOU_AT_LEAST, PercentRight, Truths
from camkit.metrics.threshold_splits import FIXED


def best_of_ranked(boxes: Tensor, truth: Tensor, iou: IoU = half_open_iou) -> Tensor:
    """The best IoU so far, of boxes (B, 4) from the first rank on: (B,), float64."""
    return best_iou(boxes, truth, iou).cummax(0).values


class RankedLoc(PercentRight):
    """The percentage of images of whose first k boxes one meets a ground-truth box with IoU >= 0.5.

    The boxes are of the image's own class, ranked: the regions of its map by their size, or a detector's boxes by their
    score. With k = 1 it is GT-known Loc.

    Parameters
    ----------
    k : int
    threshold_split : str
        What chose the boxes' threshold.
    iou : callable
        `half_open_iou` or `inclusive_iou`.

    Examples
    --------
    >>> metric = RankedLoc(k=2)
    >>> metric.update([torch.tensor([[0, 0, 2, 2], [5, 5, 9, 9], [0, 0, 9, 9]])], [[[5, 5, 9, 9]]])
    >>> metric.compute().item()
    100.0
    """

    def __init__(self, k: int = 5, threshold_split: str = FIXED, iou: IoU = half_open_iou) -> None:
        if k < 1:
            raise CamkitError(f"k is {k}: give a number of boxes, 1 or more")
        super().__init__(threshold_split, variant=f"{k}_{iou.__name__}")
        self.k, self.iou = k, iou

    def update(self, boxes: Truths, truths: Truths) -> None:
        """Take in N images.

        Parameters
        ----------
        boxes : sequence of Tensor (B, 4)
            Each image's boxes, the first rank first, B any number, 0 included.
        truths : sequence of array_like (M, 4)
            Each image's ground-truth boxes.
        """
        for own, truth in zip(boxes, truths, strict=True):
            first = torch.as_tensor(own).reshape(-1, 4)[: self.k]
            right = bool((best_iou(first, truth, self.iou) >= IOU_AT_LEAST).any()) if len(first) else False
            self.append(torch.tensor([[right]]))
