"""Two runs on the same images: who is right where the other is wrong."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics.intervals import Estimate, mean


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
    first: NDArray[np.bool_] | NDArray[np.float64],
    second: NDArray[np.bool_] | NDArray[np.float64],
    rng: np.random.Generator,
) -> Comparison:
    """Compare two runs pairwise.

    Parameters
    ----------
    first, second : ndarray (n,), bool or float64
        Per-image outcomes, image i the same in both: right or wrong, or a value such as the IoU.
    rng : numpy.random.Generator

    Returns
    -------
    Comparison

    Raises
    ------
    CamkitError
        The runs do not hold the same number of images, or none, or not the same kind of outcome.
    """
    if first.shape != second.shape or first.dtype != second.dtype:
        raise CamkitError(
            f"cannot compare {first.dtype} outcomes of shape {first.shape} with {second.dtype} outcomes of shape "
            f"{second.shape}: give both runs' outcomes of one metric on the same images, in the same order"
        )
    unit = 100.0 if first.dtype == np.bool_ else 1.0
    differences = unit * (second.astype(np.float64) - first.astype(np.float64))
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    p_value = float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
    return Comparison(mean(differences, rng), better, worse, p_value)
