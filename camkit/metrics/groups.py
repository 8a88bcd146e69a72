"""A figure by groups of images, by the truth's size and by class, and the mean over the groups."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.errors import CamkitError
from camkit.metrics.intervals import Bounds, Estimate, Values, accuracy, mean, score_interval
from camkit.metrics.iou import IoU, half_open_iou
from camkit.metrics.localization import IOU_AT_LEAST, Truths, ious_of, largest_share
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import FIXED

EDGES = (0.09, 0.36)  # a square of 3 and of 6 tenths of the image's side
SIZES = ("small", "medium", "large")
PERCENT = (0.0, 100.0)


def size_groups(shares: Values, edges: Sequence[float] = EDGES) -> NDArray[np.int64]:
    """The group (n,) of each share of the image: how many edges it has reached."""
    return np.searchsorted(np.asarray(edges), shares, side="right")


def size_names(edges: Sequence[float] = EDGES) -> list[str]:
    """What the groups are called: small, medium and large where there are three, else by their ends."""
    if len(edges) + 1 == len(SIZES):
        return list(SIZES)
    ends = [0.0, *edges, 1.0]
    return [f"{low:g}-{high:g}" for low, high in pairwise(ends)]


def by_group(values: Values, groups: NDArray[np.int64], within: Bounds = PERCENT) -> dict[int, Estimate]:
    """The mean of the values (n,) of each group (n,) that has images, in the groups' order.

    Parameters
    ----------
    values : ndarray (n,)
    groups : ndarray (n,), int
    within : tuple of float
        The least and the greatest value. Where an image has either, the interval is Wilson's.
    """
    return {int(group): _mean(values[groups == group], within) for group in np.unique(groups)}


def _mean(values: Values, within: Bounds) -> Estimate:
    lowest, highest = within
    if not np.isin(values, within).all():
        return mean(values, within)
    share, span = accuracy(values == highest), (highest - lowest) / 100
    value, low, high = (lowest + span * end for end in (share.value, share.low, share.high))
    return Estimate(value, low, high, share.n)


def mean_of_groups(values: Values, groups: NDArray[np.int64], within: Bounds = PERCENT) -> Estimate:
    """The mean over groups of images, each with the same weight, of the values (n,) of the groups (n,).

    The score interval. The variance is the sum of the groups' own, each with one image more at either bound: a group of
    few images that are all alike does not say that all of its kind are (Agresti and Caffo 2000, whose two groups these
    are many of).

    Examples
    --------
    >>> found = mean_of_groups(np.array([100.0, 0, 100, 100, 100, 100]), np.array([0, 0, 1, 1, 1, 1]))
    >>> found.value, found.n
    (75.0, 6)
    """
    lowest, span = within[0], within[1] - within[0]
    shares = (values - lowest) / span
    names, place, n = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.lexsort((shares, place))  # sums must not depend on the order in which images arrived
    first, second = (np.bincount(place[order], shares[order] ** power) for power in (1, 2))
    value = float((first / n).mean())
    middle, squares = (first + 1) / (n + 2), (second + 1) / (n + 2)
    variance = float(((squares - middle**2) / n).sum()) / len(names) ** 2
    low, high = (lowest + span * end for end in score_interval(value, variance, len(values)))
    value = lowest + span * value
    return Estimate(value, min(low, value), max(high, value), len(values))


class BySize(PerImage):
    """GT-known Loc by the truth's share of the image: small, medium, large, and the mean of the three.

    All images have one and the same threshold; that of a size is never chosen on the images of the size (Hwang et al.
    2025). The truth's share is that of the image's largest true box, whichever box is met. Sizes without an image are
    left out, and the mean with them.

    Parameters
    ----------
    threshold_split : str
        What chose the boxes' threshold.
    iou : callable
        `half_open_iou` or `inclusive_iou`.
    edges : sequence of float
        From which share on an image is of the next size. The default, 0.09 and 0.36, are two of the nine edges of the
        authors' code: squares of 3 and 6 tenths of the image's side.

    Examples
    --------
    >>> metric = BySize()
    >>> metric.update(torch.tensor([[0, 0, 2, 2], [0, 0, 10, 5]]), [[[0, 0, 2, 2]], [[0, 0, 10, 10]]], [(10, 10)] * 2)
    >>> {name: share.item() for name, share in metric.compute().items()}
    {'small': 100.0, 'large': 100.0}
    """

    def __init__(self, threshold_split: str = FIXED, iou: IoU = half_open_iou, edges: Sequence[float] = EDGES) -> None:
        if not len(edges) or any(not 0 < edge < 1 for edge in edges) or list(edges) != sorted(set(edges)):
            raise CamkitError(f"edges of sizes are {list(edges)}: give shares of the image that rise, as {EDGES}")
        super().__init__(columns=2, dtype=torch.float64, threshold_split=threshold_split, variant=f"{iou.__name__}")
        self.iou, self.edges = iou, tuple(edges)

    def update(self, boxes: Tensor, truths: Truths, sizes: Sequence[tuple[int, int]]) -> None:
        """Take in N images: boxes (N, 4), each image's ground-truth boxes (M, 4) and size (height, width)."""
        right = 100.0 * (ious_of(boxes, truths, self.iou) >= IOU_AT_LEAST)
        shares = torch.stack([largest_share(truth, size) for truth, size in zip(truths, sizes, strict=True)])
        self.append(torch.stack([right.to(shares), shares], 1))

    def compute(self) -> dict[str, Tensor]:
        """The percentages, float64."""
        found = self.by_size(self.per_image())
        return {name: torch.tensor(of.value, dtype=torch.float64) for name, of in found.items()}

    def estimate(self, rows: Values, _rng: np.random.Generator) -> dict[str, Result]:
        return {name: Result.of(of, self.threshold_split) for name, of in self.by_size(rows).items()}

    def by_size(self, rows: Values) -> dict[str, Estimate]:
        """Of rows of what an image counts for, in percent, and its truth's share."""
        names, groups = size_names(self.edges), size_groups(rows[:, 1], self.edges)
        named = {names[group]: of for group, of in by_group(rows[:, 0], groups).items()}
        return named | ({"mean": mean_of_groups(rows[:, 0], groups)} if len(named) == len(names) else {})


