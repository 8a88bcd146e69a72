"""MinMaxCAM's training as a method: each step's second stage moves fc's weight alone."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import SGD

from camkit.errors import CamkitError, Diverged
from camkit.training.method import Method
from camkit.training.minmax.settings import Descent, MinMax, Norm
from camkit.training.minmax.stages import StageTwo
from camkit.training.network import Network


@dataclass
class MinMaxCAM(Method):
    """Stage I is a step like any other; stage II follows, on the images as they are and the network that I left.

    Stage II has the rate, momentum and decay that fc's weight has in stage I, and a momentum buffer of its own.

    Attributes
    ----------
    crr, frr, sets, set_size, norm
        See `MinMax`.

    References
    ----------
    Wang, Oramas, Tuytelaars: MinMaxCAM, BMVC 2021.
    """

    crr: float = MinMax.crr
    frr: float = MinMax.frr
    sets: int = MinMax.sets
    set_size: int = MinMax.set_size
    norm: Norm = MinMax.norm

    def __post_init__(self) -> None:
        self.losses = MinMax(self.crr, self.frr, self.sets, self.set_size, self.norm)

    def class_sets(self) -> tuple[int, int]:
        return self.sets, self.set_size

    def prepare(self, network: Network, optimizer: SGD) -> None:
        """Find fc, and stage I's group that it is in; refused where class maps are not made by one linear layer."""
        weight, self.first = network.fc.weight, optimizer
        (self.group,) = (
            number
            for number, group in enumerate(optimizer.param_groups)
            if any(parameter is weight for parameter in group["params"])
        )
        own = optimizer.param_groups[self.group]
        self.stage = StageTwo(network.cam, self.losses, Descent(own["lr"], own["momentum"], own["weight_decay"]))

    def after_step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Stage II; CRR and FRR before it."""
        del network
        self.stage.optimizer.param_groups[0]["lr"] = self.first.param_groups[self.group]["lr"]
        try:
            crr, frr, _ = self.stage.step(images, labels)
        except CamkitError as error:  # from a network that stage I broke, too
            remedy = str(error) if isinstance(error, Diverged) else "try a lower --lr"
            raise Diverged(remedy, "stage II") from error
        return {"crr": crr, "frr": frr}

    def state_dict(self) -> dict[str, Any]:
        """The momentum."""
        return self.stage.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.stage.optimizer.load_state_dict(state)
