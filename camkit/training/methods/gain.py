"""GAIN: the network's own map hides the object in the image, and what is left must not show the class any more."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD

from camkit.boxes import stretched
from camkit.errors import CamkitError
from camkit.training.method import Method
from camkit.training.network import Network

SCORES = ("softmax", "logit")


@dataclass
class GAIN(Method):
    r"""Guided Attention Inference Network, self-guided: attention mining with the network's own maps.

    With :math:`A` the ReLU of the map of the image's class, at the image's size and stretched to [0, 1], and
    :math:`T = \mathrm{sigmoid}(\omega (A - \sigma))`, the second pass sees :math:`I - T \cdot I`, and the loss is
    :math:`CE + \alpha\, s(I - T \cdot I)`, s being the score of that class. The gradient goes through A: on a linear
    head the paper's weights, the mean gradients, are the class weights, so that no gradient of a gradient is taken.

    Attributes
    ----------
    alpha : float
        Weight of the score that is left.
    sigma, omega : float
        Where and how steeply a position counts as hidden.
    score : {"softmax", "logit"}
        The class's probability, or its logit, which has no lower bound.

    References
    ----------
    Li, Wu, Peng, Ernst, Fu: Tell Me Where to Look: Guided Attention Inference Network, CVPR 2018.
    """

    needs_labels: ClassVar[bool] = True

    alpha: float = 1.0
    sigma: float = 0.5
    omega: float = 10.0
    score: str = "softmax"

    def __post_init__(self) -> None:
        if not (0 <= self.alpha < float("inf") and 0 <= self.sigma <= 1 and 0 < self.omega < float("inf")):
            raise CamkitError(
                f"gain: alpha {self.alpha}, sigma {self.sigma} and omega {self.omega}: alpha must be 0 or more, sigma "
                "lie in [0, 1], and omega be above 0"
            )
        if self.score not in SCORES:
            raise CamkitError(f"gain: score {self.score!r:.40}: choose {' or '.join(SCORES)}")

    def prepare(self, network: Network, optimizer: SGD) -> None:
        """Look for the class weights; refused where maps are not made by one linear layer."""
        del optimizer
        self.fc = network.fc

    def step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        passed = network.forward(images)
        maps = network.class_maps(passed.features, labels)
        logits = network(images * (1 - hidden(maps, images, self.sigma, self.omega)))
        scores = logits.softmax(1) if self.score == "softmax" else logits
        entropy, mining = self.loss(passed.logits, network.smoothed(labels)), scores.gather(1, labels[:, None]).mean()
        return {"loss": entropy + self.alpha * mining, "entropy": entropy, "mining": mining}


def hidden(maps: Tensor, images: Tensor, sigma: float, omega: float) -> Tensor:
    """T, how far each pixel of the images is hidden, (N, 1, H, W), from class maps (N, h, w)."""
    attention = F.interpolate(maps.relu()[:, None], images.shape[-2:], mode="bilinear")
    return torch.sigmoid(omega * (stretched(attention) - sigma)).to(images)
