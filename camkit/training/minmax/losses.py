"""MinMaxCAM's two losses on the features of images seen through their own class maps."""

import torch

from camkit.boxes import normalize_maps
from camkit.training.minmax.settings import Norm


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
