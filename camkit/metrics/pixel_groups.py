"""What PxAP's histograms tell besides: the peak IoU of pixels, and PxAP averaged over classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.metrics.intervals import Estimate, jackknife
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.pixels import (
    CHUNK,
    Mask,
    PxAP,
    average_precision,
    outcome_of,
    require_foreground,
    score_bins,
    with_and_without,
)
from camkit.metrics.threshold_splits import NO_THRESHOLD, REPORTED_MASKS
from camkit.metrics.wsol import protocol_map

Histograms = NDArray[np.int64]


def ious_over_thresholds(histograms: Histograms) -> NDArray[np.float64]:
    """The IoU of the pixels at or above each bin's lower edge with the foreground, in percent.

    Parameters
    ----------
    histograms : ndarray (..., 2, B)
        Counts of foreground and background scores, ascending.

    Returns
    -------
    ndarray (..., B)
        0 without foreground.
    """
    true, false = np.moveaxis(histograms[..., ::-1].cumsum(axis=-1, dtype=np.float64)[..., ::-1], -2, 0)
    return np.asarray(100 * true / np.maximum(true[..., :1] + false, 1))


class PeakIoU(PxAP):
    """The pixels' IoU over the whole data set at the best threshold for it, in percent (pIoU).

    Intersection and union are summed over all images, in the protocol's grid, and ignored pixels are left out. The
    threshold is chosen on the reported split, by its masks; `result` has it.

    Parameters
    ----------
    step : float
        Width of the bins of scores, as `PxAP`.
    """

    def __init__(self, step: float = 0.001) -> None:
        super().__init__(step)
        self.threshold_split = REPORTED_MASKS

    def compute(self) -> Tensor:
        """The peak, float64."""
        return torch.tensor(ious_over_thresholds(_summed(self.per_image())).max())

    def estimate(self, rows: NDArray[np.int32], _rng: np.random.Generator) -> Result:
        """The interval is by leaving out an image, the threshold chosen anew."""
        whole = _summed(rows)
        curve = ious_over_thresholds(whole)
        histograms = rows.reshape(len(rows), 2, -1)
        parts = np.array_split(histograms, max(1, len(rows) // CHUNK))
        left_out = np.concatenate([ious_over_thresholds(whole - part).max(-1) for part in parts])
        best = float(self.bins[curve.argmax()])
        return Result.of(jackknife(float(curve.max()), left_out, (0, 100)), self.threshold_split, [best])


def pxap_by_group(rows: NDArray[np.int32], groups: NDArray[np.int64]) -> dict[int, Estimate]:
    """PxAP of each group (n,) of images that has foreground; rows (n, 2 * B) as `PxAP` keeps them."""
    found = {}
    for group in np.unique(groups):
        own = rows[groups == group]
        if own[:, : own.shape[1] // 2].any():
            found[int(group)] = jackknife(*with_and_without(own), (0, 100))
    return found


def _summed(rows: NDArray[np.int32]) -> Histograms:
    """Over images, (2, B); `CamkitError` where there is no foreground."""
    whole: Histograms = rows.sum(axis=0, dtype=np.int64).reshape(2, -1)
    require_foreground(whole)
    return whole


class MeanPxAP(PerImage):
    """mPxAP, in percent: the mean over classes of each class's own PxAP (Choe et al., TPAMI 2022).

    A class whose images have no foreground pixel has no PxAP, and is left out.

    Parameters
    ----------
    step : float
        Width of the bins of scores, as `PxAP`.
    """

    def __init__(self, step: float = 0.001) -> None:
        self.bins = score_bins(step)
        super().__init__(columns=1 + 2 * (len(self.bins) - 1), dtype=torch.int32, threshold_split=NO_THRESHOLD)

    def update(self, maps: Sequence[Tensor] | Tensor, masks: Sequence[tuple[Mask, Mask]], labels: Tensor) -> None:
        """Take in N images: maps and masks as `PxAP.update`, and each image's class (N,)."""
        for class_map, mask_and_ignore, label in zip(maps, masks, labels.tolist(), strict=True):
            self.append(self.row(label, outcome_of(protocol_map(class_map), mask_and_ignore, self.bins)))

    @staticmethod
    def row(label: int, outcome: Tensor) -> Tensor:
        """What `append` takes for one image: its class, and what `PxAP` keeps of it, (1, columns)."""
        return torch.cat([torch.tensor([[label]], dtype=torch.int32), outcome.to(torch.int32)], 1)

    def compute(self) -> Tensor:
        """mPxAP, float64."""
        return torch.tensor(np.mean(list(self.by_class(self.per_image()).values())))

    def by_class(self, rows: NDArray[np.int32]) -> dict[int, float]:
        """PxAP of each class with foreground, in percent."""
        require_foreground(_by_kind(rows[:, 1:]).sum(axis=0, dtype=np.int64))
        return _pxap_of_groups(rows[:, 1:], rows[:, 0])

    def estimate(self, rows: NDArray[np.int32], _rng: np.random.Generator) -> Result:
        require_foreground(_by_kind(rows[:, 1:]).sum(axis=0, dtype=np.int64))
        return Result.of(mean_pxap(rows[:, 1:], rows[:, 0]), self.threshold_split)


def mean_pxap(rows: NDArray[np.int32], groups: NDArray[Any]) -> Estimate:
    """The mean over groups (n,) of images of each group's PxAP; rows (n, 2 * B) as `PxAP` keeps them.

    The interval is by leaving out an image; its group goes with the last of its foreground.
    """
    found = _pxap_of_groups(rows, groups)
    total, k = sum(found.values()), len(found)
    left_out = np.full(len(rows), total / k)
    for group, value in found.items():
        own = np.flatnonzero(groups == group)
        histograms = _by_kind(rows[own])
        without = histograms.sum(axis=0, dtype=np.int64) - histograms
        kept = without[:, 0].any(axis=-1)
        others = (total - value) / (k - 1) if k > 1 else value
        left_out[own] = np.where(kept, (total - value + average_precision(without)) / k, others)
    return jackknife(total / k, left_out, (0, 100))


def _pxap_of_groups(rows: NDArray[np.int32], groups: NDArray[Any]) -> dict[int, float]:
    sums = {int(group): _by_kind(rows[groups == group]).sum(axis=0, dtype=np.int64) for group in np.unique(groups)}
    return {group: float(average_precision(one)) for group, one in sums.items() if one[0].any()}


def _by_kind(rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Foreground and background, (n, 2, B)."""
    return rows.reshape(len(rows), 2, -1)
