"""Finer maps from the same weights: the last strided layers at stride 1, the layers after them dilated.

A layer whose input became ``finer`` times finer must leave out ``finer - 1`` positions between two taps to see what it
was trained on. Then every ``finer``-th position of the new map is a position of the old one, up to norms and gates that
average over the whole map.
"""

import copy
import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.utils import _pair, _reverse_repeat_tuple

from camkit.cam.extractor import example_images
from camkit.errors import CamkitError
from camkit.models.messages import one_line

Size = tuple[int, int]


class DilatedAvgPool2d(nn.Module):
    """``pool`` at stride 1 with gaps between its taps; windows that leave the map on the right count what they hold."""

    def __init__(self, pool: nn.AvgPool2d, dilation: int, padding: Size, beyond: Size) -> None:
        super().__init__()
        self.kernel, self.dilation, self.padding, self.beyond = _pair(pool.kernel_size), dilation, padding, beyond
        self.count_include_pad, self.divisor = pool.count_include_pad, pool.divisor_override

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (top, left), (below, right) = self.padding, self.beyond
        around = (left, left, top, top)
        counted = F.pad(torch.ones_like(x[:1, :1]), around, value=float(self.count_include_pad))
        x, counted = (F.pad(t, (0, right, 0, below)) for t in (F.pad(x, around), counted))
        taps = x.new_ones(x.shape[1], 1, *self.kernel)
        total = F.conv2d(x, taps, dilation=self.dilation, groups=x.shape[1])
        return total / (self.divisor or F.conv2d(counted, taps[:1], dilation=self.dilation))


LAYERS = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, DilatedAvgPool2d)


@dataclass(frozen=True)
class Layer:
    """A convolution or pooling as one forward pass met it.

    Attributes
    ----------
    name : str
    module : nn.Module
    before, after : tuple of int
        Height and width of its input and its output.
    enters, leaves : int
        Pixels of the image that one position of its input and of its output stands for, along a side: powers of 2.
    """

    name: str
    module: Any
    before: Size
    after: Size
    enters: int
    leaves: int


def set_output_stride(model: nn.Module, stride: int, dilate: bool = True, size: Size = (224, 224)) -> nn.Module:
    """The same network with one map position for `stride` pixels.

    Parameters
    ----------
    model : nn.Module
        In eval mode. It stays as it is.
    stride : int
        Pixels a position, along a side: a power of 2 below the network's own.
    dilate : bool
        Dilate the layers after, so that pretrained weights see the neighbourhood that they know. Without it, layers
        are at plain stride 1, for a network that is to be trained so.
    size : tuple of int
        Height and width of images that the model takes.

    Returns
    -------
    nn.Module
        A copy that shares the model's parameters and buffers.

    Raises
    ------
    CamkitError
        If the network cannot: it goes down in other ways than strided convolutions and poolings.
    """
    wanted = f"output stride {stride}"
    old = layers_met(model, size, wanted)
    own = max((layer.leaves for layer in old), default=1)
    if own < stride or stride < 1:
        raise CamkitError(f"{wanted}: this model's convolutions and poolings go no further than {own}; leave it out")
    tensors: list[torch.Tensor] = [*model.parameters(), *model.buffers()]
    fine = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    modules = dict(fine.named_modules())
    for name in dict.fromkeys(layer.name for layer in old):
        steps = {(layer.enters, layer.leaves) for layer in old if layer.name == name}
        if len(steps) > 1 and max(leaves for _, leaves in steps) > stride:
            raise CamkitError(f"{wanted}: {name} works on maps of several strides; give each its own module")
    for layer in {layer.name: layer for layer in old}.values():
        refine(fine, modules[layer.name], layer, stride, dilate)
    try:
        new = layers_met(fine, size, wanted)
    except CamkitError as error:
        if dilate and _works_undilated(model, stride, size):
            raise CamkitError(f"{error}; it runs without dilation: --no-dilation (dilate=False)") from error
        raise
    if [min(layer.leaves, stride) for layer in old] != [layer.leaves for layer in new]:
        raise CamkitError(f"{wanted}: the map also shrinks by an operation that is no convolution or pooling layer")
    return fine


def _works_undilated(model: nn.Module, stride: int, size: Size) -> bool:
    try:
        set_output_stride(model, stride, False, size)
    except CamkitError:
        return False
    return True


