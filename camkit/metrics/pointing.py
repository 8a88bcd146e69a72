"""The pointing games: does a map's peak lie on the object, and which share of its mass does?"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from camkit.boxes.geometry import Window, pixels_inside
from camkit.boxes.score_maps import is_constant, resize_maps
from camkit.errors import CamkitError
from camkit.metrics.intervals import accuracy, mean
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import NO_THRESHOLD

TOLERANCE = 15.0  # pixels of the image (Zhang et al. 2016)
ROUNDING = 1e-6  # of a map's span: values this near to the maximum differ by rounding alone

Mask = NDArray[np.bool_]
Size = tuple[int, int]
Truth = ArrayLike | tuple[Mask, Mask]
"""An image's ground-truth boxes (M, 4), or its mask and what does not count, bool (H, W)."""


def truth_masks(truth: Truth, size: Size) -> tuple[Mask, Mask]:
    """Which pixels of an image of `size` (height, width) are the object's, and which do not count.

    Of boxes, the pixels whose centres lie in one of them. Masks of another size are resized, nearest.
    """
    if isinstance(truth, tuple) and len(truth) == 2 and getattr(truth[0], "dtype", None) == np.bool_:
        mask, ignore = (_nearest(one, size) for one in truth)
        return mask, ignore & ~mask
    boxes = np.asarray(truth)
    if boxes.dtype == np.bool_ or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise CamkitError(
            f"truth of shape {boxes.shape}, {boxes.dtype}: give boxes (M, 4), or a mask and what to ignore"
        )
    mask = np.zeros(size, bool)
    for x0, y0, x1, y1 in boxes.astype(np.float64):
        rows, columns = (slice(*np.clip(np.ceil([a - 0.5, b - 0.5]), 0, side).astype(int))
                         for a, b, side in ((y0, y1, size[0]), (x0, x1, size[1])))  # fmt: skip
        mask[rows, columns] = True
    return mask, np.zeros(size, bool)


