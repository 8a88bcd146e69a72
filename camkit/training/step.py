"""What a process computes of a step, as one module: so that a process group averages the gradients of all of it."""

from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.training.method import Method
from camkit.training.network import Network


class StepModule(nn.Module):
    """The network, what the method trains beside it, and the method's loss of a batch.

    Parameters
    ----------
    network : Network
    method : Method
    """

    def __init__(self, network: Network, method: Method) -> None:
        super().__init__()
        self.model, self.beside = network.model, network.modules
        self.network, self.method = network, method

    def forward(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The figures of a step, of which ``"loss"`` is made small."""
        figures = self.method.step(self.network, images, labels)
        if not isinstance(figures, dict):
            return {"loss": figures}
        if "loss" not in figures:
            raise CamkitError(
                f"{type(self.method).__name__}.step gave {', '.join(figures) or 'nothing'}: one figure must be 'loss'"
            )
        return figures