def layers_met(model: nn.Module, size: Size, wanted: str) -> list[Layer]:
    """The layers on maps (not on pooled vectors) in the order in which a forward pass meets them."""
    met: list[Layer] = []

    def recorder(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(module: nn.Module, args: Any, output: Any) -> None:
            before, after = ((int(t.shape[-2]), int(t.shape[-1])) for t in (args[0], output))
            if (1, 1) not in (before, after):
                enters, leaves = pixels_a_position(size, before), pixels_a_position(size, after)
                met.append(Layer(name, module, before, after, enters, leaves))

        return record

    with ExitStack() as hooks, torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, LAYERS):
                hooks.callback(module.register_forward_hook(recorder(name)).remove)
        try:
            model(example_images(model, size)[:1])
        except Exception as error:  # other people's networks fail in their own ways
            raise CamkitError(
                f"{wanted}: the model cannot be run so at {size[0]}x{size[1]}: {one_line(error)}"
            ) from error
    return met


def pixels_a_position(image: Size, at: Size) -> int:
    """The power of 2 nearest to how many times the map is smaller than the image, along a side."""
    shrunk = math.sqrt(image[0] * image[1] / (at[0] * at[1]))
    return int(2 ** max(0, round(math.log2(shrunk))))


def refine(model: nn.Module, module: Any, layer: Layer, stride: int, dilate: bool) -> None:
    """Set one layer of the finer network."""
    finer = max(1, layer.enters // stride)
    step = layer.leaves // layer.enters
    strided = layer.leaves > max(stride, layer.enters)
    if not strided and finer == 1:
        return
    if layer.enters < stride < layer.leaves or _pair(module.stride) != (step, step):
        raise CamkitError(
            f"output stride {stride}: {layer.name} takes {step}x{step} positions to one at once, as patch embeddings do"
        )
    gap = finer if dilate else 1
    kernel, dilation = _pair(module.kernel_size), _pair(getattr(module, "dilation", 1))
    pads_itself = isinstance(module.padding, str) or not _as_declared(module, layer)
    padding = (0, 0) if isinstance(module.padding, str) else _pair(module.padding)
    spans = [gap * d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    keeps = all(math.ceil(b / step) == a for b, a in zip(layer.before, layer.after, strict=True))
    beyond = (0, 0)
    if strided and keeps and not pads_itself:  # as many positions after as before
        beyond = (spans[0] - 2 * gap * padding[0], spans[1] - 2 * gap * padding[1])
    if min(beyond) < 0:
        raise CamkitError(f"output stride {stride}: {layer.name} pads by more than its kernel reaches")
    padding = (gap * padding[0], gap * padding[1])
    if isinstance(module, nn.AvgPool2d):
        replace(model, layer.name, DilatedAvgPool2d(module, gap, padding, beyond))
        return
    module.stride, module.dilation = (1, 1), (gap * dilation[0], gap * dilation[1])
    pads = (0, beyond[1], 0, beyond[0])
    if isinstance(module, nn.MaxPool2d):  # its own padding may not go beyond half of an undilated window
        pads = (padding[1], padding[1] + beyond[1], padding[0], padding[0] + beyond[0])
        module.padding = (0, 0)
    elif not pads_itself:
        module.padding = padding
    if getattr(module, "padding_mode", "zeros") != "zeros":
        module._reversed_padding_repeated_twice = _reverse_repeat_tuple(padding, 2)
    if any(pads):
        value = -math.inf if isinstance(module, nn.MaxPool2d) else 0.0
        replace(model, layer.name, nn.Sequential(nn.ConstantPad2d(pads, value), module))


def _as_declared(module: Any, layer: Layer) -> bool:
    """Whether the output has the size that the layer's settings make, and not one that it pads its input for."""
    settings = zip(_pair(module.kernel_size), _pair(module.stride), _pair(module.padding),
                   _pair(getattr(module, "dilation", 1)), layer.before, layer.after, strict=True)  # fmt: skip
    rounded = math.ceil if getattr(module, "ceil_mode", False) else math.floor
    return all(abs(rounded((b + 2 * p - d * (k - 1) - 1) / s) + 1 - a) <= (rounded is math.ceil)
               for k, s, p, d, b, a in settings)  # fmt: skip


def replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module where another one is."""
    parent, _, own = name.rpartition(".")
    model.get_submodule(parent).register_module(own, module)
