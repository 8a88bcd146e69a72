"""PxAP: the area under a whole data set's precision-recall curve of pixels (Choe et al. 2020, OpenImages30K)."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.boxes.compiled import compiled
from camkit.errors import CamkitError
from camkit.metrics.intervals import jackknife
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import NO_THRESHOLD
from camkit.metrics.wsol import SIDE, protocol_map, thresholds

CHUNK = 256  # images that are left out at a time

Mask = NDArray[np.bool_]


def protocol_mask(mask: Mask) -> Mask:
    """A mask (H, W) at 224x224, nearest: x shows pixel ``floor(x * W / 224)``, the factor rounded as in OpenCV."""
    rows, columns = map(_nearest, mask.shape)
    return np.asarray(mask.take(rows, 0).take(columns, 1))


@lru_cache(maxsize=1024)
def _nearest(length: int) -> NDArray[np.int64]:
    return np.asarray(np.floor(np.arange(SIDE) * (1 / (SIDE / length))), np.int64)


def score_bins(step: float) -> NDArray[np.float64]:
    """Edges of the protocol's bins of scores: from 0 by `step` to 1, and 2 and 3."""
    return np.append(thresholds(step), [1.0, 2.0, 3.0])


def score_histograms(
    score_map: NDArray[np.float64], foreground: Mask, ignored: Mask, bins: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Scores of an image's foreground and background pixels, counted.

    Parameters
    ----------
    score_map : ndarray (H, W), float64
        Scores in [0, 1], not quantised.
    foreground, ignored : ndarray (H, W), bool
        Foreground counts also where it is ignored.
    bins : ndarray (B + 1,)
        Edges.

    Returns
    -------
    ndarray (2, B), int64
    """
    counts = np.zeros((2, len(bins) - 1), np.int64)
    _count(score_map.ravel(), foreground.ravel(), ignored.ravel(), bins, counts)
    return counts


@compiled
def _count(
    scores: NDArray[np.float64], foreground: Mask, ignored: Mask, bins: NDArray[np.float64], counts: NDArray[np.int64]
) -> None:
    """`numpy.histogram` of both in one pass: bins of one width need no search, but for the digits of their edges."""
    last, per_unit = len(bins) - 2, 1 / (bins[1] - bins[0])
    for pixel in range(len(scores)):
        score = scores[pixel]
        if (ignored[pixel] and not foreground[pixel]) or not bins[0] <= score <= bins[-1]:
            continue
        place = min(int((score - bins[0]) * per_unit), last)
        while score < bins[place]:
            place -= 1
        while place < last and score >= bins[place + 1]:
            place += 1
        counts[0 if foreground[pixel] else 1, place] += 1


def average_precision(histograms: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """``100 * sum(precision[1:] * diff(recall))``, cumulated from the highest score.

    Parameters
    ----------
    histograms : ndarray (..., 2, B)
        Counts of foreground and background scores, ascending.

    Returns
    -------
    ndarray (...)
        In percent; 0 without foreground.
    """
    true, false = np.moveaxis(histograms[..., ::-1].cumsum(axis=-1, dtype=np.float64), -2, 0)
    with np.errstate(invalid="ignore"):
        precision = np.where(true + false > 0, true / (true + false), 0)
        recall = np.where(true[..., -1:] > 0, true / true[..., -1:], 0)
    return np.asarray(100 * (precision[..., 1:] * np.diff(recall)).sum(-1))


def with_and_without(rows: NDArray[np.int32]) -> tuple[float, NDArray[np.float64]]:
    """PxAP of all images, and of all but each of them.

    Parameters
    ----------
    rows : ndarray (n, 2 * B)
        As `PxAP` keeps them.

    Returns
    -------
    value : float
    left_out : ndarray (n,)
    """
    histograms = rows.reshape(len(rows), 2, -1)
    whole = histograms.sum(axis=0, dtype=np.int64)
    require_foreground(whole)
    parts = np.array_split(histograms, max(1, len(rows) // CHUNK))
    return float(average_precision(whole)), np.concatenate([average_precision(whole - part) for part in parts])


def outcome_of(
    score_map: NDArray[np.float64], mask_and_ignore: tuple[Mask, Mask], bins: NDArray[np.float64]
) -> torch.Tensor:
    """An image's histograms (1, 2 * B), from its map as `protocol_map` gives it, and its masks."""
    mask, ignore = map(protocol_mask, mask_and_ignore)
    return torch.from_numpy(score_histograms(score_map, mask, ignore, bins).reshape(1, -1))


class PxAP(PerImage):
    """PxAP, in percent. It needs no threshold.

    Parameters
    ----------
    step : float
        Width of the bins of scores; the protocol's are 0.001 and 0.01.
    """

    def __init__(self, step: float = 0.001) -> None:
        self.bins = score_bins(step)
        super().__init__(columns=2 * (len(self.bins) - 1), dtype=torch.int32, threshold_split=NO_THRESHOLD)

    def update(self, maps: Sequence[Tensor] | Tensor, masks: Sequence[tuple[Mask, Mask]]) -> None:
        """Take in N images.

        Parameters
        ----------
        maps : Tensor (N, h, w) or sequence of Tensor (h, w)
            The maps of the images' own classes.
        masks : sequence of (mask, ignore)
            Each image's foreground, and what does not count: bool (H, W), as `Record.read_mask` gives them.
        """
        for class_map, mask_and_ignore in zip(maps, masks, strict=True):
            self.append(self.outcome(protocol_map(class_map), mask_and_ignore))

    def outcome(self, score_map: NDArray[np.float64], mask_and_ignore: tuple[Mask, Mask]) -> Tensor:
        """What `append` takes for one image: its map as `protocol_map` gives it, and its masks."""
        return outcome_of(score_map, mask_and_ignore, self.bins)

    def compute(self) -> Tensor:
        """PxAP, float64."""
        histograms = self.per_image().sum(axis=0, dtype=np.int64).reshape(2, -1)
        require_foreground(histograms)
        return torch.tensor(average_precision(histograms))

    def estimate(self, rows: NDArray[np.int32], _rng: np.random.Generator) -> Result:
        value, left_out = with_and_without(rows)
        return Result.of(jackknife(value, left_out, (0, 100)), self.threshold_split)


def require_foreground(histograms: NDArray[np.int64] | NDArray[np.float64]) -> None:
    """`CamkitError` where histograms (2, B) hold no pixel of the foreground."""
    if not histograms[0].any():
        raise CamkitError("PxAP needs foreground pixels, and the masks of these images have none: look at the masks")
