"""COCO's segmentations, polygons or run lengths, as masks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camkit.boxes.geometry import box_of
from camkit.data.annotations import Box
from camkit.data.formats.counts import decode_counts
from camkit.data.formats.entry import problem_at
from camkit.data.formats.polygons import mask_from_polygon, polygon_points
from camkit.data.formats.rle import mask_from_counts
from camkit.data.formats.tables import quoted
from camkit.data.images import MAX_PIXELS, read_size
from camkit.errors import CamkitError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Segmentation:
    """One object's pixels, as the JSON has them, and where that stands."""

    where: str
    written: Any

    def __bool__(self) -> bool:
        """Whether anything is written: exporters without segmentations write null, [] or [[]]."""
        return bool(any(self.written) if isinstance(self.written, list) else self.written)

    def mask(self, size: tuple[int, int]) -> Mask:
        """The mask (H, W); `CamkitError` where it is neither polygons nor run lengths, or of another size."""
        try:
            if isinstance(self.written, Mapping):
                return _from_run_lengths(self.written, size)
            mask = np.zeros(size, np.bool_)
            for polygon in _polygons(self.written):
                mask |= mask_from_polygon(polygon, size)
            return mask
        except CamkitError as error:
            raise CamkitError(problem_at(self.where, error)) from None

    def extent(self) -> Box | None:
        """The box around the corners of its polygons; None of run lengths, and of what is no polygon."""
        if isinstance(self.written, Mapping) or not self:
            return None
        try:
            return self.box()
        except CamkitError:
            return None  # told where the mask is drawn

    def box(self) -> Box:
        """The box around it, half open: of polygons around their corners, of run lengths around the pixels."""
        if isinstance(self.written, Mapping):
            x0, y0, x1, y1 = map(float, box_of(_from_run_lengths(self.written, _stated_size(self.written))))
            return x0, y0, x1, y1
        points = np.concatenate(_polygons(self.written))
        (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        return x0, y0, x1, y1


@dataclass(frozen=True, eq=False)
class Masks:
    """Draws the masks of one class in one image when it is called.

    Parameters
    ----------
    image : str
    read : callable
        Gives the encoded image, from which the size is read where it is not stated.
    size : tuple of int or None
        Height and width.
    objects, crowds : sequence of Segmentation
    fault : str or None
        What is wrong with another object of the class: without it the mask would call its pixels background.

    Raises
    ------
    CamkitError
        A segmentation is broken, the mask has no pixel, or the image has too many.
    """

    image: str
    read: Callable[[], bytes]
    size: tuple[int, int] | None
    objects: Sequence[Segmentation]
    crowds: Sequence[Segmentation] = ()
    fault: str | None = None

    @property
    def written(self) -> tuple[list[Any], list[Any]]:
        """Its objects and crowds as the annotations have them."""
        return [one.written for one in self.objects], [one.written for one in self.crowds]

    def __call__(self) -> tuple[Mask, Mask]:
        if self.fault:
            raise CamkitError(f"the mask lacks an object: {self.fault}")
        size = self.size or read_size(self.read(), self.image, upright=False)
        _check_pixels(size)
        mask, ignore = (_union(segmentations, size) for segmentations in (self.objects, self.crowds))
        if not mask.any():
            raise CamkitError(
                f"{self.objects[0].where}: the mask has no pixel in the image of {size[1]} x {size[0]}; mend the "
                "segmentation, or take it out"
            )
        return mask, ignore & ~mask


def _union(segmentations: Sequence[Segmentation], size: tuple[int, int]) -> Mask:
    mask = np.zeros(size, np.bool_)
    for segmentation in segmentations:
        mask |= segmentation.mask(size)
    return mask


def _polygons(written: Any) -> list[NDArray[np.float64]]:
    """Polygons of corners (n, 2); a list of numbers is one polygon."""
    if not isinstance(written, list):
        raise CamkitError(f"the segmentation {quoted(written)} is neither polygons nor run lengths; mend or remove it")
    flat = not any(isinstance(polygon, list) for polygon in written)
    return [polygon_points(polygon) for polygon in ([written] if flat else filter(None, written))]


def _stated_size(written: Mapping[str, Any]) -> tuple[int, int]:
    stated = written.get("size")
    try:
        height, width = (int(side) for side in stated) if isinstance(stated, list) else (0, 0)
    except (TypeError, ValueError, OverflowError):
        height = width = 0
    if min(height, width) < 1:
        raise CamkitError(f"the run lengths' size {quoted(stated)} is not height and width; mend or remove them")
    _check_pixels((height, width))
    return height, width


def _from_run_lengths(written: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    counts = written.get("counts")
    if _stated_size(written) != size:
        raise CamkitError(f"a mask of {quoted(written['size'])} (height, width) in an image of {list(size)}; mend it")
    if isinstance(counts, str):
        return mask_from_counts(decode_counts(counts), size)
    if not isinstance(counts, list) or not all(type(count) is int for count in counts):
        raise CamkitError(f"the run lengths {quoted(counts)} are neither numbers nor COCO's text; mend or remove them")
    return mask_from_counts(counts, size)


def _check_pixels(size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise CamkitError(f"a mask of {size[1]} x {size[0]} pixels is not drawn; scale it below {MAX_PIXELS} pixels")
