"""Weightings that hold classes against each other: sums of the class weights, with coefficients that the logits say.

A map is linear in its weights, so that a sum of class maps costs one map.
"""

import math
import re
from collections.abc import Callable

import torch

from camkit.cam.weightings import FAMILIES, ClassWeights, Domain, Weighting, register_weighting
from camkit.errors import CamkitError

TWO = Domain(classes=2)
Gamma = Callable[[int], torch.Tensor]
"""``number of classes T -> coefficients (T,), float64``, the likeliest class's first."""


def finer(alpha: float = 1.0, compared: int = 3) -> Weighting:
    """Finer-CAM: the class's weights less `alpha` times those of the classes with the nearest logits.

    Zhang et al., CVPR 2025 (arXiv 2501.11309). The nearest are averaged by their probabilities, held fixed; of fewer
    classes than `compared`, all others.

    Parameters
    ----------
    alpha : float
        Strength of the comparison.
    compared : int
        Number of classes compared with.
    """

    def weigh(weights: ClassWeights, classes: torch.Tensor, logits: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        asked, every = classes[..., None], logits[:, None].expand(-1, classes.shape[1], -1)
        distance = (every - every.gather(2, asked)).abs().scatter(2, asked, torch.inf)
        nearest = distance.topk(min(compared, logits.shape[1] - 1), largest=False).indices
        shares = every.gather(2, nearest).softmax(-1)
        coefficients = torch.zeros_like(every).scatter(2, nearest, -alpha * shares).scatter(2, asked, 1.0)
        return weights.combined(coefficients)

    return weigh


def _finer_named(parameters: str) -> Weighting:
    """Of ``ALPHA`` or ``ALPHA:CLASSES``."""
    alpha, colon, compared = parameters.partition(":")
    try:
        strength, number = float(alpha), int(compared) if colon else 3
    except ValueError:
        strength, number = math.nan, 0
    if not (math.isfinite(strength) and strength >= 0 and number >= 1):
        raise CamkitError(f"weighting 'finer:{parameters}': write finer:ALPHA:CLASSES, such as finer:0.6:3")
    return finer(strength, number)


register_weighting("finer", Domain(classes=2, logits=True))(finer())
FAMILIES["finer"] = _finer_named


def first_minus_last(classes: int) -> torch.Tensor:
    gamma = torch.zeros(classes, dtype=torch.float64)
    gamma[0], gamma[-1] = 1, -1
    return gamma


def linear(classes: int) -> torch.Tensor:
    """From 1 to -1 in equal steps."""
    return torch.linspace(1, -1, classes, dtype=torch.float64)


def quadratic(classes: int) -> torch.Tensor:
    """From 1 to 0 as a square over the first half, from 0 to -1 over the last; an odd number shares a 0 in the middle.

    The public code writes 100 and 200 for the halves of CUB's classes; of 200 this is the same.
    """
    half = torch.linspace(1, 0, (classes + 1) // 2, dtype=torch.float64).square()
    return torch.cat([half, -half.flip(0)[classes % 2 :]])


def top(number: int) -> Gamma:
    """The mean of the first so many, or of all where there are fewer."""

    def gamma(classes: int) -> torch.Tensor:
        first = torch.arange(classes) < number
        return first / first.sum(dtype=torch.float64)

    return gamma


def ccam(gamma: Gamma) -> Weighting:
    """Combinational CAM, class by class: the asked class comes first, the others after it by their logits.

    Yang et al., WACV 2020: the sum over ranks k of gamma(k) times the k-th class's map.
    """

    def weigh(weights: ClassWeights, classes: torch.Tensor, logits: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        ranks, asked = _ranks(logits)[:, None], classes[..., None]
        own = ranks.expand(-1, classes.shape[1], -1).gather(2, asked)
        return weights.combined(gamma(logits.shape[1]).to(logits)[(ranks + (ranks < own)).scatter(2, asked, 0)])

    return weigh


def ccam_agnostic(gamma: Gamma) -> Weighting:
    """Combinational CAM as its public code has it: by the image's logits alone, one map for whatever class is asked."""

    def weigh(weights: ClassWeights, classes: torch.Tensor, logits: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        combined = weights.combined(gamma(logits.shape[1]).to(logits)[_ranks(logits)[:, None]])
        return combined.expand(-1, classes.shape[1], -1)

    return weigh


def _ranks(logits: torch.Tensor) -> torch.Tensor:
    """Of each class (N, T), 0 for the likeliest; of equals the first class's is lower."""
    return logits.argsort(dim=1, descending=True, stable=True).argsort(dim=1)


GAMMAS: dict[str, tuple[Gamma, Domain]] = {
    "t1b1": (first_minus_last, TWO),
    "linear": (linear, TWO),
    "quadratic": (quadratic, TWO),
    "top20": (top(20), Domain()),
}


def _ccam_named(name: str, kind: Callable[[Gamma], Weighting]) -> Callable[[str], Weighting]:
    """Of ``topN``."""

    def named(parameters: str) -> Weighting:
        found = re.fullmatch(r"top([1-9]\d{0,8})", parameters)
        if not found:
            raise CamkitError(
                f"weighting '{name}:{parameters}': write {', '.join(GAMMAS)} or another topN after {name}:"
            )
        return kind(top(int(found[1])))

    return named


for _family, _kind in {"ccam": ccam, "ccam-agnostic": ccam_agnostic}.items():
    for _name, (_gamma, _domain) in GAMMAS.items():
        register_weighting(f"{_family}:{_name}", _domain)(_kind(_gamma))
    FAMILIES[_family] = _ccam_named(_family, _kind)
