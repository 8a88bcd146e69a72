"""MinMaxCAM's two losses on the features of images seen through their own class maps, and its settings."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from camkit.boxes import normalize_maps
from camkit.errors import CamkitError

Norm = Literal["mean", "sum"]
Mask = Literal["input", "features"]


@dataclass(frozen=True)
class MinMax:
    """What MinMaxCAM's second stage minimises, and on what.

    Attributes
    ----------
    crr, frr : float
        Weights of the two losses, lambda_1 and lambda_2 of Eq. 5.
    sets, set_size : int
        N sets of S images of one class make a mini-batch.
    norm : {"mean", "sum"}
        How the squared differences of channels are put together: their mean, as the published code does and the
        published loss weights (0 to 20) are meant, or their sum, as Eq. 2 and 3 are printed.
    mask : {"input", "features"}
        Whether the map multiplies the image, as the method wants it, or the feature map (Section 4.3, which shows why
        not).

    Raises
    ------
    CamkitError
        A value out of range.

    References
    ----------
    Wang, Oramas, Tuytelaars: MinMaxCAM, BMVC 2021.
    """

    crr: float = 1.0
    frr: float = 1.0
    sets: int = 12
    set_size: int = 5
    norm: Norm = "mean"
    mask: Mask = "input"

    def __post_init__(self) -> None:
        for name, value in (("crr", self.crr), ("frr", self.frr)):
            if not 0 <= value < math.inf:
                raise CamkitError(f"--{name} {value}: the weight of a loss must be 0 or more, and finite")
        if self.sets < 1:
            raise CamkitError(f"--sets {self.sets}: give 1 or more")
        if self.set_size < 2:
            raise CamkitError(f"--set-size {self.set_size}: CRR compares images of one class, give 2 or more")
        for name, choice, choices in (("norm", self.norm, Norm), ("mask", self.mask, Mask)):
            if choice not in get_args(choices):
                raise CamkitError(f"--{name} {choice!r}: choose {' or '.join(get_args(choices))}")


def common_region_regularization(features: torch.Tensor, norm: Norm = "mean") -> torch.Tensor:
    r"""CRR: how far apart the features of images of one class lie, the less background is seen the nearer.

    .. math:: \mathrm{CRR} = \frac{1}{S(S-1)} \sum_{i \ne j} \lVert f_i - f_j \rVert^2

    Parameters
    ----------
    features : Tensor (N, S, C)
        f, of N sets of S images, S at least 2.
    norm : {"mean", "sum"}
        Over the channels.

    Returns
    -------
    Tensor ()
        The mean over the N sets.

    References
    ----------
    MinMaxCAM, Eq. 2.
    """
    # The mean squared distance of ordered pairs is twice the variance, with S - 1 below.
    return _over_channels(2 * features.var(1, correction=1), norm)


def full_region_regularization(features: torch.Tensor, plain: torch.Tensor, norm: Norm = "mean") -> torch.Tensor:
    r"""FRR: how far the features are from those of the whole image; zero where the map is one everywhere.

    .. math:: \mathrm{FRR} = \frac{1}{S} \sum_i \lVert f_i - f_i^o \rVert^2

    Parameters
    ----------
    features : Tensor (N, S, C)
        f, of images seen through their maps.
    plain : Tensor (N, S, C)
        f^o, of the images as they are; it passes no gradient.
    norm : {"mean", "sum"}
        Over the channels.

    Returns
    -------
    Tensor ()
        The mean over the N sets.

    References
    ----------
    MinMaxCAM, Eq. 3.
    """
    return _over_channels((features - plain.detach()).square().mean(1), norm)


def _over_channels(squares: torch.Tensor, norm: Norm) -> torch.Tensor:
    """(N, C) to the mean over sets of the mean or sum over channels."""
    return (squares.mean(1) if norm == "mean" else squares.sum(1)).mean()


def object_maps(features: torch.Tensor, class_weights: torch.Tensor) -> torch.Tensor:
    """H: each image's class map stretched to [0, 1], with the gradient through its minimum and maximum.

    A flat map gives zeros without a gradient.

    Parameters
    ----------
    features : Tensor (B, C, h, w)
        F, of the images as they are.
    class_weights : Tensor (B, C)
        Of each image's own class.

    Returns
    -------
    Tensor (B, 1, h, w)

    Raises
    ------
    CamkitError
        A map with NaN or infinite values.

    References
    ----------
    MinMaxCAM, Eq. 1 and Section 3.2.
    """
    return normalize_maps(torch.einsum("bc,bchw->bhw", class_weights, features))[:, None]
