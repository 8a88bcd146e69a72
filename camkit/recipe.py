"""How a class map becomes a box: weighting, normalisation, interpolation and threshold together, under one name."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.boxes import (
    Interpolation,
    MaxThreshold,
    Normalization,
    PercentileThreshold,
    Threshold,
    Window,
    boxes_from_maps,
    normalize_maps,
    resize_maps,
)
from camkit.errors import CamkitError

Weighting = Literal["signed", "positive", "negative"]

RULES = {rule.__name__: rule for rule in (MaxThreshold, PercentileThreshold)}  # those that a file can name


@dataclass(frozen=True)
class Recipe:
    """One way from class map to box.

    Attributes
    ----------
    weighting : {"positive", "signed", "negative"}
        "positive" is negative weight clamping (NWC).
    threshold : Threshold
        `PercentileThreshold` is PaS, `MaxThreshold` the plain rule.
    normalization : {"minmax", "none"}
        Of the resized map, before the threshold.
    interpolation : {"bilinear", "bicubic"}

    Examples
    --------
    >>> Recipe.named("nwc")
    Recipe(weighting='positive', threshold=MaxThreshold(theta=0.2), normalization='minmax', interpolation='bilinear')
    """

    weighting: Weighting = "positive"
    threshold: Threshold = field(default_factory=PercentileThreshold)
    normalization: Normalization = "minmax"
    interpolation: Interpolation = "bilinear"

    @classmethod
    def named(cls, name: str) -> "Recipe":
        """One of the four: "cam", "nwc", "pas", "nwc+pas", with the thresholds of the paper and the field.

        Raises
        ------
        CamkitError
            If there is no recipe of that name.
        """
        if name not in RECIPES:
            raise CamkitError(f"no recipe is called {name!r}: choose one of {', '.join(RECIPES)}, or build a Recipe")
        return RECIPES[name]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` reads it back."""
        return {
            "weighting": self.weighting,
            "threshold": {"rule": type(self.threshold).__name__, **vars(self.threshold)},
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
        choices = {"weighting": Weighting, "normalization": Normalization, "interpolation": Interpolation}
        try:
            for name, known in choices.items():
                if held[name] not in get_args(known):
                    raise CamkitError(f"{name} is {held[name]!r}: one of {', '.join(get_args(known))} is known")
            rule = dict(held["threshold"])
            threshold = RULES[rule.pop("rule")](**rule)
        except (KeyError, TypeError, ValueError) as error:
            raise CamkitError(f"no recipe: {type(error).__name__} {error}; let camkit calibrate write it") from error
        return cls(held["weighting"], threshold, held["normalization"], held["interpolation"])

    def score_maps(self, class_maps: torch.Tensor, size: tuple[int, int], window: Window | None = None) -> torch.Tensor:
        """Class maps (..., h, w) resized to the image's `size` (or the part that `window` shows), normalised."""
        return normalize_maps(resize_maps(class_maps, size, window, self.interpolation), self.normalization)

    def boxes(self, score_maps: torch.Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Boxes (N, 4) of score maps (N, H, W), in the maps' own pixels, and their thresholds tau (N,)."""
        tau = self.threshold(score_maps)
        return boxes_from_maps(score_maps, lambda _: tau), tau


RECIPES = {
    "cam": Recipe("signed", MaxThreshold()),
    "nwc": Recipe("positive", MaxThreshold()),
    "pas": Recipe("signed", PercentileThreshold()),
    "nwc+pas": Recipe("positive", PercentileThreshold()),
}
