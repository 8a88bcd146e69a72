"""EIL: what the network attends to most is erased inside it, and the layers behind must tell the class regardless."""

from dataclasses import dataclass

from torch import Tensor
from torch.optim import SGD

from camkit.errors import CamkitError
from camkit.training.method import Method
from camkit.training.network import Network


@dataclass
class EIL(Method):
    r"""Erasing Integrated Learning: the layers after one place run twice, and both answers are held to the label.

    With :math:`F` the features at that place and :math:`A` their mean over channels, the second time they run on
    :math:`F \cdot 1[A < \gamma \max A]`, and the loss is :math:`CE + \alpha\, CE_{erased}`. There is no chance in it
    and no parameter: what is saved is the plain network.

    Attributes
    ----------
    at : str
        The module whose output is erased; empty for the backbone's own place (`camkit.models.wsol.PLACES`).
    gamma : float
        Share of the maximum from which a position is erased.
    alpha : float
        Weight of the loss of what was erased.

    References
    ----------
    Mai, Yang, Luo: Erasing Integrated Learning: A Simple Yet Effective Approach for Weakly Supervised Object
    Localization, CVPR 2020.
    """

    at: str = ""
    gamma: float = 0.7
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (0 <= self.gamma <= 1 and 0 <= self.alpha < float("inf")):
            raise CamkitError(
                f"eil: gamma {self.gamma} and alpha {self.alpha}: gamma must lie in [0, 1], and alpha be 0 or more"
            )

    def prepare(self, network: Network, optimizer: SGD) -> None:
        """Find the place."""
        del optimizer
        (self.place,) = network.places_of("eil", self.at)

    def step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        whole = network.forward(images, at=[self.place])
        features, targets = whole.inner[self.place], network.smoothed(labels)
        rest = network.tail(whole, self.place, features * kept(features, self.gamma))
        plain, erased = self.loss(whole.logits, targets), self.loss(rest.logits, targets)
        return {"loss": plain + self.alpha * erased, "plain": plain, "erased": erased}


def kept(features: Tensor, gamma: float) -> Tensor:
    """Which positions of features (N, C, h, w) stay, (N, 1, h, w): those with a mean below gamma times the largest."""
    attention = features.detach().mean(1, keepdim=True)
    return attention < gamma * attention.amax((-2, -1), keepdim=True)
