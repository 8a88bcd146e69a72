"""Weightings: which weight each channel has in a class map. Each is one small function; a new one goes beside them.

Here are those that look at the asked class's own weights, and the registry; `camkit.cam.combinations` has those that
hold classes against each other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from camkit.cam.affine import tolerance
from camkit.cam.head import Head
from camkit.errors import CamkitError


class ClassWeights(Protocol):
    """The class weights of a batch's images, for a weighting to read."""

    def __getitem__(self, classes: torch.Tensor, /) -> torch.Tensor:
        """Weights (N, K, C) of classes (N, K): what the mean of each channel counts for in the class's logit."""

    def combined(self, coefficients: torch.Tensor, /) -> torch.Tensor:
        """``sum_k coefficient_k w_k`` over all classes, (N, K, classes) -> (N, K, C)."""


Weighting = Callable[[ClassWeights, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""``(class weights, classes (N, K), logits (N, classes), pooled features (N, C)) -> weights (N, K, C)``.

Whatever the head: ``(weights[classes] * pooled[:, None]).sum(-1)`` is what the channels add up to in the logits.
"""


@dataclass(frozen=True)
class Domain:
    """Where a weighting is what its source says; elsewhere it is refused.

    Attributes
    ----------
    affine : bool
        Only where logits are affine in the pooled features, once a norm's number is held fixed.
    mean : bool
        Only where the network pools by the mean over positions, or the sum: its gradient is the same at each of them.
    logits : bool
        Only where the model's logits are known, not its probabilities alone.
    classes : int
        Only of a model with so many classes.
    undefined : str
        Why an image whose logits are numbers can be without a map; its weights are then NaN.
    """

    affine: bool = False
    mean: bool = False
    logits: bool = False
    classes: int = 1
    undefined: str = ""


WEIGHTINGS: dict[str, Weighting] = {}
DOMAINS: dict[str, Domain] = {}
FAMILIES: dict[str, Callable[[str], Weighting]] = {}
"""Weightings with parameters in their names: of ``finer:0.6:5`` the function is asked for ``0.6:5``."""


def built_in_weightings() -> tuple[str, ...]:
    """The names of camkit's own, without parameters."""
    return tuple(name for name, function in WEIGHTINGS.items() if function.__module__.startswith("camkit.cam."))


def register_weighting(name: str, domain: Domain | None = None) -> Callable[[Weighting], Weighting]:
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
        if name in built_in_weightings():
            raise CamkitError(f"camkit has a weighting called {name!r}: give this one another name")
        WEIGHTINGS[name], DOMAINS[name] = weighting, domain or Domain()
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


@register_weighting("gradcam++", Domain(mean=True, undefined="2 + w+ * mean(A) is not above 0 for one of its channels, "
                                 "whose features are negative on average"))  # fmt: skip
def grad_cam_plus_plus(weights: ClassWeights, classes: torch.Tensor, _: Any, pooled: torch.Tensor) -> torch.Tensor:
    """Grad-CAM++ at the last map: ``w+ / (2 + w+ mean(A))``, NWC with busy channels damped.

    Of a gradient ``g = w / hw`` that is the same at all positions, ``alpha = g^2 / (2 g^2 + g^3 sum A)`` and
    ``sum alpha relu(g)`` come to that (Chattopadhay et al., WACV 2018, Eq. 19).
    """
    positive_part = weights[classes].clamp(min=0)
    damping = 2 + positive_part * pooled[:, None]
    return (positive_part / damping).masked_fill((damping <= 0).any(-1, keepdim=True), torch.nan)


@register_weighting("ablation", Domain(affine=True, undefined="it divides by the class's logit, which is 0"))
def ablation(weights: ClassWeights, classes: torch.Tensor, logits: torch.Tensor, pooled: torch.Tensor) -> torch.Tensor:
    """Ablation-CAM: the share of the logit that is lost with the channel, ``w mean(A) / logit``.

    Desai and Ramaswamy, WACV 2020. As published, a logit below 0 turns the map's sign round.
    """
    score = logits.gather(1, classes)[..., None]
    return (weights[classes] * pooled[:, None] / score).masked_fill(score == 0, torch.nan)


def weighting_named(name: str) -> Weighting:
    """The weighting of that name, or of that family and those parameters.

    Raises
    ------
    CamkitError
        If there is none.
    """
    if name in WEIGHTINGS:
        return WEIGHTINGS[name]
    family, _, parameters = name.partition(":")
    if parameters and family in FAMILIES:
        return FAMILIES[family](parameters)
    raise CamkitError(f"weighting {name!r} is unknown: choose one of {', '.join(WEIGHTINGS)}")


def domain_of(name: str) -> Domain:
    """Where the weighting of that name holds."""
    return DOMAINS.get(name) or DOMAINS.get(name.partition(":")[0]) or Domain()


def why_not(name: str, head: Head) -> str:
    """Why a weighting does not hold on a head; empty where it does."""
    domain = domain_of(name)
    if head.num_classes < domain.classes:
        return f"it holds classes against each other, and the model has {head.num_classes}"
    if domain.mean and head.pool is not None:
        return f"its gradient is not the same at every position under {type(head.pool).__name__}"
    if domain.logits and head.activation == "probabilities":
        return "it needs logits, and the model returns probabilities whose logits are not known"
    if domain.affine and head.kind == "linearised":
        return "it needs logits that are affine in the pooled features, and this head is linearised"
    if (domain.affine or domain.mean) and head.kind == "given" and not head.completeness <= tolerance(head.weight):
        return "the weights of the head that --head names do not give the model's logits"
    return ""


def refuse_unfit(name: str, head: Head) -> None:
    """`CamkitError` where a weighting is unknown or does not hold on a head."""
    weighting_named(name)
    if reason := why_not(name, head):
        raise CamkitError(f"weighting {name!r} does not hold on this model: {reason}; take another one")


def refuse_undefined(name: str, maps: torch.Tensor) -> None:
    """`CamkitError` where a weighting has no map of an image whose logits are numbers, with the reason."""
    reason = domain_of(name).undefined
    if reason and bool(maps.isnan().any()):
        raise CamkitError(f"weighting {name!r} has no map of it: {reason}")
