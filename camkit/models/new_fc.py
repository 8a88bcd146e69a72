"""Another set of classes for a network that is there: its last linear layer is made anew."""

from torch import nn

from camkit.cam import CAM, find_fc
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
    owners = [name for name, module in model.named_modules() if getattr(module, "weight", None) is fc.weight]
    old = model.get_submodule(owners[0]) if owners and owners[0] else None
    fresh: nn.Module
    bias = fc.bias is not None
    if type(old) is nn.Linear:
        fresh = nn.Linear(old.in_features, num_classes, bias)
    elif type(old) is nn.Conv2d and old.kernel_size == (1, 1):
        fresh = nn.Conv2d(old.in_channels, num_classes, 1, bias=bias)
    else:
        raise CamkitError(
            f"{type(model).__name__}: its last layer ({fc.name}) is no Linear module of its own, and cannot be made "
            "anew for other classes: build the network with these classes yourself"
        )
    for name in owners:  # one module may go by several names
        parent, _, own = name.rpartition(".")
        setattr(model.get_submodule(parent), own, fresh)
    return model.eval(), [name for name, parameter in model.named_parameters() if parameter in set(fresh.parameters())]
