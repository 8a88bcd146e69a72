"""MaxBoxAcc and MaxBoxAccV2: images localized at the best threshold for the whole data set (Choe et al. 2020)."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.metrics.best_accuracy import BLOCK, best_accuracy_of_blocks
from camkit.metrics.localization import Truths
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import REPORTED
from camkit.metrics.wsol import (
    LEVELS,
    best_ious,
    best_ious_of_all,
    levels_of,
    protocol_boxes,
    protocol_map,
    quantise,
    thresholds,
)


class MaxBoxAcc(PerImage):
    """MaxBoxAcc, in percent: one box an image, IoU >= 0.5, the threshold that does best on these very images.

    One threshold serves the whole data set, never one an image. It is chosen on the reported split: the result says so.

    Parameters
    ----------
    step : float
        Between thresholds; the protocol's are 0.001 and 0.01.

    Examples
    --------
    >>> class_map = torch.zeros(14, 14)
    >>> class_map[3:11, 3:11] = 1
    >>> metric = MaxBoxAcc()
    >>> metric.update([class_map], [[[48, 48, 176, 176]]], [(224, 224)])
    >>> metric.compute().item()
    100.0
    """

    deltas: tuple[float, ...] = (0.5,)
    best_ious = staticmethod(best_ious)

    def __init__(self, step: float = 0.001) -> None:
        # A bit says whether an image is right by one delta at one level.
        super().__init__(columns=len(self.deltas) * LEVELS // 8, dtype=torch.uint8, threshold_split=REPORTED)
        self.thresholds = thresholds(step)

    def update(self, maps: Sequence[Tensor] | Tensor, truths: Truths, sizes: Sequence[tuple[int, int]]) -> None:
        """Take in N images.

        Parameters
        ----------
        maps : Tensor (N, h, w) or sequence of Tensor (h, w)
            The maps of the images' own classes. One with NaN or infinities counts as a map without a region.
        truths : sequence of array_like (M, 4)
            Each image's ground-truth boxes, in pixels of the original image.
        sizes : sequence of tuple of int
            Each original image's height and width.
        """
        for class_map, truth, size in zip(maps, truths, sizes, strict=True):
            self.append(self.outcome(protocol_map(class_map), protocol_boxes(truth, size)))

    def outcome(self, score_map: NDArray[np.float64], truth: Tensor) -> Tensor:
        """What `append` takes for one image; threads may work on several images at a time.

        Parameters
        ----------
        score_map : ndarray (224, 224), float64
            As `protocol_map` gives it.
        truth : Tensor (M, 4), int64
            As `protocol_boxes` gives it.
        """
        ious = self.best_ious(quantise(score_map), truth)
        return torch.from_numpy(np.packbits(ious >= np.array(self.deltas)[:, None]).reshape(1, -1))

    def correct(self) -> NDArray[np.bool_]:
        """(n, D, T): is image i right by delta d at threshold t?"""
        return self._by_level(self.per_image())[:, :, levels_of(self.thresholds)]

    def curve(self) -> pd.DataFrame:
        """Accuracy in percent over thresholds: column `threshold`, and one column for each delta."""
        accuracy = self._percent(self.per_image())
        columns = {f"iou_{delta}": values for delta, values in zip(self.deltas, accuracy, strict=True)}
        return pd.DataFrame({"threshold": self.thresholds, **columns})

    def at_best(self) -> NDArray[np.float64]:
        """What each image counts for, (n,), in percent: right at the best threshold of each delta; their mean is it."""
        rows = self.per_image()
        best = levels_of(self.thresholds)[self._percent(rows).argmax(axis=1)]
        right = [block[:, np.arange(len(best)), best].mean(axis=1) for block in self._blocks(rows)]
        return np.asarray(100.0 * np.concatenate(right))

    def compute(self) -> Tensor:
        """The figure, float64."""
        return torch.tensor(self._percent(self.per_image()).max(axis=1).mean())

    def estimate(self, rows: NDArray[np.uint8], rng: np.random.Generator) -> Result:
        levels = np.unique(levels_of(self.thresholds))
        best = self.thresholds[self._percent(rows).argmax(axis=1)]
        estimate = best_accuracy_of_blocks(lambda: (block[:, :, levels] for block in self._blocks(rows)), rng)
        return Result.of(estimate, self.threshold_split, best.tolist())

    def _percent(self, rows: NDArray[np.uint8]) -> NDArray[np.float64]:
        """(D, T), the percentage of images that are right."""
        right = sum((block.sum(axis=0) for block in self._blocks(rows)), np.zeros((), np.int64))
        return np.asarray(100.0 * right / len(rows))[:, levels_of(self.thresholds)]

    def _blocks(self, rows: NDArray[np.uint8]) -> Iterator[NDArray[np.bool_]]:
        """Packed outcomes, so many at a time that they fit into memory."""
        return (self._by_level(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK))

    def _by_level(self, rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Packed outcomes -> (n, D, 256)."""
        return np.unpackbits(rows, axis=1).reshape(len(rows), len(self.deltas), LEVELS).astype(bool)


class MaxBoxAccV2(MaxBoxAcc):
    """MaxBoxAccV2, in percent: all contours' boxes count; mean over IoU >= 0.3, 0.5, 0.7, each at its best threshold.

    Parameters
    ----------
    step : float
        Between thresholds; the protocol's are 0.001 and 0.01.
    """

    deltas = (0.3, 0.5, 0.7)
    best_ious = staticmethod(best_ious_of_all)
