"""What camkit knows of a library of extractors: how its methods are listed, made and asked."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar

import torch
from torch import nn

from camkit.errors import CamkitError

Method = type[Any]
MANY = 64  # layers: more than anyone names


@dataclass(frozen=True, eq=False)
class Ask:
    """One class for each of some images, and what a method may want to know beside them.

    Attributes
    ----------
    network : nn.Module
        Images (n, channels, H, W) to logits (n, K); the library may hook and change it as it likes.
    images : Tensor (n, channels, H, W)
        That want gradients.
    classes : list of int
        One an image.
    layers : list of nn.Module
        Where the map is taken, each handing on a tensor (n, C, h, w); empty for methods that take none.
    classifier : nn.Module or None
        Of the network's head, where camkit found one.
    tokens : tuple or None
        Of a layer that hands on tokens: how many stand before those of the grid, and the grid (h, w).
    """

    network: nn.Module
    images: torch.Tensor
    classes: list[int]
    layers: list[nn.Module]
    classifier: nn.Module | None = None
    tokens: tuple[int, tuple[int, int]] | None = None


class Library(ABC):
    """A library of extractors.

    Attributes
    ----------
    name : str
        Of its distribution, as ``pip install`` takes it.
    module : str
        As it is imported.
    stretched_from : int
        From how many layers on each map comes stretched to [0, 1].
    without_layer : str
        What the maps of a method that takes no layer are of.
    """

    name: ClassVar[str]
    module: ClassVar[str]
    stretched_from: ClassVar[int]
    without_layer: ClassVar[str] = "of the input"

    @property
    def installed(self) -> bool:
        return find_spec(self.module) is not None

    @property
    def version(self) -> str:
        return version(self.name)

    @abstractmethod
    def methods(self) -> dict[str, Method]:
        """Its extractors of class maps by name, read off the library itself."""

    def most_layers(self, method: Method) -> int:
        """How many layers a method takes at most."""
        names = parameters(method)
        return MANY if {"target_layer", "target_layers"} & set(names) else int("layer" in names)

    def stretches(self, layers: int) -> bool:
        """Whether maps of so many layers come stretched to [0, 1]."""
        return layers >= self.stretched_from

    @abstractmethod
    def maps(self, method: Method, ask: Ask) -> torch.Tensor:
        """Class maps (n, h, w), one an image."""

    def wants_tokens(self, method: Method) -> bool:
        """Whether the layer is to hand on tokens as they are, and not as a map."""
        return "prefix_tokens" in parameters(method)

    def method(self, name: str) -> Method:
        """The extractor of that name.

        Raises
        ------
        CamkitError
            The library is not installed or cannot be imported, or has no such extractor.
        """
        if not self.installed:
            raise CamkitError(
                f"--maps-by {self.name}:{name} needs {self.name}, which is not installed: pip install 'camkit[peers]'"
            )
        try:
            found = self.methods()
        except ImportError as error:
            raise CamkitError(f"{self.name} {self.version} cannot be imported: {error}") from error
        if name not in found:
            wrong = f"has no extractor {name}; it has" if name else "has"
            raise CamkitError(f"{self.name} {self.version} {wrong} {', '.join(found)}")
        return found[name]


def parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def required(function: Callable[..., Any]) -> set[str]:
    """Names of the arguments that have no default."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name for name, one in parameters(function).items()
            if one.default is one.empty and one.kind not in variable and name != "self"}  # fmt: skip


def accepted(function: Callable[..., Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the known arguments that a function names and that are not None."""
    names = parameters(function)
    return {name: value for name, value in known.items() if name in names and value is not None}
