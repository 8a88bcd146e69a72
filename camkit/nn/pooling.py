"""Pooling layers: what turns a feature map into one number a channel."""

import math
from collections.abc import Callable

import torch
from torch import nn

from camkit.errors import CamkitError
from camkit.nn.wildcat import ScoreAvgPool2d, WildcatPool2d


class GlobalAvgPool2d(nn.Module):
    """Global average pooling (GAP): the mean of each channel over all positions.

    Examples
    --------
    >>> GlobalAvgPool2d()(torch.tensor([[[[4.0, 2.0], [0.0, 0.0]]]])).item()
    1.5
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool (N, C, h, w) to (N, C, 1, 1)."""
        return features.mean((-2, -1), keepdim=True)


class ThresholdedAvgPool2d(nn.Module):
    r"""Thresholded average pooling (TAP): the mean of a channel's activated positions alone.

    .. math:: p_c = \frac{\sum_{h,w} 1(F_c(h,w) > \tau_c) F_c(h,w)}{\sum_{h,w} 1(F_c(h,w) > \tau_c)},
        \qquad \tau_c = \theta \max F_c

    Global average pooling divides by the whole map, so that a channel with a small activated area needs a large class
    weight; TAP divides by the activated area. A channel without a position above its threshold pools to 0.

    Parameters
    ----------
    theta : float
        In [0, 1). The paper takes 0.1 for VGG16 and MobileNetV1, 0.0 for ResNet50-SE and GoogLeNet.

    Raises
    ------
    CamkitError
        If theta is outside [0, 1).

    References
    ----------
    Bae, Noh, Kim: Rethinking Class Activation Mapping for Weakly Supervised Object Localization, ECCV 2020, Eq. 4.

    Examples
    --------
    >>> features = torch.tensor([[[[4.0, 2.0], [0.0, 0.0]]]])
    >>> ThresholdedAvgPool2d(0.1)(features).item()
    3.0
    """

    def __init__(self, theta: float = 0.1) -> None:
        super().__init__()
        if not 0 <= theta < 1:
            raise CamkitError(f"TAP's theta is {theta}: it must lie in [0, 1), the paper takes 0.1 or 0.0")
        self.theta = theta

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool (N, C, h, w) to (N, C, 1, 1); half precision is added up in float32, where a sum does not overflow."""
        threshold = self.theta * features.amax((-2, -1), keepdim=True)
        active = features > threshold
        wide = torch.promote_types(features.dtype, torch.float32)
        total = (features * active).sum((-2, -1), keepdim=True, dtype=wide)
        return (total / active.sum((-2, -1), keepdim=True).clamp(min=1)).to(features.dtype)

    def extra_repr(self) -> str:
        return f"theta={self.theta}"


class GlobalMaxPool2d(nn.Module):
    """The maximum of each channel; positions that share it share its gradient.

    References
    ----------
    Oquab, Bottou, Laptev, Sivic: Is Object Localization for Free?, CVPR 2015.

    Examples
    --------
    >>> GlobalMaxPool2d()(torch.tensor([[[[4.0, 2.0], [0.0, 0.0]]]])).item()
    4.0
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool (N, C, h, w) to (N, C, 1, 1)."""
        return features.amax((-2, -1), keepdim=True)


class LogSumExpPool2d(nn.Module):
    r"""Log-sum-exp pooling: between the mean (temperature to 0) and the maximum (to infinity) of each channel.

    .. math:: p_c = \frac{1}{r} \log \frac{1}{hw} \sum_{h,w} \exp(r F_c(h,w))

    Parameters
    ----------
    temperature : float
        :math:`r`, above 0. The paper takes 5.

    Raises
    ------
    CamkitError
        If the temperature is not a finite number above 0.

    References
    ----------
    Pinheiro, Collobert: From Image-level to Pixel-level Labeling with Convolutional Networks, CVPR 2015, Eq. 4.

    Examples
    --------
    >>> round(LogSumExpPool2d(1.0)(torch.tensor([[[[math.log(3.0), 0.0]]]])).exp().item(), 4)
    2.0
    """

    def __init__(self, temperature: float = 5.0) -> None:
        super().__init__()
        if not 0 < temperature < math.inf:
            raise CamkitError(f"log-sum-exp's temperature is {temperature}: it must be a number above 0, such as 5")
        self.temperature = temperature

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Pool (N, C, h, w) to (N, C, 1, 1)."""
        positions = features.shape[-2] * features.shape[-1]
        summed = (self.temperature * features).logsumexp((-2, -1), keepdim=True)
        return (summed - math.log(positions)) / self.temperature

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}"


