"""A copy of a network for others to hook and change, that shares its weights; and quiet, repeatable calls."""

import copy
import random
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch import nn

from camkit.adapters.layers import Layer
from camkit.cam.forward import eager, one_line
from camkit.cam.logits import logits_of, one_row_an_image
from camkit.errors import CamkitError

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
LOCK = threading.RLock()


class OwnCopy(nn.Module):
    """A network's modules copied, its parameters shared and frozen, its buffers copied; gives logits (N, K).

    Parameters
    ----------
    network : nn.Module
    output : int or None
        Which of the tensors that it returns the logits are, as of `camkit.cam.logits.logits_of`.
    layers : sequence of Layer
        Each gets a module that hands on its map as (N, C, h, w); `maps` has them.

    Raises
    ------
    CamkitError
        The network cannot be copied.
    """

    def __init__(self, network: nn.Module, output: int | None, layers: tuple[Layer, ...] = ()) -> None:
        super().__init__()
        self.shared = memory_of(network)
        self.inside, self.output, self.shown = copied(network), output, 0
        self.maps = [self._map_of(layer, f"map_{number}") for number, layer in enumerate(layers)]
        self.eval()
        self.before = state(self)

    def _map_of(self, layer: Layer, name: str) -> nn.Module:
        module = self.inside.get_submodule(layer.name)
        if layer.order == "channels first":
            return module

        def through(_module: nn.Module, _args: Any, tensor: torch.Tensor) -> torch.Tensor:
            found = self.get_submodule(name)(layer.as_map(tensor, self.image_size))
            return layer.back(found, tensor)

        self.add_module(name, nn.Identity())
        module.register_forward_hook(through)
        return self.get_submodule(name)

    def __getattr__(self, name: str) -> Any:
        """What is none of its own is the network's: some extractors look for its parts by name."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inside"), name)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.shown += len(images)
        self.image_size = (images.shape[-2], images.shape[-1])
        return one_row_an_image(logits_of(self.inside(images), number=self.output), len(images))

    def is_fresh(self, network: nn.Module) -> bool:
        """Whether it still is the network, and nobody left anything in it."""
        return self.shared == memory_of(network) and self.before == state(self)


def copied(network: nn.Module) -> nn.Module:
    """The network's modules anew, with its parameters' memory, frozen, and buffers of their own."""
    memo: dict[int, Any] = {}
    for module in network.modules():
        for value in vars(module).values():
            if isinstance(value, torch.Tensor):  # such as the weight that an old weight norm leaves
                memo[id(value)] = value.detach()
    memo |= {id(one): nn.Parameter(one.detach(), requires_grad=False) for one in network.parameters()}
    memo |= {id(one): one.detach().clone() for one in network.buffers()}
    try:
        return copy.deepcopy(network, memo)
    except Exception as error:  # other people's networks fail in their own ways
        raise CamkitError(
            f"the network cannot be copied ({one_line(error)}), and extractors of other libraries work on a copy"
        ) from error


def memory_of(network: nn.Module) -> list[tuple[int, int]]:
    """Where parameters and buffers lie, and how often the buffers, which are copied, were written to."""
    buffers = [(one.data_ptr(), 0 if one.is_inference() else one._version) for one in network.buffers()]
    return [(one.data_ptr(), 0) for one in network.parameters()] + buffers


def state(network: nn.Module) -> list[tuple[int, ...]]:
    """Which modules a network has, each with its number of hooks."""
    return [(id(module), *(len(getattr(module, hooks)) for hooks in HOOKS)) for module in network.modules()]


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """One call at a time, with gradients, without progress bars and warnings, drawing the same numbers each time."""
    drawn = np.random.get_state(), random.getstate()
    devices = [device] if device.type == "cuda" else []
    with (
        LOCK,
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.random.fork_rng(devices),
        torch.autocast(device.type, enabled=False),
        eager(),
        redirect_stdout(StringIO()),
        redirect_stderr(StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        try:
            yield
        finally:
            np.random.set_state(drawn[0])
            random.setstate(drawn[1])
