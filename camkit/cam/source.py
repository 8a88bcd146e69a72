"""Map sources: what gives class maps of asked classes for a batch of images.

A network's own head (`camkit.CAM`) is the one whose maps add up to the logits. A function of yours or of another
library is another (`FunctionMaps`). Who localizes, evaluates or calibrates asks a map source and never knows which.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

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


class MapsBy(Protocol):
    """What makes a network's class maps instead of its own head, before there is a network."""

    @property
    def name(self) -> str:
        """What it is called in results."""

    def source(self, network: nn.Module, input_size: tuple[int, int]) -> "FunctionMaps":
        """The maps of a network, for images of that size."""


@dataclass(frozen=True)
class MapsByFunction:
    """A `MapsBy` of a function's: `make` takes the network and gives a `MapFunction`."""

    name: str
    make: Callable[[nn.Module], MapFunction]

    def source(self, network: nn.Module, input_size: tuple[int, int]) -> "FunctionMaps":
        """See `FunctionMaps`."""
        return FunctionMaps(network, self.make, self.name, input_size)


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
    map_size : tuple of int, optional
        Where it is known, the function is not asked for it.
    facts : mapping, optional
        What a run records beside the name.
    notes : sequence of str
        Lines that a run says of the maps.

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
        *,
        map_size: tuple[int, int] | None = None,
        facts: Mapping[str, Any] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.model, self.kind = unwrap(model), name
        self.facts, self.notes = dict(facts or {}), notes
        refuse_training(self.model)
        with user_errors(name, "make"):
            self.function = make(self.model)
        images = example_images(self.model, input_size)
        self.channels = images.shape[1]
        recorded = record(self.model, images)
        self.output, self.activation = recorded.output, recorded.activation
        self.num_classes = recorded.returned.shape[1]
        if map_size is None:
            found = self.predict(images).class_maps().maps
            map_size = (found.shape[2], found.shape[3])
        self.map_size = map_size

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
        maps = maps.detach().float().masked_fill(self.logits.isnan().any(1)[:, None, None, None], torch.nan)
        return ClassMaps(maps, chosen, self.logits, None)
