"""How a class map becomes a box: weighting, normalisation, interpolation and threshold together, under one name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from camkit.boxes import (
    THRESHOLDS,
    Interpolation,
    MaxThreshold,
    Normalization,
    PercentileThreshold,
    Threshold,
    ThresholdRule,
    Window,
    boxes_from_maps,
    normalize_maps,
    resize_maps,
)
from camkit.boxes.thresholds import level
from camkit.cam.weightings import weighting_named
from camkit.errors import CamkitError, user_errors

# What a settings file can name. Version 0.1.0 wrote the first two.
RULES: dict[str, Callable[..., ThresholdRule]] = {
    "MaxThreshold": MaxThreshold,
    "PercentileThreshold": PercentileThreshold,
    "Threshold": Threshold,
}
OWN_RULES: dict[str, ThresholdRule] = {}  # `register_threshold` adds to them


@dataclass(frozen=True)
class Recipe:
    """One way from class map to box.

    Attributes
    ----------
    weighting : str
        A name in `camkit.cam.WEIGHTINGS`: "signed" is the plain class activation map, "positive" negative weight
        clamping (NWC).
    threshold : ThresholdRule
        `PercentileThreshold` is PaS, `MaxThreshold` the plain rule; both are points of the family `Threshold`.
    normalization : {"minmax", "none"}
        Of the resized map, before the threshold.
    interpolation : {"bilinear", "bicubic"}

    Raises
    ------
    CamkitError
        A name is unknown.

    Examples
    --------
    >>> print(Recipe.named("nwc"))
    positive weights, 0.2 of the maximum, min-max
    """

    weighting: str = "positive"
    threshold: ThresholdRule = field(default_factory=PercentileThreshold)
    normalization: Normalization = "minmax"
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        weighting_named(self.weighting)
        for name, known in {"normalization": Normalization, "interpolation": Interpolation}.items():
            if getattr(self, name) not in get_args(known):
                raise CamkitError(f"{name} is {getattr(self, name)!r}: one of {', '.join(get_args(known))} is known")

    def __str__(self) -> str:
        scale = "min-max" if self.normalization == "minmax" else "not normalised"
        return f"{self.weighting} weights, {name_of(self.threshold)}, {scale}"

    @classmethod
    def named(cls, name: str) -> "Recipe":
        """A recipe by its name.

        "cam", "nwc", "pas" and "nwc+pas" are the papers', with the thresholds of the paper and the field. All others
        are ``WEIGHTING+THRESHOLD``: a name in `camkit.cam.WEIGHTINGS` (or cam and nwc, for signed and positive), and a
        threshold as `threshold_named` takes it, with its own theta. "max" cuts maps as they are, all others cut
        min-max normalised ones, as ``--threshold`` does.

        Raises
        ------
        CamkitError
            If there is no recipe of that name.

        Examples
        --------
        >>> print(Recipe.named("positive+ivr"))
        positive weights, 0.2 of the way from the percentile 60 to the maximum, min-max
        """
        if name in RECIPES:
            return RECIPES[name]
        weighting, plus, threshold = name.rpartition("+")
        if not (plus and threshold):
            raise CamkitError(f"no recipe is called {name!r}: give {', '.join(RECIPES)}, or WEIGHTING+THRESHOLD, "
                              "such as positive+ivr")  # fmt: skip
        rule = threshold_named(threshold)
        return cls(SHORT.get(weighting, weighting), rule, "none" if threshold == "max" else "minmax")

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` reads it back."""
        return {
            "weighting": self.weighting,
            "threshold": threshold_to_dict(self.threshold),
            "normalization": self.normalization,
            "interpolation": self.interpolation,
        }

    @classmethod
    def from_dict(cls, held: Any) -> "Recipe":
        """The recipe that `to_dict` wrote.

        Raises
        ------
        CamkitError
            Something is missing, unknown or out of range.
        """
        try:
            rule = dict(held["threshold"])
            if (name := rule.pop("rule")) not in (*RULES, *OWN_RULES):
                raise CamkitError(f"threshold {name!r} is unknown: one of {', '.join((*RULES, *OWN_RULES))} is known")
            threshold = OWN_RULES[name] if name in OWN_RULES else RULES[name](**rule)
            return cls(held["weighting"], threshold, held["normalization"], held["interpolation"])
        except CamkitError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise CamkitError(f"no recipe: {type(error).__name__} {error}; let camkit calibrate write it") from error

    def score_maps(self, class_maps: torch.Tensor, size: tuple[int, int], window: Window | None = None) -> torch.Tensor:
        """Class maps (..., h, w) resized to the image's `size` (or the part that `window` shows), normalised."""
        return normalize_maps(resize_maps(class_maps, size, window, self.interpolation), self.normalization)

    def boxes(self, score_maps: torch.Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Boxes (N, 4) of score maps (N, H, W), in the maps' own pixels, and their thresholds tau (N,)."""
        tau = self.tau(score_maps)
        return boxes_from_maps(score_maps, lambda _: tau), tau

    def tau(self, score_maps: ArrayLike) -> NDArray[np.float64]:
        """The threshold of each score map, (..., H, W) -> (...).

        Raises
        ------
        CamkitError
            A rule of one's own fails, or gives another shape or numbers that are none.
        """
        name, shape = name_of(self.threshold), tuple(np.shape(score_maps)[:-2])
        with user_errors(name, "give a threshold"):
            tau = np.asarray(self.threshold(score_maps), np.float64)
        if tau.shape != shape or not np.isfinite(tau).all():
            raise CamkitError(f"{name} gives {tau.tolist()!r:.80} for maps {shape}: give a finite number for each map")
        return tau


def threshold_named(name: str) -> ThresholdRule:
    """A threshold by its name, with its own theta.

    Parameters
    ----------
    name : str
        A key of `camkit.boxes.THRESHOLDS`, one that is registered, or ``LO:HI``, each a number, min, max or a
        percentile, such as "p30:max".

    Raises
    ------
    CamkitError
        There is none.
    """
    if name in OWN_RULES:
        return OWN_RULES[name]
    if name in THRESHOLDS:
        return THRESHOLDS[name](None, None)
    lo, colon, hi = name.partition(":")
    if not colon:
        known = ", ".join((*THRESHOLDS, *OWN_RULES))
        raise CamkitError(f"no threshold is called {name!r}: give {known}, or LO:HI such as p30:max")
    return Threshold(lo=level(lo), hi=level(hi))


def register_threshold(name: str, rule: ThresholdRule) -> None:
    """Let recipes be written and read with a rule of your own; an earlier one of that name is replaced.

    Parameters
    ----------
    name : str
    rule : callable
        ``maps (..., H, W) -> tau (...)``.

    Raises
    ------
    CamkitError
        The name is one of camkit's own.
    """
    if name in RULES:
        raise CamkitError(f"camkit has a threshold called {name!r}: give this one another name")
    OWN_RULES[name] = rule


def name_of(rule: ThresholdRule) -> str:
    """A threshold in words, or the name of one of your own."""
    if isinstance(rule, Threshold):
        return str(rule)
    own = (name for name, known in OWN_RULES.items() if known is rule)
    return next(own, getattr(rule, "__name__", type(rule).__name__))


def threshold_to_dict(rule: ThresholdRule) -> dict[str, Any]:
    """As a settings file has it."""
    return {"rule": "Threshold", **vars(rule)} if isinstance(rule, Threshold) else {"rule": name_of(rule)}


SHORT = {"cam": "signed", "nwc": "positive"}  # the papers' words for weightings
RECIPES = {
    "cam": Recipe("signed", MaxThreshold()),
    "nwc": Recipe("positive", MaxThreshold()),
    "pas": Recipe("signed", PercentileThreshold()),
    "nwc+pas": Recipe("positive", PercentileThreshold()),
}
