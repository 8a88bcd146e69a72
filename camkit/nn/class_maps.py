"""A classifier asked at every position, with one map or several for each class."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ClassMaps2d(nn.Conv2d):
    r"""A 1x1 convolution to :math:`M` maps of each class, side by side. A class's score map is their mean.

    The mean of M 1x1 convolutions is the 1x1 convolution with the mean of their weights: that is what is computed. M
    changes training alone, where it makes each map's step M times smaller.

    Parameters
    ----------
    channels, num_classes : int
    maps : int
        M.
    bias : bool
    """

    def __init__(self, channels: int, num_classes: int, maps: int = 1, bias: bool = True) -> None:
        super().__init__(channels, num_classes * maps, 1, bias=bias)
        self.maps = maps

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to score maps (N, K, h, w)."""
        return F.conv2d(features, *self.folded())

    def folded(self) -> tuple[Tensor, Tensor | None]:
        """Weight (K, C, 1, 1) and bias (K,) of the one convolution that gives the score maps."""
        if self.maps == 1:
            return self.weight, self.bias
        weight = self.weight.unflatten(0, (-1, self.maps)).mean(1)
        return weight, None if self.bias is None else self.bias.unflatten(0, (-1, self.maps)).mean(1)

    def of(self, features: Tensor, classes: Tensor) -> Tensor:
        """All maps (N, M, h, w) of each image's class in `classes` (N,)."""
        weight = self.weight.flatten(1).unflatten(0, (-1, self.maps))[classes].to(features)
        maps: Tensor = torch.einsum("nmc,nchw->nmhw", weight, features)
        if self.bias is None:
            return maps
        bias: Tensor = self.bias.unflatten(0, (-1, self.maps))[classes]
        return maps + bias[..., None, None]

    def extra_repr(self) -> str:
        return f"{self.in_channels}, {self.out_channels // self.maps}, maps={self.maps}, bias={self.bias is not None}"
