"""The box of a mask's largest region, from the runs of true pixels in its rows: far fewer than there are pixels."""

import numpy as np
from numpy.typing import NDArray


def largest_box(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The box round the largest 8-connected region: ``box_of(largest_region(mask))`` without labelling each pixel.

    Parameters
    ----------
    mask : ndarray (H, W), bool

    Returns
    -------
    ndarray (4,), int64
        ``x0, y0, x1, y1``, half open; ``0, 0, 0, 0`` where no pixel is true. Of regions of the same size, that of the
        one whose first pixel in raster order comes first.
    """
    starts, stops, width = runs_of(mask)
    if len(starts) == 0:
        return np.zeros(4, np.int64)
    largest = largest_of(starts, stops, width)
    rows = starts[largest] // width
    left, right = starts[largest] - rows * width, stops[largest] - rows * width
    return np.array([left.min(), rows[0], right.max(), rows[-1] + 1], np.int64)


def runs_of(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Where runs start and stop, in raster order, and the length of a row: one false pixel longer than the mask's."""
    height, width = mask.shape
    framed = np.zeros(height * (width + 1) + 1, np.bool_)  # the first is no pixel: a run may start at the next
    framed[1:].reshape(height, width + 1)[:, :width] = mask
    changes = np.flatnonzero(framed[1:] != framed[:-1])
    return changes[::2], changes[1::2], width + 1


def largest_of(starts: NDArray[np.int64], stops: NDArray[np.int64], width: int) -> slice | NDArray[np.int64]:
    """Which runs are the largest region's."""
    # Runs touch those of the row above that start no later than they stop and stop no earlier than they start.
    first = np.searchsorted(stops, starts - width, side="left")
    counts = np.maximum(np.searchsorted(starts, stops - width, side="right") - first, 0)
    if counts[1:].all():  # each run but the first touches one above it: there is one region
        return slice(None)
    from scipy.sparse import csr_array  # noqa: PLC0415 - slow to import, and one region does not need them
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    ends = np.concatenate([[0], np.cumsum(counts)])
    above = np.arange(ends[-1]) - np.repeat(ends[:-1] - first, counts)
    touching = csr_array((np.ones(len(above), np.int8), above, ends), shape=(len(starts), len(starts)))
    # Regions are numbered by their first runs, and `argmax` takes the first of equals.
    _, region = connected_components(touching, directed=False)
    return np.flatnonzero(region == np.bincount(region, weights=stops - starts).argmax())
