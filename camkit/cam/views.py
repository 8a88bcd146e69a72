"""Test-time views: class maps of one class, averaged over an image flipped and at several sizes.

Each view is a forward pass of its own. Its maps are turned back and brought to the grid of the input, so that a place
is one and the same in all of them, and averaged there. The logits, and with them classes and scores, are those of the
image as it comes. The averages are no longer the logit's own: they do not add up to it.
"""

import re
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from camkit.cam.class_maps import ClassMaps
from camkit.cam.prediction import Classes, Prediction
from camkit.cam.source import MapSource
from camkit.errors import CamkitError, UnsuitableInput, is_out_of_memory

AS_IT_COMES = (1.0, False)
SMALLEST, LARGEST = 0.1, 4.0  # of a scale
NUMBER = re.compile(r"[0-9]*\.?[0-9]+")


@dataclass(frozen=True)
class Views:
    """Which views of an image are averaged: the image as it comes, and others.

    Attributes
    ----------
    flip : bool
        Each view also from left to right.
    scales : tuple of float
        Of the input's sides, 1 among them.

    Raises
    ------
    CamkitError
        A scale is out of range or there twice, 1 is not among them, or there is nothing to average.

    Examples
    --------
    >>> Views.parse("flip,scales=0.75:1:1.25").passes
    [(1.0, False), (0.75, False), (1.25, False), (1.0, True), (0.75, True), (1.25, True)]
    """

    flip: bool = False
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not all(SMALLEST <= scale <= LARGEST for scale in self.scales) or len(set(self.scales)) < len(self.scales):
            raise CamkitError(f"views at scales {self}: give each once, from {SMALLEST:g} to {LARGEST:g}")
        if 1 not in self.scales:
            raise CamkitError(f"views {self}: scale 1 is missing, the image as it comes, which says the class; add it")
        if len(self.passes) == 1:
            raise CamkitError("views of the image as it comes alone are none: give flip, or several scales")

    def __str__(self) -> str:
        scales = ":".join(f"{scale:g}" for scale in self.scales)
        return ",".join(["flip"] * self.flip + [f"scales={scales}"] * (self.scales != (1.0,)))

    @classmethod
    def parse(cls, text: str) -> "Views":
        """Views as ``--views`` takes them: ``flip``, ``scales=0.75:1:1.25``, or both with a comma between them."""
        flip = False
        scales: tuple[float, ...] = (1.0,)
        for part in text.split(","):
            name, _, numbers = part.strip().partition("=")
            found = numbers.split(":")
            if part.strip() == "flip":
                flip = True
            elif name == "scales" and all(map(NUMBER.fullmatch, found)):
                scales = tuple(map(float, found))
            else:
                raise CamkitError(f"views {text!r:.80}: write flip, scales=0.75:1:1.25, or both with a comma")
        return cls(flip, scales)

    @property
    def passes(self) -> list[tuple[float, bool]]:
        """Scale, and whether it is flipped, of each forward pass; the image as it comes first."""
        scales = sorted(self.scales, key=lambda scale: (scale != 1, scale))
        return [(scale, flipped) for flipped in ([False, True] if self.flip else [False]) for scale in scales]


class AveragedMaps:
    """A map source whose class maps are the mean of another's over views.

    Parameters
    ----------
    source : MapSource
    views : Views
    input_size : tuple of int
        The maps' own size at the usual input.
    """

    completeness = None

    def __init__(self, source: MapSource, views: Views, input_size: tuple[int, int]) -> None:
        self.source, self.views, self.map_size = source, views, input_size
        self.kind = f"{source.kind}, the mean of {len(views.passes)} views ({views})"
        self.num_classes, self.channels = source.num_classes, source.channels

    @property
    def facts(self) -> dict[str, Any]:
        """What a run records beside the kind."""
        return {**getattr(self.source, "facts", {}), "views": str(self.views)}

    @property
    def activation(self) -> str:
        """What the network ends in."""
        return str(getattr(getattr(self.source, "head", self.source), "activation", "none"))

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines that a run says of the maps."""
        count = len(self.views.passes)
        return (f"class maps are the mean of {count} views ({self.views}), {count} forward passes an image: they are "
                "no longer the logit's own, and do not add up to it",)  # fmt: skip

    def predict(self, images: torch.Tensor) -> "AveragedPrediction":
        """A forward pass for each view."""
        found = [self._predict(images, scale, flipped=flipped) for scale, flipped in self.views.passes]
        return AveragedPrediction(found[0].logits, found, self.views, (images.shape[-2], images.shape[-1]))

    def _predict(self, images: torch.Tensor, scale: float, *, flipped: bool) -> Prediction:
        height, width = (max(1, round(side * scale)) for side in images.shape[-2:])
        if scale != 1:
            images = F.interpolate(images, (height, width), mode="bilinear", antialias=True)
        try:
            return self.source.predict(images.flip(-1) if flipped else images)
        except (RuntimeError, UnsuitableInput) as error:
            if scale == 1 or is_out_of_memory(error):
                raise
            reason = str(error).strip().splitlines()[0]
            size = f"{height}x{width} pixels, scale {scale:g}"
            raise CamkitError(f"views: the model takes no input of {size} ({reason}); leave scales out") from error


@dataclass(frozen=True, eq=False)
class AveragedPrediction(Prediction):
    """What an `AveragedMaps` says of a batch."""

    logits: torch.Tensor
    views_of: list[Prediction]
    views: Views
    size: tuple[int, int]

    def probabilities(self) -> torch.Tensor:
        """See `Prediction.probabilities`: of the images as they come."""
        return self.views_of[0].probabilities()

    def class_maps(self, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """See `Prediction.class_maps`; the classes, where none are given, are those of the images as they come."""
        chosen = self.choose(classes)
        total = None
        for prediction, (_, flipped) in zip(self.views_of, self.views.passes, strict=True):
            maps = prediction.class_maps(chosen, weighting).maps
            maps = maps.flip(-1) if flipped else maps
            on_grid = F.interpolate(maps, self.size, mode="bilinear", align_corners=False)
            total = on_grid if total is None else total + on_grid
        assert total is not None
        return ClassMaps(total / len(self.views_of), chosen, self.logits, None)
