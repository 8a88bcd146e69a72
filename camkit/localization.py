"""What is found in one image: where the class is, or why nothing could be said."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from camkit.boxes import LARGEST, RegionChoice, above, boxes_of_regions, pixels_inside
from camkit.cam import refuse_undefined
from camkit.data import Sample, View
from camkit.errors import CamkitError
from camkit.recipe import Recipe, name_of

Box = tuple[int, int, int, int]
EMPTY: Box = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class Localization:
    """Where one class is in one image.

    Attributes
    ----------
    image : str
        The image's name.
    size : tuple of int
        Height and width of the original image, in pixels.
    box : tuple of int
        ``x0, y0, x1, y1`` in the original image's pixels, half open; ``0, 0, 0, 0`` where the map has no region.
    label, name : int, str
        The class.
    score : float
        The class's probability: the model's own where it ends in a softmax or sigmoid, else the softmax of its logits
        (sigmoid for a model with one logit).
    rank : int
        1 for the best of the classes asked for.
    tau : float
        The threshold that the score map was cut at.
    class_map : Tensor (h, w), float32
        Before resizing and normalisation.
    view : View
        What of the image the class map covers.
    recipe : Recipe
    pixels : Tensor (3, H, W), uint8, or None
        The original image, where it was kept. Without it the result's pictures show the map alone.
    filled : bool
        Whether the image is damaged, and what is missing of it was filled.
    others : tuple of tuple of int
        The boxes of the other regions that were asked for, by falling number of pixels; `box` is the largest one's.
    regions : RegionChoice
        Which regions were asked for.
    error : None
        A `Failure` says here why there is no result.
    """

    image: str
    size: tuple[int, int]
    box: tuple[int, int, int, int]
    label: int
    name: str
    score: float
    rank: int
    tau: float
    class_map: torch.Tensor
    view: View
    recipe: Recipe
    pixels: torch.Tensor | None = None
    filled: bool = False
    others: tuple[Box, ...] = ()
    regions: RegionChoice = LARGEST
    error: ClassVar[None] = None

    def __repr__(self) -> str:
        return f"Localization({self.image!r:.120}: {self.name!r:.80} {self.score:.2f}, box {self.box})"

    @property
    def map(self) -> NDArray[np.float32]:
        """The score map over the whole image, (H, W); outside the part that the model saw, its minimum."""
        return self.map_at(self.size)

    def map_at(self, size: tuple[int, int]) -> NDArray[np.float32]:
        """The score map over the whole image, sampled at a height and width of pixels."""
        (height, width), (x0, y0, x1, y1) = self.size, self.view.window
        down, across = size[0] / height, size[1] / width
        view = View(size, (x0 * across, y0 * down, x1 * across, y1 * down))
        if window_of(self.view) is None:
            view = View(size, (0, 0, size[1], size[0]))
        score_map = self.recipe.score_maps(self.class_map, size, window_of(view))
        whole = torch.full(size, float(score_map.min()))
        whole[pixels_inside(view.window, size)] = score_map
        return whole.numpy()

    @property
    def boxes(self) -> tuple[Box, ...]:
        """`box` and `others`: the regions' boxes, the largest region's first."""
        return (self.box, *self.others)

    def masks(self) -> NDArray[np.bool_]:
        """The pixels of each of the regions in `boxes`, (R, H, W); R is 0 where there is none."""
        rows, columns = pixels_inside(self.view.window, self.size)
        numbered = np.zeros(self.size, np.int32)
        inside = above(np.ascontiguousarray(self.map[rows, columns]), self.tau)
        numbered[rows, columns] = self.regions.numbered(inside, self.size)
        return np.asarray(numbered == np.arange(1, 1 + int(numbered.max()))[:, None, None])

    def plot(self, ax: Any = None) -> Any:
        """Draw the image, the score map over it, its contour at tau and the box into a matplotlib Axes.

        Returns
        -------
        Axes
            The given one, or that of a new figure, which is not pyplot's: ``found.plot().figure.savefig(...)``.
        """
        from camkit.figures import plot_localization  # noqa: PLC0415 - matplotlib only where a picture is wanted

        return plot_localization(self.pixels, self.map, self.boxes, self.title, self.tau, ax)

    def kept(self) -> torch.Tensor:
        """The original image's pixels; `CamkitError` where they were not kept."""
        if self.pixels is None:
            raise CamkitError("the image's pixels were not kept: localize with keep_image=True to draw it")
        return self.pixels

    @property
    def title(self) -> str:
        return f"{self.name} {self.score:.2f}"

    def overlay(self, side: int | None = None) -> torch.Tensor:
        """The picture of the result, (3, H', W'), uint8.

        The image under its score map, with the contour at tau and the box, between its name and a colour bar. An image
        of more than 4 million pixels, or with a longer side than `side`, is drawn smaller, so that what drawing takes
        of memory and time has a bound, and one whose longer side is below 256 larger.
        """
        from camkit.figures import overlay, picture_size  # noqa: PLC0415 - matplotlib only where a picture is wanted

        size, pixels = picture_size(self.size, side), self.pixels
        boxes = [rescaled(box, self.size, size) for box in self.boxes]
        score_map = self.map if size >= self.size else self.map_at(size)
        if size > self.size:
            times = size[0] // self.size[0]
            pixels = None if pixels is None else pixels.repeat_interleave(times, 1).repeat_interleave(times, 2)
            score_map = score_map.repeat(times, 0).repeat(times, 1)
        elif size < self.size and pixels is not None:
            pixels = F.interpolate(pixels[None], size, mode="bilinear", antialias=True)[0]
        return overlay(pixels, score_map, boxes, self.title, self.tau, name_of(self.recipe.threshold))

    def _repr_png_(self) -> bytes:
        from torchvision.transforms.functional import to_pil_image  # noqa: PLC0415

        file = BytesIO()
        to_pil_image(self.overlay()).save(file, "PNG")
        return file.getvalue()


