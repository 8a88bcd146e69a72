"""Class maps of a batch: what they are, their boxes, and how they look."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.errors import CamkitError

Size = tuple[int, int]

NAMED = 10  # classes in a line


class MapsToBoxes(Protocol):
    """What `ClassMaps.boxes` wants of a `camkit.Recipe`."""

    @property
    def weighting(self) -> str:
        """Of the maps that it takes."""

    def score_maps(self, class_maps: torch.Tensor, size: Size) -> torch.Tensor:
        """Class maps (..., h, w) at the image's size, normalised."""

    def boxes(self, score_maps: torch.Tensor) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Boxes (N, 4) of score maps (N, H, W), and their thresholds."""


@dataclass(frozen=True, eq=False)
class ClassMaps:
    """Class maps of a batch.

    Attributes
    ----------
    maps : Tensor (N, K, h, w), float32
        Before any normalisation. With signed weighting and average pooling ``maps.mean((-2, -1)) + offset`` equals the
        logits of `classes`.
    classes : Tensor (N, K), int64
    logits : Tensor (N, all classes), float32
    offset : Tensor (N, K), float32, or None
        The part of the logit that has no place in the image: biases, a norm's shift, what a class token has from
        elsewhere than the patches. None of maps that do not add up to the logits.
    weighting : str
        What the channels were weighed by: a name in `camkit.cam.WEIGHTINGS`.
    """

    maps: torch.Tensor
    classes: torch.Tensor
    logits: torch.Tensor
    offset: torch.Tensor | None
    weighting: str = "signed"

    def boxes(self, recipe: MapsToBoxes, size: Size | Sequence[Size]) -> NDArray[np.int64]:
        """The boxes of the maps, each map over its whole image.

        Parameters
        ----------
        recipe : Recipe
            Of the maps' weighting.
        size : tuple of int, or a sequence of N of them
            Height and width of the image in pixels, of all images or of each.

        Returns
        -------
        ndarray (N, K, 4), int64
            ``x0, y0, x1, y1`` in those pixels, half open; ``0, 0, 0, 0`` where a map has no region.

        Raises
        ------
        CamkitError
            The recipe wants maps of another weighting, there are more or fewer sizes than images, or a map is NaN.

        Examples
        --------
        >>> import camkit
        >>> maps = torch.zeros(1, 1, 2, 2)
        >>> maps[..., 0] = 1
        >>> class_maps = ClassMaps(maps, torch.tensor([[7]]), torch.zeros(1, 9), None)
        >>> class_maps.boxes(camkit.Recipe.named("cam"), size=(40, 60)).tolist()
        [[[0, 0, 39, 40]]]
        """
        if recipe.weighting != self.weighting:
            raise CamkitError(
                f"these maps have {self.weighting} weights, and the recipe wants {recipe.weighting} ones: "
                f"make them with weighting={recipe.weighting!r}, or give a recipe of {self.weighting} weights"
            )
        n, k = self.classes.shape
        sizes: list[Any] = [size] * n if np.ndim(size) == 1 else list(size)
        if len(sizes) != n:
            raise CamkitError(f"{len(sizes)} sizes for {n} images: give (height, width), of all or of each")
        boxes = np.zeros((n, k, 4), np.int64)
        for found, maps, (height, width) in zip(boxes, self.maps.cpu(), sizes, strict=True):
            found[:], _ = recipe.boxes(recipe.score_maps(maps, (int(height), int(width))))
        return boxes

    def __repr__(self) -> str:
        n, k, h, w = self.maps.shape
        classes = self.classes.tolist() if self.classes.numel() <= NAMED else f"{k} an image"
        return f"ClassMaps({n} images, classes {classes}, maps {h}x{w}, {self.weighting} weights)"

    def plot(self, ax: Any = None) -> Any:
        """Draw the maps, a row an image, in the place of a matplotlib Axes or on a page of its own; returns the Axes.

        Each map has the colours of its own range; at most eight images and eight classes are shown.
        """
        from camkit.figures import plot_class_maps  # noqa: PLC0415 - matplotlib only where a picture is wanted

        logits = self.logits.gather(1, self.classes).tolist()
        titles = [
            [f"class {label}: {logit:.2f}" for label, logit in zip(*row, strict=True)]
            for row in zip(self.classes.tolist(), logits, strict=True)
        ]
        return plot_class_maps(self.maps.cpu().numpy(), titles, ax)

    def _repr_png_(self) -> bytes:
        from camkit.figures import as_png  # noqa: PLC0415

        return as_png(self.plot())
