"""A model of which little may change."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(model: nn.Module, but: list[nn.Parameter]) -> Iterator[None]:
    """The model in eval mode, where only the parameters in `but` want a gradient; afterwards both are as before."""
    modes = {module: module.training for module in model.modules()}
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    kept = {id(parameter) for parameter in but}
    model.eval()
    for parameter in wanted:
        parameter.requires_grad_(id(parameter) in kept)
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, wants in wanted.items():
            parameter.requires_grad_(wants)
