"""Which layer's map a method takes, and how tokens and channels-last tensors become maps (N, C, h, w) for it."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from camkit.cam import CAM
from camkit.cam.centres import maps_handed_on
from camkit.cam.forward import called
from camkit.cam.head import FeatureMap, Head, grid
from camkit.cam.logits import record
from camkit.errors import CamkitError, HeadNotFound

PREFIX = 8  # tokens before those of the grid: of the class, of a teacher, registers
CHANNELS_LAST = 3  # the axis
HEAD = "the feature map of the network's head"
BEFORE = "what the network makes its head's feature map of"
LAST = "the last module that hands on a map (N, C, h, w)"
NAMED = "as named"

Order = Literal["channels first", "channels last", "tokens"]


@dataclass(frozen=True)
class Layer:
    """A module, and how what it hands on is a map.

    Attributes
    ----------
    name : str
    order : Order
        (N, C, h, w), (N, h, w, C), or (N, tokens, C).
    prefix : int
        Tokens that stand before those of the grid.
    size : tuple of int
        Of the map at the size of the input that it was found with.
    """

    name: str
    order: Order
    prefix: int
    size: tuple[int, int]

    def as_map(self, tensor: torch.Tensor, image_size: tuple[int, int]) -> torch.Tensor:
        """What the module hands on, as (N, C, h, w)."""
        if self.order == "channels last":
            return tensor.permute(0, 3, 1, 2)
        if self.order == "tokens":
            kept = tensor[:, self.prefix :]
            found: torch.Tensor = kept.transpose(1, 2).unflatten(2, grid(kept.shape[1], image_size))
            return found
        return tensor

    def back(self, found: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
        """A map as the module handed it on; the tokens before the grid's are those of `tensor`."""
        if self.order == "channels last":
            return found.permute(0, 2, 3, 1)
        if self.order == "tokens":
            return torch.cat([tensor[:, : self.prefix], found.flatten(2).transpose(1, 2)], 1)
        return found

    def __str__(self) -> str:
        h, w = self.size
        before = f" after {self.prefix} token{'s' * (self.prefix > 1)}" * (self.prefix > 0)
        return f"{self.name} ({h}x{w} positions{before})"


@dataclass(frozen=True)
class Layers:
    """The layers whose maps are taken, who chose them, and the module that the head's class weights are in."""

    layers: tuple[Layer, ...]
    by: str
    classifier: str = ""

    def __str__(self) -> str:
        return ", ".join(map(str, self.layers))


def choose_layers(network: nn.Module, images: torch.Tensor, names: tuple[str, ...]) -> Layers:
    """The layers that are named; else the head's feature map; else the last module that hands on a map.

    Parameters
    ----------
    network : nn.Module
    images : Tensor (n, channels, H, W)
    names : tuple of str

    Raises
    ------
    CamkitError
        There is no such module, or what it hands on is no map.
    """
    size = (images.shape[-2], images.shape[-1])
    shapes = outputs_of(network, images)
    try:
        head: Head | None = CAM(network, size).head
    except HeadNotFound:
        head = None  # the network is refused by camkit's own maps, and not by these
    classifier = "" if head is None else head.classifier
    last = last_map(network, images, shapes)
    if names:
        known = last.size if last is not None else None
        grid_size = known if head is None else head.map_size
        feature_map = None if head is None else head.feature_map
        prefer_last = isinstance(feature_map, FeatureMap) and feature_map.axis == CHANNELS_LAST
        found = tuple(named(name, shapes, network, size, grid_size, prefer_last) for name in names)
        return Layers(found, NAMED, classifier)
    own = None if head is None else of_head(head, shapes)
    if own is not None and head is not None:
        return Layers((own,), BEFORE if head.feature_map.copies else HEAD, classifier)
    if last is None:
        raise CamkitError("no module of the network hands on a map (N, C, h, w): name the layer, LIBRARY:METHOD@LAYER")
    return Layers((last,), LAST, classifier)


