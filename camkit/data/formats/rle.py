"""Masks as COCO's run lengths: column by column, runs of 0 and 1 in turn, the first of 0."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from camkit.errors import CamkitError


def counts_of_mask(mask: NDArray[np.bool_]) -> list[int]:
    """The run lengths of a mask (H, W); `mask_from_counts` gives it back."""
    flat = np.concatenate([[False], mask.T.ravel(), [not mask[-1, -1]]])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    return [int(run) for run in np.diff(ends, prepend=0)]


def mask_from_counts(counts: Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask (H, W) of run lengths.

    Raises
    ------
    CamkitError
        A run is negative, or the runs do not add up to H x W.
    """
    height, width = size
    if any(count < 0 for count in counts) or sum(counts) != height * width:
        raise CamkitError(f"the run lengths add up to {sum(counts)} pixels, not to {width} x {height}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(width, height).T
