"""How sure a figure is: 95 % intervals over the images it was measured on.

Right or wrong gets the score interval of a proportion (Wilson 1927). So does what else lies between two bounds, with n
replaced by the number of images that would make a proportion as uncertain (`score_interval`); the variance comes from
the images themselves or, where the figure is no plain mean, from leaving out one after the other (the jackknife). What
has no bounds gets Student's. Nothing here is drawn by chance, and no value lies outside its interval.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from camkit.errors import CamkitError

LEVEL = 0.95
Z = float(stats.norm.ppf((1 + LEVEL) / 2))
ROUNDING = 1e-9  # of the range between the bounds: a smaller standard error is what sums in float64 leave

Values = NDArray[np.float64]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A figure, its 95 % interval and the number of images behind it."""

    value: float
    low: float
    high: float
    n: int


def accuracy(correct: NDArray[np.bool_]) -> Estimate:
    """The percentage of images (n,) that are right, with Wilson's interval."""
    n = images_of(correct)
    right = int(correct.sum())
    low, high = stats.binomtest(right, n).proportion_ci(LEVEL, method="wilson")
    return Estimate(100 * right / n, 100 * float(low), 100 * float(high), n)


def mean(values: Values, within: Bounds | None = None) -> Estimate:
    """The mean over images (n,).

    Parameters
    ----------
    values : ndarray (n,)
    within : tuple of float, optional
        The least and the greatest value that an image can have: the interval is then the score interval, which holds
        where many values are at a bound. Without, Student's; infinite for a single image.

    Raises
    ------
    CamkitError
        There is no image.
    """
    n = images_of(values)
    ordered = np.sort(values)  # the sum must not depend on the order in which images arrived
    value = float(ordered.mean())
    if within is not None:
        return _within(value, float(ordered.var(ddof=1) / n) if n > 1 else 0.0, n, within)
    if n == 1:
        return Estimate(value, -np.inf, np.inf, n)
    half_width = _quantile(n) * float(ordered.std(ddof=1)) / np.sqrt(n)
    return Estimate(value, value - half_width, value + half_width, n)


def jackknife(value: float, left_out: Values, within: Bounds) -> Estimate:
    """A figure that is no plain mean, such as a ratio of sums (Efron and Tibshirani 1993, chapter 11).

    Parameters
    ----------
    value : float
        Of all n images.
    left_out : ndarray (n,)
        Of all but image i.
    within : tuple of float
        The figure's bounds.
    """
    n = images_of(left_out)
    return _within(value, (n - 1) * float(np.sort(left_out).var()), n, within)


def median(values: Values) -> Estimate:
    """The median over images (n,), between the order statistics that the binomial names; infinite below 6 images."""
    n = images_of(values)
    value = float(np.median(values))
    low, high = (float(end) for end in stats.quantile_test(values, p=0.5).confidence_interval(LEVEL))
    if np.isnan(low) or np.isnan(high):
        return Estimate(value, -np.inf, np.inf, n)
    return Estimate(value, low, high, n)


def deviation(values: Values) -> Estimate:
    """The standard deviation over images (n,), divided by n; jackknife and Student's quantile on the log scale."""
    n = images_of(values)
    away = np.sort(values) - values.mean()
    value = float(away.std())
    if n < 3 or value == 0:
        return Estimate(value, 0.0, np.inf, n)
    first, second = (away.sum() - away) / (n - 1), ((away**2).sum() - away**2) / (n - 1)
    left_out = np.sqrt(np.maximum(second - first**2, 0))
    factor = np.exp(_quantile(n) * np.sqrt((n - 1) * left_out.var()) / value)
    return Estimate(value, float(value / factor), float(value * factor), n)


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Estimate:
    """How many images of 100 the second is right on more than the first, the same n images for both.

    Wald's interval with half an image more in each of the four cells (Agresti and Min 2005).
    """
    n = images_of(first)
    better, worse = int((second & ~first).sum()), int((first & ~second).sum())
    b, c, m = better + 0.5, worse + 0.5, n + 2
    middle, half_width = (b - c) / m, Z * np.sqrt(b + c - (b - c) ** 2 / m) / m
    low, high = 100 * max(middle - half_width, -1.0), 100 * min(middle + half_width, 1.0)
    return Estimate(100 * (better - worse) / n, float(low), float(high), n)


def score_interval(value: float, variance: float, n: int, low_z: float = Z, high_z: float = Z) -> tuple[float, float]:
    """Wilson's interval of a figure in [0, 1] whose estimate has some variance.

    The figure is as uncertain as a proportion among ``value * (1 - value) / variance`` images, and gets that
    proportion's interval, as proportions in surveys do (Franco et al. 2019). Where no two images differ there is no
    variance to go by: an unseen share of the images, as large as Wilson allows where none of n was seen, may then have
    any value.

    Parameters
    ----------
    value, variance : float
    n : int
        Images.
    low_z, high_z : float
        How many standard errors the ends are away.
    """
    if variance <= ROUNDING**2 or not 0 < value < 1:
        unseen_low, unseen_high = (z**2 / (n + z**2) for z in (low_z, high_z))
        return value * (1 - unseen_low), value + unseen_high * (1 - value)
    like_n = value * (1 - value) / variance
    ends = []
    for z, sign in ((low_z, -1), (high_z, 1)):
        middle = value + z**2 / (2 * like_n)
        reach = z * np.sqrt(variance + (z / (2 * like_n)) ** 2)
        ends.append(float((middle + sign * reach) / (1 + z**2 / like_n)))
    return min(max(ends[0], 0.0), value), max(min(ends[1], 1.0), value)


def images_of(outcomes: NDArray[np.bool_] | Values) -> int:
    """How many there are; `CamkitError` where there is none."""
    if len(outcomes) == 0:
        raise CamkitError("no image to measure on: the split, or what is left of it, is empty")
    return len(outcomes)


def _within(value: float, variance: float, n: int, bounds: Bounds) -> Estimate:
    lowest, span = bounds[0], bounds[1] - bounds[0]
    z = _quantile(n)
    ends = score_interval((value - lowest) / span, variance / span**2, n, z, z)
    low, high = (lowest + span * end for end in ends)
    return Estimate(value, min(low, value), max(high, value), n)


def _quantile(n: int) -> float:
    """Student's, whose variance comes from n images; the normal's where there is none to go by."""
    return float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) if n > 1 else Z
