"""Weightings: which weight each channel has in a class map. Each is one small function; a new one goes beside them."""

from collections.abc import Callable
from typing import Any, Protocol

import torch

from camkit.errors import CamkitError


class ClassWeights(Protocol):
    """The class weights of a batch's images, for a weighting to read."""

    def __getitem__(self, classes: torch.Tensor, /) -> torch.Tensor:
        """Weights (N, K, C) of classes (N, K): what the mean of each channel counts for in the class's logit."""

    def combined(self, coefficients: torch.Tensor, /) -> torch.Tensor:
        """``sum_k coefficient_k w_k`` over all classes, (N, K, classes) -> (N, K, C)."""


Weighting = Callable[[ClassWeights, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""``(class weights, classes (N, K), logits (N, classes), pooled features (N, C)) -> weights (N, K, C)``."""

WEIGHTINGS: dict[str, Weighting] = {}


def register_weighting(name: str) -> Callable[[Weighting], Weighting]:
    """Let recipes and class maps know a weighting by a name of its own; one of yours is replaced.

    Raises
    ------
    CamkitError
        The name is one of camkit's own.

    Examples
    --------
    >>> @register_weighting("halved")
    ... def halved(weights, classes, logits, pooled):
    ...     return weights[classes] / 2
    >>> weighting_named("halved") is halved
    True
    """

    def register(weighting: Weighting) -> Weighting:
        if name in WEIGHTINGS and WEIGHTINGS[name].__module__ == __name__:
            raise CamkitError(f"camkit has a weighting called {name!r}: give this one another name")
        WEIGHTINGS[name] = weighting
        return weighting

    return register


@register_weighting("signed")
def signed(weights: ClassWeights, classes: torch.Tensor, *_: Any) -> torch.Tensor:
    """The class activation map: all weights (Rethinking CAM, Eq. 2)."""
    return weights[classes]


@register_weighting("positive")
def positive(weights: ClassWeights, classes: torch.Tensor, *_: Any) -> torch.Tensor:
    """Negative weight clamping (NWC; Rethinking CAM, Eq. 5)."""
    return weights[classes].clamp(min=0)


@register_weighting("negative")
def negative(weights: ClassWeights, classes: torch.Tensor, *_: Any) -> torch.Tensor:
    """What NWC leaves out: signed is the sum of positive and negative."""
    return weights[classes].clamp(max=0)


def weighting_named(name: str) -> Weighting:
    """The weighting of that name.

    Raises
    ------
    CamkitError
        If there is none.
    """
    if name not in WEIGHTINGS:
        raise CamkitError(f"weighting {name!r} is unknown: choose one of {', '.join(WEIGHTINGS)}")
    return WEIGHTINGS[name]
