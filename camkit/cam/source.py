"""Map sources: what gives class maps of asked classes for a batch of images.

A network's own head (`camkit.CAM`) is the one whose maps add up to the logits. A function of yours or of another
library is another (`FunctionMaps`). Who localizes, evaluates or calibrates asks a map source and never knows which.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from camkit.cam.class_maps import ClassMaps
from camkit.cam.extractor import example_images, refuse_training, unwrap
from camkit.cam.logits import answer, logits_of, one_row_an_image, record
from camkit.cam.prediction import Classes, Prediction
from camkit.errors import CamkitError, user_errors

MapFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""``(images (N, channels, H, W), classes (N, K)) -> class maps (N, K, h, w)``."""


class MapSource(Protocol):
    """What localizing, evaluating, calibrating and analysing stand on."""

    @property
    def kind(self) -> str:
        """How the maps come about, in a word or two."""

    @property
    def completeness(self) -> float | None:
        """How far maps and offset miss the logits, as a share of their range; None where they do not add up at all."""

    @property
    def num_classes(self) -> int: ...

    @property
    def map_size(self) -> tuple[int, int]:
        """Height and width of a class map at the input size."""

    @property
    def channels(self) -> int:
        """Of the images."""

    def predict(self, images: torch.Tensor) -> Prediction:
        """One forward pass of images (N, channels, H, W), after the model's own preprocessing."""


class FunctionMaps:
    """Class maps by a function: any method, camkit's or not, of any network.

    Parameters
    ----------
    model : nn.Module
        In eval mode; gives the logits.
    make : callable
        ``model -> MapFunction``. The function is called with gradients on, and must leave the model as it was.
    name : str
        What the source is called in results.
    input_size : tuple of int

    Raises
    ------
    CamkitError
        The function fails on two images of noise, or gives no maps (N, K, h, w).
    """

    completeness = None

    def __init__(
        self,
        model: nn.Module,
        make: Callable[[nn.Module], MapFunction],
        name: str,
        input_size: tuple[int, int] = (224, 224),
    ) -> None:
        self.model, self.kind = unwrap(model), name
        refuse_training(self.model)
        with user_errors(name, "make"):
            self.function = make(self.model)
        images = example_images(self.model, input_size)
        self.channels = images.shape[1]
        recorded = record(self.model, images)
        self.output, self.activation = recorded.output, recorded.activation
        found = self.predict(images).class_maps()
        self.num_classes = found.logits.shape[1]
        self.map_size = (found.maps.shape[2], found.maps.shape[3])

    def predict(self, images: torch.Tensor) -> "FunctionPrediction":
        """One forward pass; the maps are made when they are asked for."""
        refuse_training(self.model)
        with torch.no_grad():
            said = logits_of(answer(self.model, images), number=self.output)
            logits = one_row_an_image(said, len(images)).float()
        return FunctionPrediction(images, logits, self)


@dataclass(frozen=True, eq=False)
class FunctionPrediction(Prediction):
    """What a `FunctionMaps` says of a batch."""

    images: torch.Tensor
    logits: torch.Tensor
    source: FunctionMaps

    def probabilities(self) -> torch.Tensor:
        """See `Prediction.probabilities`; the model's own where it returns them, or their logarithms."""
        activation = self.source.activation
        if activation == "none":
            return super().probabilities()
        return self.logits.exp() if activation.startswith("log") else self.logits

    def class_maps(self, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """See `Prediction.class_maps`; there is no weighting but "signed"."""
        name = self.source.kind
        if weighting != "signed":
            raise CamkitError(f"maps by {name} have no class weights, so that weighting {weighting!r} says nothing")
        chosen = self.choose(classes)
        with user_errors(name, "give maps"), torch.inference_mode(False), torch.enable_grad():
            maps = self.source.function(self.images.clone(), chosen)
        if not isinstance(maps, torch.Tensor) or maps.ndim != 4 or maps.shape[:2] != chosen.shape:
            gives = tuple(maps.shape) if isinstance(maps, torch.Tensor) else type(maps).__name__
            raise CamkitError(
                f"maps by {name} are {gives}: give a tensor (N, K, h, w) for classes {tuple(chosen.shape)}"
            )
        return ClassMaps(maps.detach().float(), chosen, self.logits, None)
