"""Pooling layers: what turns a feature map into one number a channel."""

import torch
from torch import nn

from camkit.errors import CamkitError


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
        """Pool (N, C, h, w) to (N, C, 1, 1)."""
        threshold = self.theta * features.amax((-2, -1), keepdim=True)
        active = features > threshold
        total = (features * active).sum((-2, -1), keepdim=True)
        return total / active.sum((-2, -1), keepdim=True).clamp(min=1)

    def extra_repr(self) -> str:
        return f"theta={self.theta}"