@dataclass(frozen=True)
class Failure:
    """An image without a result, and why.

    Attributes
    ----------
    image, reason : str
    label, name, score, box : None
        What a `Localization` has there.
    """

    image: str
    reason: str
    label: ClassVar[None] = None
    name: ClassVar[None] = None
    score: ClassVar[None] = None
    box: ClassVar[None] = None

    @property
    def error(self) -> str:
        """The reason; None of a `Localization`."""
        return self.reason


Result = list[Localization] | Failure


def rescaled(box: Box, size: tuple[int, int], other: tuple[int, int]) -> Box:
    """A box in an image of one size, in the same image of another; one that is not empty does not become so."""
    x0, y0, x1, y1 = box
    down, across = other[0] / size[0], other[1] / size[1]
    left, top = int(x0 * across), int(y0 * down)
    if x1 <= x0:
        return left, top, left, top
    return left, top, max(left + 1, round(x1 * across)), max(top + 1, round(y1 * down))


def window_of(view: View) -> tuple[float, float, float, float] | None:
    """The view's window, None where it is the whole image."""
    height, width = view.size
    return None if view.window == (0, 0, width, height) else view.window


def localizations(
    sample: Sample,
    maps: torch.Tensor,
    classes: Sequence[int],
    scores: Sequence[float],
    recipe: Recipe,
    regions: RegionChoice,
    names: Sequence[str] | None,
) -> list[Localization]:
    """What one image's class maps come to under a recipe.

    Parameters
    ----------
    sample : Sample
        The image, with the view that the network had of it.
    maps : Tensor (K, h, w)
        Of the recipe's weighting.
    classes, scores : sequence of int and float
        Of the K maps, the first of them of rank 1.
    recipe : Recipe
    regions : RegionChoice
    names : sequence of str, optional
        Of all classes.

    Raises
    ------
    CamkitError
        The weighting has no map of this image, or a rule of one's own gives no threshold.
    """
    assert sample.view is not None
    view = sample.view
    if all(map(math.isfinite, scores)):
        refuse_undefined(recipe.weighting, maps)
    score_maps = recipe.score_maps(maps, view.size, window_of(view))
    largest, taus = recipe.boxes(score_maps)
    boxes = [[box] for box in largest.tolist()]
    if regions != LARGEST:
        masks = (above(score_map, float(tau)) for score_map, tau in zip(score_maps.numpy(), taus, strict=True))
        boxes = [boxes_of_regions(regions.numbered(mask, view.size)) or [EMPTY] for mask in masks]
    rows, columns = pixels_inside(view.window, view.size)
    return [
        Localization(
            image=sample.name,
            size=view.size,
            box=moved(its[0], columns.start, rows.start),
            others=tuple(moved(box, columns.start, rows.start) for box in its[1:]),
            regions=regions,
            label=label,
            name=names[label] if names else str(label),
            score=score,
            rank=rank,
            tau=float(tau),
            class_map=class_map,
            view=view,
            recipe=recipe,
            pixels=sample.image,
            filled=sample.filled,
        )
        for rank, (label, score, its, tau, class_map) in enumerate(
            zip(classes, scores, boxes, taus, maps, strict=True), 1
        )
    ]


def moved(box: Sequence[int], x: int, y: int) -> Box:
    """A box so many pixels further right and down; an empty one stays."""
    x0, y0, x1, y1 = box
    return (x0 + x, y0 + y, x1 + x, y1 + y) if x1 > x0 else EMPTY