def of_head(head: Head, shapes: dict[str, torch.Size]) -> Layer | None:
    """The module that hands on the head's feature map; None where none does, or in an order that is not known here."""
    feature_map, size = head.feature_map, head.map_size
    if not isinstance(feature_map, FeatureMap):  # what attention takes from the patches comes out of no module
        return None
    place = feature_map.place
    if place.side != "output" or place.module not in shapes:
        return None
    shape, axis = shapes[place.module], feature_map.axis
    own: Layer | None
    if len(shape) == 4 and not feature_map.tokens and axis in (1, CHANNELS_LAST):
        own = four(place.module, shape, last=axis == CHANNELS_LAST)
    elif len(shape) == 3 and axis == 2:
        own = tokens(place.module, shape, size)
    else:
        return None
    return own if own is not None and own.size == size else None


@torch.no_grad()
def outputs_of(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Size]:
    """Shapes of what the modules hand on, by name, in the order in which they are done; tensors alone."""
    shapes: dict[str, torch.Size] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            shapes.pop(name, None)
            if isinstance(output, torch.Tensor) and output.ndim and len(output) == len(images):
                shapes[name] = output.shape

        return hook

    handles = [module.register_forward_hook(note(name)) for name, module in network.named_modules() if name]
    try:
        called(network, images)
    finally:
        for handle in handles:
            handle.remove()
    return shapes


def last_map(network: nn.Module, images: torch.Tensor, shapes: dict[str, torch.Size]) -> Layer | None:
    """The last module that hands on a map of more than one position in height and width.

    One whose positions can be followed back to the images' pixels goes before any that cannot: queries (N, heads,
    tokens, width) have the shape of a map, and are none.
    """
    size = (images.shape[-2], images.shape[-1])
    maps = [four(name, shape, last=is_last(shape, size)) for name, shape in shapes.items() if len(shape) == 4]
    maps = [layer for layer in reversed(maps) if min(layer.size) > 1]
    known = maps_handed_on(record(network, images).end)
    return next((layer for layer in maps if layer.name in known), maps[0] if maps else None)


def is_last(shape: torch.Size, image_size: tuple[int, int], prefer: bool = False) -> bool:
    """Whether the channels of a tensor (n, a, b, c) are its last axis: whether a x b is nearer the image's shape.

    Where both are as near, `prefer` says.
    """

    def away(h: int, w: int) -> float:
        return abs(math.log(h * image_size[1] / (w * image_size[0]))) if h and w else math.inf

    first, last = away(shape[2], shape[3]), away(shape[1], shape[2])
    return prefer if first == last else last < first


def four(name: str, shape: torch.Size, *, last: bool) -> Layer:
    """A layer that hands on a tensor of four axes."""
    if last:
        return Layer(name, "channels last", 0, (shape[1], shape[2]))
    return Layer(name, "channels first", 0, (shape[2], shape[3]))


def tokens(name: str, shape: torch.Size, size: tuple[int, int] | None) -> Layer | None:
    """A layer that hands on tokens of a grid of that size, a few others before them; None where it cannot be."""
    prefix = -1 if size is None else shape[1] - size[0] * size[1]
    return Layer(name, "tokens", prefix, size) if size is not None and 0 <= prefix <= PREFIX else None


def named(
    name: str,
    shapes: dict[str, torch.Size],
    network: nn.Module,
    image_size: tuple[int, int],
    size: tuple[int, int] | None,
    prefer_last: bool,
) -> Layer:
    """The layer of that name; `size` is of a grid of tokens."""
    if name not in dict(network.named_modules()) or not name:
        there = [one for one, shape in shapes.items() if len(shape) == 4 and min(shape) > 1]
        raise CamkitError(f"the network has no module {name!r}; maps come out of {', '.join(there[-5:]) or 'none'}")
    if name not in shapes:
        raise CamkitError(f"module {name} hands on no tensor of one row an image: name another layer")
    shape = shapes[name]
    found: Layer | None = None
    if len(shape) == 4:
        found = four(name, shape, last=is_last(shape, image_size, prefer_last))
    elif len(shape) == 3:
        found = tokens(name, shape, size)
    if found is None:
        raise CamkitError(
            f"module {name} hands on a tensor {tuple(shape)}, and neither a map (N, C, h, w) nor the tokens of one: "
            "name another layer"
        )
    return found