class ByClass(PerImage):
    """GT-known Loc by class, and the mean over classes, each with the same weight.

    Parameters
    ----------
    threshold_split : str
        What chose the boxes' threshold.
    iou : callable
        `half_open_iou` or `inclusive_iou`.
    within : tuple of float
        The least and the greatest that an image counts for.

    Examples
    --------
    >>> metric = ByClass()
    >>> whole = [[0, 0, 9, 9]]
    >>> metric.update(torch.tensor([[0, 0, 9, 9]] * 3 + [[0, 0, 0, 0]]), [whole] * 4, torch.tensor([1, 1, 1, 7]))
    >>> metric.compute().item()  # three of four images are right, and one of two classes
    50.0
    """

    def __init__(self, threshold_split: str = FIXED, iou: IoU = half_open_iou, within: Bounds = PERCENT) -> None:
        super().__init__(columns=2, dtype=torch.float64, threshold_split=threshold_split, variant=f"{iou.__name__}")
        self.iou, self.within = iou, within

    def update(self, boxes: Tensor, truths: Truths, labels: Tensor) -> None:
        """Take in N images: boxes (N, 4), each image's ground-truth boxes (M, 4) and class (N,)."""
        right = 100.0 * (ious_of(boxes, truths, self.iou) >= IOU_AT_LEAST)
        self.append(torch.stack([right.double(), labels.to(right.device).double()], 1))

    def compute(self) -> Tensor:
        """The mean over classes, float64."""
        return torch.tensor(self.mean_over_classes(self.per_image()).value, dtype=torch.float64)

    def estimate(self, rows: Values, _rng: np.random.Generator) -> Result:
        return Result.of(self.mean_over_classes(rows), self.threshold_split)

    def mean_over_classes(self, rows: Values) -> Estimate:
        """Of rows of what an image counts for, and its class."""
        return mean_of_groups(rows[:, 0], rows[:, 1].astype(np.int64), self.within)

    def by_class(self, rows: Values) -> dict[int, Estimate]:
        """The same of each class that has images."""
        return by_group(rows[:, 0], rows[:, 1].astype(np.int64), self.within)

    def table(self) -> pd.DataFrame:
        """A row a class, the best first: columns label, value, low, high, n."""
        with self.sync_context():
            found = self.by_class(self.per_image())
        rows: list[dict[str, Any]] = [{"label": label, **vars(of)} for label, of in found.items()]
        return pd.DataFrame(rows).sort_values("value", ascending=False, kind="stable", ignore_index=True)