def weldon(highest: float, lowest: float | None = None) -> WildcatPool2d:
    """WELDON's pooling: of the lowest as many as of the highest, unless it is said, and both count alike."""
    return WildcatPool2d(highest, highest if lowest is None else lowest, 1)


POOLS: dict[str, Callable[..., nn.Module]] = {
    "gap": GlobalAvgPool2d,
    "tap": ThresholdedAvgPool2d,
    "max": GlobalMaxPool2d,
    "lse": LogSumExpPool2d,
    "wildcat": WildcatPool2d,
    "weldon": weldon,
    "maps": ScoreAvgPool2d,
}
SETTING = {"tap": "theta", "lse": "temperature"}  # the number that a name may go on with
SETTINGS = {"wildcat": ("K+", "K-", "ALPHA", "M"), "weldon": ("K+", "K-"), "maps": ("M",)}  # those that it may, or must
FEWEST = {"wildcat": 3}
BARE = {"gap", "tap", "max", "lse", "wildcat"}  # names that need no number
USE = "use gap, tap, tap:0.1, max, lse, lse:5, wildcat:0.2,0.2,0.7, weldon:5,5 or maps:4"


def make_pool(name: str) -> nn.Module:
    """A pooling layer by its name.

    Parameters
    ----------
    name : str
        ``gap``, ``tap`` or ``tap:THETA``, ``max``, ``lse`` or ``lse:TEMPERATURE``; of class scores ``wildcat``,
        ``wildcat:K+,K-,ALPHA`` or ``wildcat:K+,K-,ALPHA,M``, and ``weldon:K+`` or ``weldon:K+,K-``,
        and ``maps:M``.

    Raises
    ------
    CamkitError
        The name is unknown, or one of its numbers is none or out of range.

    Examples
    --------
    >>> make_pool("tap:0.1")
    ThresholdedAvgPool2d(theta=0.1)
    >>> make_pool("weldon:5,2")
    WildcatPool2d(highest=5, lowest=2, alpha=1, maps=1)
    """
    kind, colon, given = name.partition(":")
    takes = SETTINGS.get(kind) or ((SETTING[kind],) if kind in SETTING else ())
    if kind not in POOLS or (colon and not takes):
        raise CamkitError(f"no pooling {name!r}: {USE}")
    if not colon and kind in BARE:
        return POOLS[kind]()
    numbers = given.split(",") if colon else []
    if not FEWEST.get(kind, 1) <= len(numbers) <= len(takes):
        raise CamkitError(f"pooling {name!r}: {len(numbers)} numbers, and {kind} takes {','.join(takes)}; {USE}")
    return POOLS[kind](*(_number(name, *one) for one in zip(numbers, takes, strict=False)))


def _number(name: str, text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise CamkitError(f"pooling {name!r}: {text!r} is no number for its {what}") from error


def pool_name(pool: nn.Module) -> str:
    """The name that `make_pool` makes this layer from; `CamkitError` for layers of other kinds.

    Examples
    --------
    >>> pool_name(LogSumExpPool2d(10))
    'lse:10'
    """
    if isinstance(pool, WildcatPool2d | ScoreAvgPool2d):
        return pool.name
    for kind, made in POOLS.items():
        if type(pool) is made:
            number = str(getattr(pool, SETTING[kind])).removesuffix(".0") if kind in SETTING else ""
            return f"{kind}:{number}" if number else kind
    raise CamkitError(f"{type(pool).__name__} is no pooling of camkit's: a checkpoint cannot name it")
