"""What the analyses look at: annotated images as one pass of the network leaves them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from camkit.boxes import normalize_maps, pixels_inside
from camkit.cam import weighting_named
from camkit.cam.head import Head
from camkit.data import Record, View
from camkit.errors import CamkitError
from camkit.localization import window_of
from camkit.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MapObservation:
    """One annotated image and the class map of its own class, by whatever source. Tensors are float32, on the CPU.

    Attributes
    ----------
    record : Record
    index : int
        Position in the data set.
    label : int
        The image's own class, as the model numbers classes.
    view : View
        What of the image the map covers.
    logits : Tensor (K,)
    own_map : Tensor (h, w)
        M, signed.
    pixels : Tensor (3, H, W), uint8, or None
        The image, where it was kept.
    """

    record: Record
    index: int
    label: int
    view: View
    logits: Tensor
    own_map: Tensor
    pixels: Tensor | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.record.image!r:.120}, label {self.label})"

    @property
    def weightings(self) -> tuple[str, ...]:
        """Of signed and positive weights those that the maps can be had with."""
        return ("signed",)

    def class_map(self, weighting: str = "signed") -> Tensor:
        """M, (h, w), of the image's own class."""
        if weighting != "signed":
            raise CamkitError(f"these maps have no class weights, so that weighting {weighting!r} says nothing")
        return self.own_map

    def score_map(self, recipe: Recipe, class_map: Tensor | None = None) -> NDArray[np.float64]:
        """M', (H, W), over those pixels of the image that the network saw; of the own class unless a map is given."""
        class_map = self.class_map(recipe.weighting) if class_map is None else class_map
        return recipe.score_maps(class_map, self.view.size, window_of(self.view)).double().numpy()

    def soft_mask(self) -> Tensor:
        """H, (h, w): the signed map stretched to [0, 1], as MinMaxCAM multiplies it with images or features."""
        return normalize_maps(self.class_map())

    def on_image(self, score_map: NDArray[np.float64]) -> NDArray[np.float64]:
        """A map of the pixels that the network saw, over the whole image; its minimum elsewhere."""
        whole = np.full(self.view.size, score_map.min())
        whole[pixels_inside(self.view.window, self.view.size)] = score_map
        return whole

    @property
    def corner(self) -> tuple[int, int]:
        """X and y of the first pixel that the network saw."""
        rows, columns = pixels_inside(self.view.window, self.view.size)
        return columns.start, rows.start

    def truth(self) -> NDArray[np.bool_]:
        """Which of the pixels that the network saw lie in a ground-truth box, (H, W)."""
        inside = np.zeros(self.view.size, bool)
        for x0, y0, x1, y1 in self.record.boxes.tolist():
            inside[pixels_inside((x0, y0, x1, y1), self.view.size)] = True
        return inside[pixels_inside(self.view.window, self.view.size)]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Observation(MapObservation):
    """One annotated image as a network with a head of its own sees it.

    Attributes
    ----------
    features : Tensor (C, h, w)
        F.
    weight : Tensor (C,)
        What the mean of each channel counts for in the own class's logit: ``w_c`` of the class map ``sum_c w_c F_c``.
    pooled : Tensor (C,)
        ``f^o = g(B(I))``, F as the model pools it.
    head : Head
    masked : Tensor (C,) or None
        ``f = g(B(I * H))``, of the image times its own map `soft_mask` (MinMaxCAM, Section 3.2); a second pass.
    dimmed : mapping from float to Tensor (C,)
        ``g(B(a * I))`` for some intensities a; a pass each.
    """

    own_map: Tensor = field(init=False, repr=False)
    features: Tensor
    weight: Tensor
    pooled: Tensor
    head: Head
    masked: Tensor | None = None
    dimmed: Mapping[float, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "own_map", torch.einsum("c,chw->hw", self.weight, self.features))

    @property
    def weightings(self) -> tuple[str, ...]:
        return ("signed", "positive")

    def class_map(self, weighting: str = "signed") -> Tensor:
        """M, (h, w), of the image's own class."""
        if weighting == "signed":
            return self.own_map
        weighed = weighting_named(weighting)(
            OwnWeights(self.weight), torch.tensor([[self.label]]), self.logits[None], self.pooled[None]
        )
        return torch.einsum("c,chw->hw", weighed[0, 0], self.features)

    @property
    def logit_weight(self) -> Tensor:
        """(C,) such that ``logit_weight @ pooled`` is the features' part of the own class's logit."""
        return self.weight / self.features[0].numel() if self.head.sums else self.weight


@dataclass(frozen=True, eq=False)
class OwnWeights:
    """The `ClassWeights` of one image's own class, which is all that an observation keeps."""

    weight: Tensor

    def __getitem__(self, classes: Tensor) -> Tensor:
        return self.weight.expand(*classes.shape, -1)

    def combined(self, _coefficients: Tensor, /) -> Tensor:
        raise CamkitError("analyses keep the weights of the own class alone: take a weighting of one class")


@dataclass(frozen=True)
class Requirements:
    """What an analysis wants of each image beside one forward pass.

    Attributes
    ----------
    head : bool
        It looks at features and class weights, which only the network's own head has.
    boxes : bool
        It says nothing about images without ground-truth boxes.
    pixels : bool
        The images themselves, for pictures.
    masked : bool
        The pass for `Observation.masked`.
    intensities : tuple of float
        The passes for `Observation.dimmed`.
    """

    head: bool = True
    boxes: bool = False
    pixels: bool = False
    masked: bool = False
    intensities: tuple[float, ...] = ()

    def __or__(self, other: "Requirements") -> "Requirements":
        """What both want, each pass once."""
        return Requirements(
            self.head or other.head,
            self.boxes or other.boxes,
            self.pixels or other.pixels,
            self.masked or other.masked,
            tuple(sorted({*self.intensities, *other.intensities})),
        )

    @property
    def passes(self) -> int:
        """Forward passes an image."""
        return 1 + self.masked + len(self.intensities)
