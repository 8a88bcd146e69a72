"""Two runs on the same images: who is right where the other is wrong."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics.intervals import Estimate, mean, paired_difference


@dataclass(frozen=True)
class Comparison:
    """Second run against first, image by image.

    Attributes
    ----------
    difference : Estimate
        Second minus first, mean over images, with its paired interval; points of 100 for right or wrong outcomes.
    better, worse : int
        Images on which the second run beats the first, or loses to it. The others tie.
    p_value : float
        Exact two-sided sign test: the probability of a split at least as uneven, were each image a coin's toss.
    """

    difference: Estimate
    better: int
    worse: int
    p_value: float


def compare(
    first: NDArray[np.bool_] | NDArray[np.float64], second: NDArray[np.bool_] | NDArray[np.float64]
) -> Comparison:
    """Compare two runs pairwise.

    Parameters
    ----------
    first, second : ndarray (n,), bool or float64
        Per-image outcomes, image i the same in both: right or wrong, or a value in [0, 1] such as the IoU.

    Returns
    -------
    Comparison

    Raises
    ------
    CamkitError
        The runs do not hold the same number of images, or none, or not the same kind of outcome, or values beyond 0
        and 1.

    Examples
    --------
    >>> first, second = np.array([True, False, False, False]), np.array([True, True, True, False])
    >>> against = compare(first, second)
    >>> against.better, against.worse, against.p_value
    (2, 0, 0.5)
    >>> against.difference.value
    50.0
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        raise CamkitError(
            f"cannot compare {first.dtype} outcomes of shape {first.shape} with {second.dtype} outcomes of shape "
            f"{second.shape}: give both runs' outcomes of one metric on the same images, in the same order"
        )
    better, worse = int((second > first).sum()), int((second < first).sum())
    p_value = float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
    return Comparison(_difference(first, second), better, worse, p_value)


def _difference(first: NDArray[Any], second: NDArray[Any]) -> Estimate:
    if first.dtype == np.bool_:
        return paired_difference(first, second)
    values = np.stack([first, second])
    if not ((values >= 0) & (values <= 1)).all():  # NaN is neither
        raise CamkitError("cannot compare values below 0, above 1 or NaN: give shares of 1, such as IoUs")
    return mean(second - first, (-1, 1))
