"""Poolings of class scores: each class by the positions where its score is highest, and those where it is lowest."""

import copy
import math

import torch
from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.nn.class_maps import ClassMaps2d


class WildcatPool2d(nn.Module):
    r"""The spatial pooling of WILDCAT and WELDON, of maps of class scores.

    .. math:: s_k = \tfrac12 \left( \frac{1}{k^+} \sum_{\text{highest } k^+} S_k
        + \frac{\alpha}{k^-} \sum_{\text{lowest } k^-} S_k \right)

    With :math:`k^- = 0` or :math:`\alpha = 0` it is the mean of the highest alone.

    Parameters
    ----------
    highest, lowest : float
        :math:`k^+` above 0 and :math:`k^-`: below 1 a share of the positions, of which at least one is taken; else a
        whole number of them, at most all.
    alpha : float
        Weight of the lowest, 0 or more. WILDCAT takes 0.7, WELDON 1.
    maps : int
        Maps that a class has while training; see `ScorePool2d`.

    Raises
    ------
    CamkitError
        One of them is none of these numbers.

    References
    ----------
    Durand, Thome, Cord: WELDON: Weakly Supervised Learning of Deep Convolutional Neural Networks, CVPR 2016. Durand,
    Mordan, Thome, Cord: WILDCAT: Weakly Supervised Learning of Deep ConvNets, CVPR 2017. The half is of the authors'
    code.

    Examples
    --------
    >>> WildcatPool2d(2, 1, 0.5)(torch.tensor([[[[4.0, 2.0], [0.0, -1.0]]]])).item()
    1.25
    """

    def __init__(self, highest: float = 0.2, lowest: float = 0.2, alpha: float = 0.7, maps: float = 1) -> None:
        super().__init__()
        for name, k in (("K+", highest), ("K-", lowest)):
            if not (0 <= k < math.inf and (k < 1 or k == int(k))) or (name == "K+" and k == 0):
                raise CamkitError(
                    f"WILDCAT's {name} is {k:g}: give a share of the positions below 1, or a whole number of them"
                )
        if not 0 <= alpha < math.inf:
            raise CamkitError(f"WILDCAT's alpha is {alpha:g}: give a number from 0, such as 0.7")
        if not 1 <= maps < math.inf or maps != int(maps):
            raise CamkitError(f"WILDCAT's M is {maps:g}: give the maps of a class, a whole number above 0")
        self.highest, self.lowest, self.alpha, self.maps = highest, lowest, alpha, int(maps)

    def forward(self, scores: Tensor) -> Tensor:
        """Pool (N, K, h, w) to (N, K, 1, 1)."""
        flat = scores.flatten(2)
        pooled = flat.topk(count(self.highest, flat.shape[2]), sorted=False).values.mean(-1)
        if self.lowest and self.alpha:
            lowest = flat.topk(count(self.lowest, flat.shape[2]), largest=False, sorted=False).values.mean(-1)
            pooled = (pooled + self.alpha * lowest) / 2
        return pooled[..., None, None]

    @property
    def name(self) -> str:
        """What `camkit.nn.make_pool` makes it from."""
        numbers = [self.highest, self.lowest, self.alpha, *([self.maps] if self.maps > 1 else [])]
        return "wildcat:" + ",".join(str(float(number)).removesuffix(".0") for number in numbers)

    def extra_repr(self) -> str:
        return f"highest={self.highest:g}, lowest={self.lowest:g}, alpha={self.alpha:g}, maps={self.maps}"


def count(k: float, positions: int) -> int:
    """How many positions a share or a number of them is."""
    return max(1, round(k * positions)) if k < 1 else min(int(k), positions)


class ScoreAvgPool2d(nn.Module):
    """The mean of class scores over positions, of one map a class or several: ``maps:M``.

    Parameters
    ----------
    maps : int
        M.

    Raises
    ------
    CamkitError
        If that is no whole number above 0.
    """

    def __init__(self, maps: float) -> None:
        super().__init__()
        if not 1 <= maps < math.inf or maps != int(maps):
            raise CamkitError(f"maps:M of M {maps:g}: give the maps of a class, a whole number above 0")
        self.maps = int(maps)

    def forward(self, scores: Tensor) -> Tensor:
        """Pool (N, K, h, w) to (N, K, 1, 1)."""
        return scores.mean((-2, -1), keepdim=True)

    @property
    def name(self) -> str:
        """What `camkit.nn.make_pool` makes it from."""
        return f"maps:{self.maps}"

    def extra_repr(self) -> str:
        return f"maps={self.maps}"


class ScorePool2d(nn.Module):
    """A classifier that is asked at every position, before the pooling: a 1x1 convolution, then a pooling of scores.

    Parameters
    ----------
    channels, num_classes : int
    pool : WildcatPool2d or ScoreAvgPool2d
        Its `maps` are those that a class has.
    bias : bool
    dropout : nn.Module, optional
        Before the convolution.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        pool: WildcatPool2d | ScoreAvgPool2d,
        bias: bool = True,
        dropout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.dropout = dropout or nn.Identity()
        self.scores = ClassMaps2d(channels, num_classes, pool.maps, bias)
        self.pool = pool

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) to logits (N, K, 1, 1)."""
        logits: Tensor = self.pool(self.scores(self.dropout(features)))
        return logits

    @torch.no_grad()
    def folded(self) -> "ScorePool2d":
        """The same layer with one map a class."""
        weight, bias = self.scores.folded()
        pool = copy.copy(self.pool)
        pool.maps = 1
        with torch.device("meta"):
            one = ScorePool2d(weight.shape[1], len(weight), pool, bias is not None, self.dropout)
        one.scores.weight = nn.Parameter(weight)
        one.scores.bias = None if bias is None else nn.Parameter(bias)
        return one.train(self.training)
