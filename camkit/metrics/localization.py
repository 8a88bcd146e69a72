"""Is the box right? Top-k Cls, GT-known Loc, Top-k Loc, mean IoU, and whether boxes cover too little or too much.

Boxes come ready made, from a threshold fixed beforehand or chosen on another split, never with the truth in hand.
Percentages are in [0, 100], as the papers' tables print them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camkit.errors import CamkitError
from camkit.metrics.intervals import Estimate, accuracy, mean
from camkit.metrics.iou import IoU, best_iou, half_open_iou, truth_boxes
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import FIXED, NO_THRESHOLD

Truths = Sequence[ArrayLike | Tensor]

IOU_AT_LEAST = 0.5


def ious_of(boxes: Tensor, truths: Truths, iou: IoU = half_open_iou) -> Tensor:
    """Boxes (N, 4) or (N, K, 4) against their image's own ground-truth boxes: the best IoU, (N,) or (N, K), float64."""
    if len(boxes) != len(truths):
        raise CamkitError(
            f"{len(boxes)} images have boxes, {len(truths)} have ground truth: give one entry an image in both"
        )
    ious = [best_iou(box.reshape(-1, 4), truth, iou) for box, truth in zip(boxes, truths, strict=True)]
    return torch.stack(ious).reshape(boxes.shape[:-1]) if ious else torch.zeros(boxes.shape[:-1], dtype=torch.float64)


def is_right(ious: Tensor, strict: bool = False) -> Tensor:
    """Whether boxes with these IoUs count: 0.5 and more do, or, strictly, only what is above."""
    return ious > IOU_AT_LEAST if strict else ious >= IOU_AT_LEAST


def share_of_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Area of boxes (N, 4), half open, by the area of their image of size (height, width): (N,), float64."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).double().unbind(1)
    return width * height / (size[0] * size[1])


def largest_share(truth: ArrayLike | Tensor, size: tuple[int, int]) -> Tensor:
    """The share of an image of size (height, width) that its largest ground-truth box covers, float64.

    It is the truth's share wherever camkit names one: an image's own, whatever box is found in it.
    """
    return share_of_image(truth_boxes(truth), size).amax()


class PercentRight(PerImage):
    """The percentage of images that are right."""

    def __init__(self, threshold_split: str, variant: str) -> None:
        super().__init__(columns=1, dtype=torch.bool, threshold_split=threshold_split, variant=variant)

    def compute(self) -> Tensor:
        """The percentage, float64."""
        rows = self.per_image()
        return torch.tensor(100.0 * rows.sum() / len(rows), dtype=torch.float64)

    def estimate(self, rows: NDArray[np.bool_], _rng: np.random.Generator) -> Result:
        return Result.of(accuracy(rows[:, 0]), self.threshold_split)


class TopKCls(PercentRight):
    """Top-k Cls: the image's class is among the first k that the classifier names.

    Parameters
    ----------
    k : int

    Examples
    --------
    >>> metric = TopKCls(k=2)
    >>> metric.update(torch.tensor([[3, 1], [0, 2]]), torch.tensor([1, 1]))
    >>> metric.compute().item()
    50.0
    """

    def __init__(self, k: int = 1) -> None:
        super().__init__(NO_THRESHOLD, variant=f"{k}")
        self.k = k

    def update(self, classes: Tensor, labels: Tensor) -> None:
        """Take in N images.

        Parameters
        ----------
        classes : Tensor (N, K), int
            Predicted classes, the likeliest first, K >= k.
        labels : Tensor (N,), int
            The images' classes.
        """
        self.append(among_first(self.k, classes, labels).any(1, keepdim=True))


class GTKnownLoc(PercentRight):
    """GT-known Loc: the box from the map of the image's own class meets a ground-truth box with IoU >= 0.5.

    Parameters
    ----------
    threshold_split : str
        The split on which the boxes' threshold was chosen.
    iou : callable
        `half_open_iou` or `inclusive_iou`.
    strict : bool
        IoU above 0.5, as some codes have it, for 0.5 and more.

    Examples
    --------
    >>> metric = GTKnownLoc()
    >>> boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 10]])
    >>> metric.update(boxes, [[[0, 0, 10, 8]], [[0, 0, 10, 4], [20, 20, 30, 30]]])  # IoU 0.8 and 0.4
    >>> metric.compute().item()
    50.0
    >>> result = metric.result(np.random.default_rng(0))
    >>> result.n, round(result.low, 1), round(result.high, 1)  # Wilson's interval
    (2, 9.5, 90.5)
    """

    def __init__(self, threshold_split: str = FIXED, iou: IoU = half_open_iou, strict: bool = False) -> None:
        super().__init__(threshold_split, variant=f"{iou.__name__}{'_strict' * strict}")
        self.iou, self.strict = iou, strict

    def update(self, boxes: Tensor, truths: Truths) -> None:
        """Take in N images.

        Parameters
        ----------
        boxes : Tensor (N, 4)
            One box an image, ``0, 0, 0, 0`` where there is none.
        truths : sequence of array_like (M, 4)
            Each image's ground-truth boxes.
        """
        self.append(is_right(ious_of(boxes, truths, self.iou), self.strict)[:, None])


