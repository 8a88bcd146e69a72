"""What a backbone of the papers is, and what its builders share."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from camkit.input_spec import InputSpec

HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Backbone:
    """A network of the weakly supervised localization literature, and what training must know of it.

    Attributes
    ----------
    build : callable
        Number of classes to the network, with random weights: images (N, 3, H, W) to logits (N, K).
    input : InputSpec
        What it wants to be shown.
    new_layers : tuple of str
        Parts of parameter names that mark layers without published weights, which learn at ten times the rate.
    adl_at : tuple of str
        Names of the modules after which ADL sits.
    pretrained : str or None
        The torchvision classifier whose published weights fit all layers but the new ones; None: there are none.
    """

    build: Callable[[int], nn.Module]
    input: InputSpec
    new_layers: tuple[str, ...]
    adl_at: tuple[str, ...]
    pretrained: str | None = None

    def is_new(self, parameter: str) -> bool:
        """Whether this parameter belongs to a new layer.

        Parameters
        ----------
        parameter : str
            A name as ``model.named_parameters()`` gives it.
        """
        return not set(self.new_layers).isdisjoint(parameter.split("."))


def chain(**layers: nn.Module) -> nn.Sequential:
    """Named layers, one after the other."""
    return nn.Sequential(OrderedDict(layers))


def initialise(model: nn.Module) -> nn.Module:
    """He's normal initialisation for convolutions (fan out), small normal weights for linear layers, as torchvision."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return model
