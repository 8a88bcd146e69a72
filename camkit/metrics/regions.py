"""Several regions an image: which of the true boxes they find, and how well their pixels cover the mask."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.metrics.intervals import Estimate, jackknife
from camkit.metrics.iou import IoU, half_open_iou
from camkit.metrics.localization import IOU_AT_LEAST, Truths
from camkit.metrics.max_box_acc_v3 import matches
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.pixels import Mask
from camkit.metrics.threshold_splits import FIXED

Counts = NDArray[np.int64]


def found_by(boxes: Tensor, truth: Tensor, iou: IoU = half_open_iou) -> int:
    """How many of an image's true boxes (M, 4) are found, each by one of the boxes (B, 4) of its own, with IoU >= 0.5.

    As MaxBoxAccV3 pairs them: of all pairs the one with the highest IoU first.
    """
    return int(matches(iou(boxes, truth).numpy(), [IOU_AT_LEAST])[0]) if len(boxes) else 0


def pixel_iou(found: Mask, mask: Mask, ignored: Mask) -> float:
    """Intersection over union of pixels (H, W); what is ignored does not count, and an empty mask is never met.

    Examples
    --------
    >>> row = [np.array([[bool(int(pixel)) for pixel in pixels]]) for pixels in ("0110", "0011", "0001")]
    >>> pixel_iou(row[0], row[1], np.zeros_like(row[2])), pixel_iou(row[0], row[1] & ~row[2], row[2])
    (0.3333333333333333, 0.5)
    """
    counted = mask | ~ignored
    union = ((found | mask) & counted).sum()
    return float((found & mask).sum() / union) if union else 0.0


class RegionLoc(PerImage):
    """Of all true boxes the share that is found by the regions of the images' maps, at a threshold fixed beforehand.

    Each region's box answers for one true box, with IoU >= 0.5. Recall is the share of the true boxes that are found,
    precision that of the regions that find one, F1 their harmonic mean; over the whole split, in percent.

    Parameters
    ----------
    threshold_split : str
        What chose the threshold.
    iou : callable
        `half_open_iou` or `inclusive_iou`.

    Examples
    --------
    >>> metric = RegionLoc()
    >>> metric.update([torch.tensor([[0, 0, 4, 4], [5, 5, 9, 9], [0, 8, 2, 9]])], [[[0, 0, 4, 4], [5, 5, 9, 8]]])
    >>> {name: round(value.item(), 1) for name, value in metric.compute().items()}
    {'recall': 100.0, 'precision': 66.7, 'f1': 80.0}
    """

    def __init__(self, threshold_split: str = FIXED, iou: IoU = half_open_iou) -> None:
        super().__init__(columns=3, dtype=torch.int64, threshold_split=threshold_split, variant=iou.__name__)
        self.iou = iou

    def update(self, boxes: Truths, truths: Truths) -> None:
        """Take in N images: each one's regions' boxes (B, 4), B any number, 0 included, and true boxes (M, 4)."""
        for own, truth in zip(boxes, truths, strict=True):
            found, true = (torch.as_tensor(one).reshape(-1, 4) for one in (own, truth))
            self.append(torch.tensor([[found_by(found, true, self.iou), len(found), len(true)]]))

    def compute(self) -> dict[str, Tensor]:
        """Recall, precision and F1, float64."""
        values = _figures(self.per_image().sum(0)[None])
        return {name: torch.tensor(value[0]) for name, value in values.items()}

    def estimate(self, rows: Counts, _rng: np.random.Generator) -> dict[str, Result]:
        return {name: Result.of(of, self.threshold_split) for name, of in figures(rows).items()}


def figures(rows: Counts) -> dict[str, Estimate]:
    """Recall, precision and F1 of images: rows (n, 3) of true boxes found, regions and true boxes.

    Intervals are by leaving out one image after the other.
    """
    whole = rows.sum(0)
    left_out = _figures(whole - rows)
    return {name: jackknife(float(value[0]), left_out[name], (0, 100)) for name, value in _figures(whole[None]).items()}


def _figures(sums: Counts) -> dict[str, NDArray[np.float64]]:
    """Of sums (B, 3) the figures (B,), 0 where there is nothing to count."""
    found, regions, truths = sums.T
    counted: Sequence[tuple[str, Any, Any]] = (
        ("recall", found, truths), ("precision", found, regions), ("f1", 2 * found, regions + truths))  # fmt: skip
    return {name: 100 * part / np.maximum(of, 1) for name, part, of in counted}


def by_group(rows: Counts, groups: NDArray[np.int64]) -> dict[str, dict[int, Estimate]]:
    """By figure and group (n,) of images."""
    found: dict[str, dict[int, Estimate]] = {}
    for group in np.unique(groups):
        for name, of in figures(rows[groups == group]).items():
            found.setdefault(name, {})[int(group)] = of
    return found