class TopKLoc(PercentRight):
    """Top-k Loc: among the first k classes is the image's own, and the box from that class's map has IoU >= 0.5.

    Parameters
    ----------
    k : int
    threshold_split : str
        The split on which the boxes' threshold was chosen.
    iou : callable
        `half_open_iou` or `inclusive_iou`.
    strict : bool
        IoU above 0.5, as some codes have it, for 0.5 and more.
    """

    def __init__(
        self, k: int = 1, threshold_split: str = FIXED, iou: IoU = half_open_iou, strict: bool = False
    ) -> None:
        super().__init__(threshold_split, variant=f"{k}_{iou.__name__}{'_strict' * strict}")
        self.k = k
        self.iou, self.strict = iou, strict

    def update(self, boxes: Tensor, classes: Tensor, labels: Tensor, truths: Truths) -> None:
        """Take in N images.

        Parameters
        ----------
        boxes : Tensor (N, K, 4)
            The box from each predicted class's map, K >= k.
        classes : Tensor (N, K), int
            Predicted classes, the likeliest first; another classifier than the one that made the maps may name them.
        labels : Tensor (N,), int
            The images' classes.
        truths : sequence of array_like (M, 4)
            Each image's ground-truth boxes.
        """
        right_class = among_first(self.k, classes, labels)
        right_box = is_right(ious_of(boxes[:, : self.k], truths, self.iou), self.strict)
        self.append((right_class & right_box).any(1, keepdim=True))


def among_first(k: int, classes: Tensor, labels: Tensor) -> Tensor:
    """(N, k), bool: which of the first k predicted classes (N, K) is the label (N,)."""
    if classes.ndim != 2 or classes.shape[1] < k:
        raise CamkitError(
            f"predicted classes of shape {tuple(classes.shape)}: top-{k} needs (N, K) with K at least {k}"
        )
    return classes[:, :k] == labels[:, None]


class MeanIoU(PerImage):
    """The mean over images of the box's IoU with the ground-truth box that it meets best, in [0, 1].

    Parameters
    ----------
    threshold_split : str
        The split on which the boxes' threshold was chosen.
    iou : callable
        `half_open_iou` or `inclusive_iou`.

    Examples
    --------
    >>> metric = MeanIoU()
    >>> metric.update(torch.tensor([[0, 0, 10, 10], [0, 0, 10, 10]]), [[[0, 0, 10, 8]], [[0, 0, 10, 4]]])
    >>> round(metric.compute().item(), 3)
    0.6
    """

    def __init__(self, threshold_split: str = FIXED, iou: IoU = half_open_iou) -> None:
        super().__init__(columns=1, dtype=torch.float64, threshold_split=threshold_split, variant=iou.__name__)
        self.iou = iou

    def update(self, boxes: Tensor, truths: Truths) -> None:
        """Take in N images: boxes (N, 4) and each image's ground-truth boxes (M, 4)."""
        self.append(ious_of(boxes, truths, self.iou)[:, None])

    def compute(self) -> Tensor:
        """The mean, float64."""
        return torch.tensor(self.per_image().mean(), dtype=torch.float64)

    def estimate(self, rows: NDArray[np.float64], _rng: np.random.Generator) -> Result:
        return Result.of(mean(rows[:, 0], (0, 1)), self.threshold_split)


class Coverage(PerImage):
    """Which share of the image boxes cover, against the truth's: does the model cover too little, or too much?

    Three figures: `predicted` and `truth`, shares of the image in [0, 1], and `excess`, predicted minus truth. Truth in
    an image with several boxes is the largest of them, whichever the prediction meets: the truth's share is the images'
    own, and the same for every recipe.

    Parameters
    ----------
    threshold_split : str
        The split on which the boxes' threshold was chosen.
    """

    def __init__(self, threshold_split: str = FIXED) -> None:
        super().__init__(columns=2, dtype=torch.float64, threshold_split=threshold_split)

    def update(self, boxes: Tensor, truths: Truths, sizes: Sequence[tuple[int, int]]) -> None:
        """Take in N images: boxes (N, 4), each image's ground-truth boxes (M, 4) and size (height, width)."""
        for box, truth, size in zip(boxes, truths, sizes, strict=True):
            predicted = share_of_image(box[None].cpu(), size)[0]
            self.append(torch.stack([predicted, largest_share(truth, size).cpu()])[None])

    def compute(self) -> dict[str, Tensor]:
        """The means, float64."""
        return {name: torch.tensor(v.mean(), dtype=torch.float64) for name, v in _shares(self.per_image()).items()}

    def estimate(self, rows: NDArray[np.float64], _rng: np.random.Generator) -> dict[str, Result]:
        return {
            name: Result.of(mean(values, (-1, 1) if name == "excess" else (0, 1)), self.threshold_split)
            for name, values in _shares(rows).items()
        }


def _shares(rows: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    predicted, truth = rows.T
    return {"predicted": predicted, "truth": truth, "excess": predicted - truth}


def coverage_verdict(excess: Estimate) -> str:
    """Boxes cover "too little", "too much", or it is "undecided" where the 95 % interval of the excess holds 0."""
    if excess.high < 0:
        return "too little"
    return "too much" if excess.low > 0 else "undecided"
