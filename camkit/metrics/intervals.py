"""How sure a figure is: 95 % intervals over the images it was measured on.

The bootstrap draws as many images as there are, with repetition, again and again, and computes the figure of each draw.
A draw is written as how often each image was taken, so that a figure over all draws is one matrix product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from camkit.errors import CamkitError

LEVEL = 0.95
RESAMPLES = 1000
RARE = 10
CHUNK = 100

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval and the number of images behind it."""

    value: float
    low: float
    high: float
    n: int


def bootstrap(statistic: Statistic, n: int, rng: np.random.Generator, resamples: int = RESAMPLES) -> Estimate:
    """The percentile interval of a statistic over images (Efron and Tibshirani 1993, chapter 13).

    Parameters
    ----------
    statistic : callable
        (R, n) counts, how often each of the n images was drawn, to the (R,) statistics of those draws.
    n : int
        Number of images.
    rng : numpy.random.Generator
    resamples : int
        Number of draws.

    Returns
    -------
    Estimate
        Its value is the statistic of the images as they are, each counted once.

    Raises
    ------
    CamkitError
        There is no image.
    """
    if n == 0:
        raise CamkitError("no image to measure on: the split, or what is left of it, is empty")
    draws = [statistic(_draw(n, min(CHUNK, resamples - done), rng)) for done in range(0, resamples, CHUNK)]
    low, high = np.quantile(np.concatenate(draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(statistic(np.ones((1, n), np.int64))[0]), float(low), float(high), n)


def _draw(n: int, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(draws, n) counts, multinomial: each row sums to n."""
    return np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(draws)])


def in_canonical_order(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows (n, D) sorted by their bytes: an interval must not depend on the order in which images arrived."""
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.itemsize * rows.shape[1])))
    return np.asarray(rows[np.argsort(keys.ravel(), kind="stable")])


def mean(values: NDArray[np.float64], rng: np.random.Generator) -> Estimate:
    """The mean over images (n,), with its bootstrap interval."""
    ordered = np.sort(values)
    return bootstrap(lambda counts: counts @ ordered / len(ordered), len(ordered), rng)


def median(values: NDArray[np.float64], rng: np.random.Generator) -> Estimate:
    """The median over images (n,), with its bootstrap interval."""
    ordered = np.sort(values)
    n = len(ordered)

    def statistic(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        drawn = counts.cumsum(axis=1)
        low, high = ((drawn > place).argmax(axis=1) for place in ((n - 1) // 2, n // 2))
        return np.asarray((ordered[low] + ordered[high]) / 2)

    return bootstrap(statistic, n, rng)


def deviation(values: NDArray[np.float64], rng: np.random.Generator) -> Estimate:
    """The standard deviation over images (n,), divided by n, with its bootstrap interval."""
    ordered = np.sort(values)
    powers = np.stack([ordered - ordered.mean(), (ordered - ordered.mean()) ** 2], axis=1) if len(ordered) else ordered

    def statistic(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        first, second = (counts @ powers / len(ordered)).T
        return np.asarray(np.sqrt(np.maximum(second - first**2, 0)))

    return bootstrap(statistic, len(ordered), rng)


def accuracy(correct: NDArray[np.bool_], rng: np.random.Generator) -> Estimate:
    """The percentage of images (n,) that are right."""
    return best_accuracy(correct[:, None, None], rng)


def best_accuracy(correct: NDArray[np.bool_], rng: np.random.Generator) -> Estimate:
    """The percentage of images that are right at the best threshold, averaged over D criteria with a threshold each.

    Parameters
    ----------
    correct : ndarray (n, D, T), bool
        Whether image i is right by criterion d at threshold t.
    rng : numpy.random.Generator

    Returns
    -------
    Estimate
        In percent. Every draw chooses its own best thresholds, as these images did. Where fewer than `RARE` outcomes
        are right, or wrong, draws say too little: the interval is then Wilson's, at the best thresholds, averaged over
        the criteria.
    """
    n, criteria, thresholds = correct.shape
    ordered = in_canonical_order(correct.reshape(n, criteria * thresholds)).reshape(correct.shape)
    # From one threshold to the next few images change: the changes, a sparse matrix, summed up along the curve are far
    # cheaper than the curve itself.
    changes = np.asarray(np.diff(ordered.astype(np.int8), axis=2, prepend=np.int8(0)), np.int8)
    sparse_changes = sparse.csr_array(changes.reshape(n, criteria * thresholds)).astype(np.int64)

    def right(counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """(R, n) counts -> (R, D), how many are right at the best threshold."""
        drawn = np.asarray(counts @ sparse_changes)
        curves = drawn.reshape(-1, criteria, thresholds).cumsum(axis=2)
        return np.asarray(curves.max(axis=2))

    estimate = bootstrap(lambda counts: (100.0 * right(counts) / n).mean(axis=1), n, rng)
    at_best = right(np.ones((1, n), np.int64))[0]
    if min(at_best.sum(), criteria * n - at_best.sum()) >= RARE:
        return estimate
    intervals = [stats.binomtest(int(k), n).proportion_ci(LEVEL, method="wilson") for k in at_best]
    low, high = 100 * np.mean(intervals, axis=0)
    return Estimate(estimate.value, float(low), float(high), n)
