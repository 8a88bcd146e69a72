"""Score map and threshold to box: the largest region above tau (Rethinking CAM, Eq. 3 and 6)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camkit.boxes.runs import largest_box
from camkit.boxes.thresholds import ThresholdRule
from camkit.errors import CamkitError

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class RegionChoice:
    """Which regions of a map are objects.

    Attributes
    ----------
    most : int or None
        So many, the largest ones; None: all.
    min_area : float
        The share of the image's pixels that each has to cover.

    Raises
    ------
    CamkitError
        Fewer than one region is asked for, or a share that is none.
    """

    most: int | None = 1
    min_area: float = 0.0

    def __post_init__(self) -> None:
        if (self.most is not None and self.most < 1) or not 0 <= self.min_area <= 1:
            raise CamkitError(f"{self.most} regions of at least {self.min_area:g} of the image: give 1 or more, and a "
                              "share from 0 to 1")  # fmt: skip

    def numbered(self, mask: ArrayLike, size: tuple[int, int]) -> NDArray[np.int32]:
        """The chosen regions of a mask (H, W), numbered from 1; 0 elsewhere.

        Parameters
        ----------
        mask : array_like (H, W), bool
        size : tuple of int
            Of the image whose share counts, of which the mask may be a part.
        """
        return ranked_regions(mask, self.most, self.min_area * size[0] * size[1])


LARGEST = RegionChoice()


def largest_region(mask: ArrayLike) -> NDArray[np.bool_]:
    """The 8-connected region with the most pixels.

    Parameters
    ----------
    mask : array_like (H, W), bool

    Returns
    -------
    ndarray (H, W), bool
        All false where the mask is. Of regions of the same size, the one whose first pixel in raster order comes first.

    Examples
    --------
    >>> largest_region([[True, False, False], [False, False, True], [False, False, True]]).astype(int)
    array([[0, 0, 0],
           [0, 0, 1],
           [0, 0, 1]])
    """
    from scipy import ndimage  # noqa: PLC0415 - slow to import, and one box does not need it

    labels, count = ndimage.label(np.asarray(mask, dtype=bool), EIGHT_NEIGHBOURS)
    if count == 0:
        return np.zeros(labels.shape, dtype=bool)
    # `label` numbers the regions by their first pixels in raster order, and `argmax` takes the first of equals.
    largest = 1 + np.bincount(labels.ravel())[1:].argmax()
    return np.asarray(labels == largest)


def ranked_regions(mask: ArrayLike, most: int | None = None, least: float = 0) -> NDArray[np.int32]:
    """The 8-connected regions of a mask, numbered from 1 by falling number of pixels.

    Parameters
    ----------
    mask : array_like (H, W), bool
    most : int, optional
        So many of them; by default all.
    least : float
        Pixels that a region needs to count.

    Returns
    -------
    ndarray (H, W), int32
        0 outside them. Of regions of the same size, the one whose first pixel in raster order comes first is first.

    Examples
    --------
    >>> ranked_regions([[True, False, False], [False, False, True], [False, False, True]])
    array([[2, 0, 0],
           [0, 0, 1],
           [0, 0, 1]], dtype=int32)
    """
    from scipy import ndimage  # noqa: PLC0415 - slow to import, and one box does not need it

    labels, count = ndimage.label(np.asarray(mask, dtype=bool), EIGHT_NEIGHBOURS)
    pixels = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    by_size = np.argsort(-pixels, kind="stable")  # `label` numbers them by their first pixels
    kept = by_size[pixels[by_size] >= least][:most]
    numbers = np.zeros(count + 1, np.int32)
    numbers[kept + 1] = np.arange(1, len(kept) + 1)
    return np.asarray(numbers[labels])


def boxes_of_regions(numbered: NDArray[np.int32]) -> list[tuple[int, int, int, int]]:
    """The box of each region of `ranked_regions`, ``x0, y0, x1, y1``, half open, in the order of their numbers."""
    from scipy import ndimage  # noqa: PLC0415 - slow to import, and one box does not need it

    return [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(numbered)]


def boxes_from_maps(maps: ArrayLike, rule: ThresholdRule) -> NDArray[np.int64]:
    """The box round the largest 8-connected region of ``map > tau`` (strictly), ``tau = rule(map)``.

    Parameters
    ----------
    maps : array_like (N, H, W) or (H, W)
        Score maps; a numpy array or a CPU tensor.
    rule : Threshold
        For instance ``MaxThreshold(0.2)`` or ``PercentileThreshold(0.35, 90)``.

    Returns
    -------
    ndarray (N, 4) or (4,), int64
        ``x0, y0, x1, y1``, half open: a region of one pixel has ``x1 = x0 + 1``. The empty box
        ``0, 0, 0, 0`` where no pixel is above tau.

    Raises
    ------
    CamkitError
        A map with NaN or infinite values, or not of two or three dimensions.

    Notes
    -----
    The equations hold as printed also where they surprise; with the two rules of the paper:

    - a constant map of zeros (min-max normalisation makes every constant map one) has no region;
    - a constant map c > 0 gives the whole image for theta < 1, and no region for theta = 1; c < 0 never gives one;
    - an all-negative map has no region under ``MaxThreshold``, whose tau is then at or above the maximum; under
      ``PercentileThreshold`` it has one exactly where ``theta * percentile`` is below the maximum;
    - where the maximum is positive and the percentile is not, tau <= 0: there is always a region, and a *lower* theta
      gives a *higher* tau.

    Examples
    --------
    >>> from camkit.boxes import MaxThreshold
    >>> boxes_from_maps([[0.0, 0.9, 1.0], [0.0, 0.3, 0.0]], MaxThreshold(0.2)).tolist()
    [1, 0, 3, 2]
    >>> boxes_from_maps([[[0.0, 0.0], [0.0, 0.0]]], MaxThreshold(0.2)).tolist()  # no region, so an empty box
    [[0, 0, 0, 0]]
    """
    array = np.asarray(maps)
    if array.ndim not in (2, 3):
        raise CamkitError(
            f"score maps of shape {array.shape}: give (N, height, width), or (height, width) for a single map"
        )
    stack = array.reshape(-1, *array.shape[-2:])
    finite = np.isfinite(stack).all(axis=(-2, -1))
    if not finite.all():
        raise CamkitError(
            f"score map {finite.argmin()} (of {len(stack)}) holds NaN or infinite values: leave it out, or repair it"
        )
    boxes = np.zeros((len(stack), 4), np.int64)
    for box, score_map, tau in zip(boxes, stack, rule(stack), strict=True):
        box[:] = largest_box(above(score_map, float(tau)))
    return boxes.reshape(*array.shape[:-2], 4)


def above(score_map: NDArray[Any], tau: float) -> NDArray[np.bool_]:
    """Where a map is above tau, compared as float64 values are."""
    if score_map.dtype == np.float32:  # above the largest float32 that is not above tau: no pixel is converted
        with np.errstate(over="ignore"):
            level = np.float32(tau)
        if float(level) > tau:
            level = np.nextafter(level, np.float32(-np.inf))
        return np.asarray(score_map > level)
    return np.asarray(score_map > np.float64(tau))
