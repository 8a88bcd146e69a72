"""MaxBoxAccV3: of several true boxes each counts, and each box that is found answers for one of them alone."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.boxes.tree import all_level_boxes
from camkit.metrics.intervals import jackknife
from camkit.metrics.iou import inclusive_iou
from camkit.metrics.localization import Truths
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import REPORTED
from camkit.metrics.wsol import LEVELS, clip_far_corner, levels_of, protocol_boxes, protocol_map, quantise, thresholds

DELTAS = (0.3, 0.5, 0.7)
CHUNK = 256  # images that are left out at a time

Counts = NDArray[np.int64]


def matches(ious: NDArray[np.float64], deltas: Sequence[float] = DELTAS) -> Counts:
    """How many of the true boxes are found, each by a box of its own, at each IoU.

    Of all pairs the one with the highest IoU is taken first, then the highest among those whose boxes are both still
    free; of equal ones the first in row-major order.

    Parameters
    ----------
    ious : ndarray (A, M)
        Of A boxes found and M true ones.
    deltas : sequence of float, D

    Returns
    -------
    ndarray (D,), int64
    """
    least, taken = min(deltas), []
    rows, columns = np.nonzero(ious >= least)
    free_rows, free_columns = np.ones(ious.shape[0], bool), np.ones(ious.shape[1], bool)
    for pair in np.argsort(-ious[rows, columns], kind="stable"):
        row, column = rows[pair], columns[pair]
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            taken.append(ious[row, column])
    return np.asarray((np.array(taken)[:, None] >= np.array(deltas)).sum(axis=0), np.int64)


def counts_by_level(grey: NDArray[np.uint8], truth: Tensor) -> Counts:
    """At each level how many true boxes are found at each of `DELTAS`, and how many boxes there are.

    Parameters
    ----------
    grey : ndarray (224, 224), uint8
    truth : Tensor (M, 4), int64
        Ground truth as `protocol_boxes` gives it.

    Returns
    -------
    ndarray (4, 256), int64
        Where a level has no region the protocol's box ``0, 0, 0, 0`` is the one that there is.
    """
    contours = all_level_boxes(grey)
    order = np.lexsort(contours.boxes.T[::-1])  # of equal IoUs the leftmost, uppermost comes first
    boxes, low, high = contours.boxes[order], contours.low[order], contours.high[order]
    ious = inclusive_iou(clip_far_corner(boxes).long(), truth).numpy()
    nothing = inclusive_iou(torch.zeros(1, 4, dtype=torch.int64), truth).numpy()
    begin, end = (np.bincount(ends, minlength=LEVELS + 1)[:LEVELS] for ends in (low, high + 1))
    counts = np.zeros((len(DELTAS) + 1, LEVELS), np.int64)
    counts[-1] = np.cumsum(begin - end)
    near = (ious >= min(DELTAS)).any(axis=1)  # the others find nothing at any level
    ious, low, high = ious[near], low[near], high[near]
    # Between two levels at which such a box comes or goes, all levels are one.
    changes = np.unique(np.concatenate([[0], low, high + 1]).clip(max=LEVELS))
    for first, stop in pairwise([*changes.tolist(), LEVELS]):
        here = (low <= first) & (first <= high)
        if here.any():
            counts[:-1, first:stop] = matches(ious[here])[:, None]
    counts[:-1, counts[-1] == 0] = matches(nothing)[:, None]
    counts[-1, counts[-1] == 0] = 1
    return counts


class MaxBoxAccV3(PerImage):
    """MaxBoxAccV3, in percent: the share of all true boxes that are found, at the best threshold for all images.

    All contours' boxes count as in MaxBoxAccV2, but a box answers for one true box, and a true box is found once. Mean
    over IoU >= 0.3, 0.5, 0.7, each at the first threshold with the most found. `precision` is the share of all boxes
    that answer for one, at those thresholds; `f1` is the harmonic mean of the two means. As a fork of the public
    evaluation has it.

    Parameters
    ----------
    step : float
        Between thresholds.

    Examples
    --------
    >>> class_map = torch.zeros(14, 14)
    >>> class_map[2:5, 2:5] = class_map[8:12, 8:12] = 1
    >>> metric = MaxBoxAccV3()
    >>> metric.update([class_map], [[[32, 32, 80, 80], [128, 128, 192, 192], [0, 100, 60, 224]]], [(224, 224)])
    >>> {name: round(value.item(), 1) for name, value in metric.compute().items()}
    {'recall': 66.7, 'precision': 46.7, 'f1': 54.9}
    """

    def __init__(self, step: float = 0.001) -> None:
        columns = (len(DELTAS) + 1) * LEVELS + 1
        super().__init__(columns=columns, dtype=torch.int32, threshold_split=REPORTED)
        self.thresholds = thresholds(step)

    def update(self, maps: Sequence[Tensor] | Tensor, truths: Truths, sizes: Sequence[tuple[int, int]]) -> None:
        """Take in N images; arguments as `MaxBoxAcc.update`."""
        for class_map, truth, size in zip(maps, truths, sizes, strict=True):
            self.append(self.outcome(protocol_map(class_map), protocol_boxes(truth, size)))

    def outcome(self, score_map: NDArray[np.float64], truth: Tensor) -> Tensor:
        """What `append` takes for one image; arguments as `MaxBoxAcc.outcome`."""
        counts = counts_by_level(quantise(score_map), truth)
        return torch.from_numpy(np.append(counts.ravel(), len(truth)).reshape(1, -1))

    def compute(self) -> dict[str, Tensor]:
        """Recall, which is MaxBoxAccV3, precision and F1, float64."""
        figures = _figures(*(part[None] for part in self._whole(self.per_image())))
        return {name: torch.tensor(values[0]) for name, values in figures.items()}

    def estimate(self, rows: NDArray[np.int32], _rng: np.random.Generator) -> dict[str, Result]:
        """Recall, precision and F1; intervals by leaving out an image, the thresholds chosen anew."""
        whole = self._whole(rows)
        values = _figures(*(part[None] for part in whole))
        parts = [_figures(*(of_all - own for of_all, own in zip(whole, block, strict=True)))
                 for block in self._blocks(rows)]  # fmt: skip
        _, first = self._levels()
        best = self.thresholds[first[whole[0].argmax(-1)]].tolist()
        return {
            name: Result.of(
                jackknife(float(value[0]), np.concatenate([part[name] for part in parts]), (0, 100)),
                self.threshold_split,
                best,
            )
            for name, value in values.items()
        }

    def _levels(self) -> tuple[Counts, Counts]:
        """The levels that thresholds are cut at, and the first threshold of each: the same boxes at all of them."""
        levels, first = np.unique(levels_of(self.thresholds), return_index=True)
        return levels, first

    def _whole(self, rows: NDArray[np.int32]) -> tuple[Counts, Counts, Counts]:
        """Over all images: true boxes found (D, L), boxes (L,) and true boxes ()."""
        sums = [[part.sum(axis=0) for part in block] for block in self._blocks(rows)]
        found, boxes, truths = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
        return found, boxes, truths

    def _blocks(self, rows: NDArray[np.int32]) -> Iterator[tuple[Counts, Counts, Counts]]:
        """So many images at a time: true boxes found (b, D, L), boxes (b, L) and true boxes (b,)."""
        levels, _ = self._levels()
        for start in range(0, len(rows), CHUNK):
            block = rows[start : start + CHUNK]
            by_level: Counts = block[:, :-1].reshape(len(block), len(DELTAS) + 1, LEVELS).astype(np.int64)
            chosen = by_level[..., levels]
            yield chosen[:, :-1], chosen[:, -1], block[:, -1].astype(np.int64)


def _figures(found: Counts, boxes: Counts, truths: Counts) -> dict[str, NDArray[np.float64]]:
    """Of B sums over images (B, D, T), (B, T), (B,): the figures (B,), in percent; all 0 where there is no image."""
    best = found.argmax(-1)
    hits = np.take_along_axis(found, best[..., None], -1)[..., 0]
    tried = np.take_along_axis(np.broadcast_to(boxes[:, None], found.shape), best[..., None], -1)[..., 0]
    recall = 100 * (hits / np.maximum(truths, 1)[:, None]).mean(-1)
    precision = 100 * (hits / np.maximum(tried, 1)).mean(-1)
    f1: Any = 2 * precision * recall / np.maximum(precision + recall, np.finfo(float).tiny)
    return {"recall": recall, "precision": precision, "f1": f1}