def _nearest(mask: Mask, size: Size) -> Mask:
    if mask.shape == size:
        return mask
    rows, columns = ((np.arange(n) + 0.5) * length // n for n, length in zip(size, mask.shape, strict=True))
    return mask[np.ix_(rows.astype(int), columns.astype(int))]


def peak(score_map: NDArray[np.floating]) -> tuple[int, int] | None:
    """Row and column of a map's maximum; None where the map is constant or not finite.

    Where several pixels have it, as along the border, where a resized map goes on as its outermost cell is, the one
    nearest to the middle of them all; of equally near ones the first in raster order.
    """
    if not np.isfinite(score_map).all() or bool(is_constant(torch.from_numpy(np.asarray(score_map)))):
        return None
    low, high = float(score_map.min()), float(score_map.max())
    places = np.argwhere(score_map >= high - ROUNDING * (high - low))
    row, column = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
    return int(row), int(column)


def distance_to(mask: Mask, place: tuple[int, int] | None) -> float:
    """From a pixel to the nearest of a mask, in pixels; infinite where there is no pixel, or the mask has none."""
    if place is None or not mask.any():
        return np.inf
    if mask[place]:
        return 0.0
    return float(np.sqrt(((np.argwhere(mask) - np.array(place)) ** 2).sum(axis=1).min()))


def share_inside(score_map: NDArray[np.floating], mask: Mask, ignore: Mask) -> float:
    """Which share of a map's positive values lies in a mask, in [0, 1]; 0 where none is positive."""
    positive = np.where(ignore, 0.0, np.maximum(score_map, 0.0))
    total = float(positive.sum(dtype=np.float64))
    return float(positive[mask].sum(dtype=np.float64)) / total if total > 0 else 0.0


def on_image(class_map: Tensor, size: Size, window: Window | None = None) -> NDArray[np.float32]:
    """A class map (h, w) resized bilinearly to its image; what it does not cover has its minimum, or 0 above that."""
    resized = resize_maps(class_map.detach().cpu().float(), size, window).numpy()
    if window is None:
        return np.asarray(resized)
    whole = np.full(size, min(float(resized.min()), 0.0), np.float32)
    whole[pixels_inside(window, size)] = resized
    return whole


class _OnImages(PerImage):
    """A number an image, of its map and its truth."""

    def __init__(self, variant: str = "") -> None:
        super().__init__(columns=1, dtype=torch.float64, threshold_split=NO_THRESHOLD, variant=variant)

    def update(self, maps: Sequence[Tensor] | Tensor, truths: Sequence[Truth], sizes: Sequence[Size]) -> None:
        """Take in N images.

        Parameters
        ----------
        maps : Tensor (N, h, w) or sequence of Tensor (h, w)
            The maps of the images' own classes.
        truths : sequence of array_like (M, 4), or of (mask, ignore)
            Each image's ground-truth boxes, or bool (H, W) its mask and what does not count.
        sizes : sequence of tuple of int
            Each image's height and width.
        """
        for class_map, truth, size in zip(maps, truths, sizes, strict=True):
            mask, ignore = truth_masks(truth, size)
            self.append(torch.tensor([[self.outcome(on_image(class_map, size), mask, ignore)]]))

    def outcome(self, score_map: NDArray[np.floating], mask: Mask, ignore: Mask) -> float:
        """What is kept of one image, from its map at its own size and its masks."""
        raise NotImplementedError


class PointingGame(_OnImages):
    """The pointing game, in percent: the map's peak lies on the object, or at most so many pixels away.

    Zhang et al. 2016, where `tolerance` is 15 pixels of the image. A map without a peak never hits, and an image whose
    mask is empty is never hit.

    Parameters
    ----------
    tolerance : float
        In pixels of the image; 0: on the object.

    Examples
    --------
    >>> class_map = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    >>> metric = PointingGame(tolerance=0)
    >>> metric.update([class_map] * 2, [[[50, 50, 100, 100]], [[0, 0, 50, 50]]], [(100, 100)] * 2)
    >>> metric.compute().item()
    50.0
    """

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        if not tolerance >= 0:
            raise CamkitError(f"tolerance is {tolerance}: give pixels, 0 or more")
        super().__init__(variant=f"{tolerance:g}".replace(".", "_"))
        self.tolerance = tolerance

    def outcome(self, score_map: NDArray[np.floating], mask: Mask, ignore: Mask) -> float:  # noqa: ARG002 - a miss is a miss
        """The peak's distance from the object."""
        return distance_to(mask, peak(score_map))

    def compute(self) -> Tensor:
        """The percentage of hits, float64."""
        rows = self.per_image()[:, 0]
        return torch.tensor(100.0 * (rows <= self.tolerance).sum() / len(rows), dtype=torch.float64)

    def estimate(self, rows: NDArray[np.float64], _rng: np.random.Generator) -> Result:
        return Result.of(accuracy(rows[:, 0] <= self.tolerance), self.threshold_split)


class EnergyPointingGame(_OnImages):
    """The energy pointing game: the share of a map's positive mass that lies on the object, in [0, 1]; its mean.

    Wang et al. 2020 (Score-CAM), and of the class map itself: min-max normalisation would add mass everywhere. A map
    without a positive value has 0 of it there.

    Examples
    --------
    >>> metric = EnergyPointingGame()
    >>> metric.update([torch.tensor([[3.0, -5.0], [0.0, 1.0]])], [[[0, 0, 1, 1]]], [(2, 2)])
    >>> metric.compute().item()
    0.75
    """

    def outcome(self, score_map: NDArray[np.floating], mask: Mask, ignore: Mask) -> float:
        """The share of the mass."""
        return share_inside(score_map, mask, ignore) if np.isfinite(score_map).all() else 0.0

    def compute(self) -> Tensor:
        """The mean share, float64."""
        return torch.tensor(self.per_image().mean(), dtype=torch.float64)

    def estimate(self, rows: NDArray[np.float64], _rng: np.random.Generator) -> Result:
        return Result.of(mean(rows[:, 0], (0, 1)), self.threshold_split)
