"""Insertion and deletion: what the class's probability does as a map's pixels come, or go, the highest first (RISE)."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from camkit.errors import CamkitError
from camkit.metrics.intervals import mean
from camkit.metrics.per_image import PerImage, Result
from camkit.metrics.threshold_splits import NO_THRESHOLD

KERNEL, SIGMA = 11, 5.0  # of the blurred image that insertion begins with (Petsiuk et al. 2018)


def pixel_ranks(score_map: Tensor) -> Tensor:
    """The rank of each pixel (H, W), from 0 for the highest score; of equal ones in raster order."""
    order = score_map.flatten().argsort(descending=True, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    return ranks.reshape(score_map.shape)


def exchanged(image: Tensor, other: Tensor, ranks: Tensor, steps: int) -> Iterator[Tensor]:
    """The image (3, H, W) with 0/S, 1/S ... S/S of its pixels, the first ranks first, from another: S + 1 images."""
    for step in range(steps + 1):
        yield torch.where(ranks < round(step * ranks.numel() / steps), other, image)


def deletion_images(image: Tensor, score_map: Tensor, steps: int) -> Iterator[Tensor]:
    """An input (3, H, W) that loses its pixels to 0, the mean colour."""
    return exchanged(image, torch.zeros_like(image), pixel_ranks(score_map), steps)


def insertion_images(image: Tensor, score_map: Tensor, steps: int) -> Iterator[Tensor]:
    """An input (3, H, W), blurred, that gets its own pixels back."""
    return exchanged(gaussian_blur(image, [KERNEL, KERNEL], [SIGMA, SIGMA]), image, pixel_ranks(score_map), steps)


def area_under(curves: Tensor) -> Tensor:
    """By the trapezoidal rule over shares 0 to 1, (..., S + 1) -> (...), float64."""
    if curves.shape[-1] < 2:
        raise CamkitError(
            f"a curve of {curves.shape[-1]} values: give the probability at 2 shares of the pixels or more"
        )
    return torch.trapezoid(curves.double(), dx=1 / (curves.shape[-1] - 1))


class AreaUnder(PerImage):
    """The mean over images of the area under the curve of the own class's probability, in [0, 1].

    Of `deletion_images` it is deletion, which is better low; of `insertion_images` insertion, which is better high.

    Parameters
    ----------
    name : {"insertion", "deletion"}

    Examples
    --------
    >>> metric = AreaUnder("deletion")
    >>> metric.update(torch.tensor([[1.0, 0.5, 0.0], [0.5, 0.25, 0.0]]))
    >>> metric.compute().item()
    0.375
    """

    def __init__(self, name: str) -> None:
        super().__init__(columns=1, dtype=torch.float64, threshold_split=NO_THRESHOLD, variant=name)

    def update(self, curves: Tensor) -> None:
        """Take in N images: the class's probability (N, S + 1) as 0 to all of the pixels are exchanged."""
        self.append(area_under(curves)[:, None])

    def compute(self) -> Tensor:
        """The mean, float64."""
        return torch.tensor(self.per_image().mean(), dtype=torch.float64)

    def estimate(self, rows: NDArray[np.float64], _rng: np.random.Generator) -> Result:
        return Result.of(mean(rows[:, 0], (0, 1)), self.threshold_split)
