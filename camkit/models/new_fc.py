"""Another set of classes for a network that is there: its last linear layer is made anew."""

from torch import nn

from camkit.cam import CAM, Fc, find_fc
from camkit.errors import CamkitError


def with_new_fc(model: nn.Module, num_classes: int, size: tuple[int, int]) -> tuple[nn.Module, list[str]]:
    """The network with a fresh last linear layer, in place.

    Parameters
    ----------
    model : nn.Module
    num_classes : int
    size : tuple of int
        Height and width of an input.

    Returns
    -------
    model : nn.Module
    fresh : list of str
        Names of the new layer's parameters.

    Raises
    ------
    CamkitError
        Its classes are not one plain linear layer on pooled features.
    """
    cam = CAM(model, size)
    fc = find_fc(cam.model, cam.head)
    old = fc_module(model, fc)
    bias = fc.bias is not None
    fresh: nn.Module
    if isinstance(old, nn.Linear):
        fresh = nn.Linear(old.in_features, num_classes, bias)
    else:
        fresh = nn.Conv2d(old.in_channels, num_classes, 1, bias=bias)
    put_for(model, old, fresh)
    return model.eval(), [name for name, parameter in model.named_parameters() if parameter in set(fresh.parameters())]


def fc_module(model: nn.Module, fc: Fc) -> nn.Linear | nn.Conv2d:
    """The module that a head's linear layer is; `CamkitError` where it is none of its own."""
    old = next((module for module in model.modules() if getattr(module, "weight", None) is fc.weight), None)
    if old is not model and (type(old) is nn.Linear or (type(old) is nn.Conv2d and old.kernel_size == (1, 1))):
        return old
    raise CamkitError(
        f"{type(model).__name__}: its last layer ({fc.name}) is no Linear module of its own, and cannot be made "
        "anew for other classes: build the network with these classes yourself"
    )


def put_for(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module for another one, which may go by several names, and for those that share its weight."""
    weight = getattr(old, "weight", None)
    for name, module in list(model.named_modules(remove_duplicate=False)):
        if module is old or (weight is not None and getattr(module, "weight", None) is weight):
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, new)
