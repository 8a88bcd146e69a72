"""Attention-based Dropout Layer (ADL): inside the network, the most attended positions are dropped or stressed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.models.messages import did_you_mean
from camkit.training.method import Method


@dataclass
class AttentionDropout(Method):
    r"""At the named modules, each batch: the drop mask with probability `p`, else the importance map.

    With :math:`A` the mean of the features over channels, the drop mask is :math:`1(A \le \gamma \max A)` for each
    image, the importance map :math:`\mathrm{sigmoid}(A)`; the features are multiplied with it. It has no parameters
    and acts in training mode alone, so that what is saved is the plain network.

    Attributes
    ----------
    p : float
        Probability of the drop mask.
    gamma : float
        Share of the maximum above which a position is dropped. The paper takes 0.8 to 0.9.

    References
    ----------
    Choe, Shim: Attention-based Dropout Layer for Weakly Supervised Object Localization, CVPR 2019.
    """

    p: float = 0.75
    gamma: float = 0.9

    def __post_init__(self) -> None:
        if not (0 <= self.p <= 1 and 0 <= self.gamma <= 1):
            raise CamkitError(f"adl: p {self.p} and gamma {self.gamma}: both must lie in [0, 1]")

    def attach(self, model: nn.Module, at: Sequence[str]) -> None:
        """Hook the named modules' outputs; refused where a name is none of the model's or none is given."""
        modules = dict(model.named_modules())
        for name in at:
            if name not in modules:
                raise CamkitError(f"adl: the model has no module {name!r}{did_you_mean(name, modules)}")
        if not at:
            raise CamkitError("adl: at which modules? Name them with --adl-at, such as --adl-at layer3.0,layer4.0")
        for name in at:
            modules[name].register_forward_hook(self._after)

    def _after(self, module: nn.Module, inputs: Any, features: Tensor) -> Tensor:
        del inputs
        return self.attend(features) if module.training else features

    def attend(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) times one of the two maps."""
        attention = features.mean(1, keepdim=True)
        kept = (attention <= self.gamma * attention.amax((-2, -1), keepdim=True)).to(features)
        drops = torch.rand((), device=features.device) < self.p
        return features * torch.where(drops, kept, attention.sigmoid())
