"""The first part of a network that is a chain: its layers up to a module."""

from collections import OrderedDict

from torch import nn

from camkit.errors import CamkitError


def cut(model: nn.Module, at: str) -> nn.Sequential:
    """The layers up to the module `at` and that module, under their own names, one after the other.

    Parameters
    ----------
    model : nn.Module
        One whose forward runs its modules in their order; whether it does is for the caller to see. It stays as it is.
    at : str
        A module's name, such as ``layer4`` or ``features.29``.

    Returns
    -------
    nn.Sequential
        Of the model's own modules.

    Raises
    ------
    CamkitError
        There is no such module.
    """
    name, _, rest = at.partition(".")
    layers = OrderedDict[str, nn.Module]()
    for own, child in model.named_children():
        layers[own] = cut(child, rest) if own == name and rest else child
        if own == name:
            return nn.Sequential(layers)
    raise CamkitError(f"the network has no module {at!r:.80} to be cut after")
