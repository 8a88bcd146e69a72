"""Populations of images whose figures are known, to see how often an interval holds what it should."""

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import stats

from camkit.metrics.best_accuracy import best_accuracy
from camkit.metrics.intervals import Estimate, accuracy, mean, paired_difference
from camkit.metrics.pixels import PxAP, average_precision

Draw = Callable[[np.random.Generator, int], np.ndarray]
Measure = Callable[[np.ndarray, np.random.Generator], Estimate]


def holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low - 1e-9 <= truth <= estimate.high + 1e-9


def simulated(measure: Callable[[np.ndarray], Estimate], draw: Draw, truth: float, n: int, samples: int) -> float:
    """The share of the samples of n images whose interval holds the truth."""
    rng = np.random.default_rng(n)
    return float(np.mean([holds(measure(draw(rng, n)), truth) for _ in range(samples)]))


# Right or wrong: coverage is a sum over all outcomes, and nothing is drawn.


def of_proportion(n: int, shares: np.ndarray) -> np.ndarray:
    """Coverage for each share of images that are right in truth."""
    ends = [accuracy(np.arange(n) < right) for right in range(n + 1)]
    inside = np.array([[holds(estimate, 100 * p) for estimate in ends] for p in shares])
    return (inside * stats.binom.pmf(np.arange(n + 1), n, shares[:, None])).sum(axis=1)


def of_paired_difference(n: int, better: float, worse: float) -> float:
    """Coverage where so large shares of the images are right by the second run alone, and by the first alone."""
    covered = 0.0
    for differ in range(n + 1):
        weight = stats.binom.pmf(differ, n, better + worse)
        if weight < 1e-5:
            covered += weight
            continue
        for b in range(differ + 1):
            probability = weight * stats.binom.pmf(b, differ, better / (better + worse))
            if probability < 1e-7:
                covered += probability
                continue
            image = np.arange(n)
            first, second = (image >= b) & (image < differ), image < b
            covered += probability * holds(paired_difference(first, second), 100 * (better - worse))
    return covered


# Values in [0, 1].


def with_zeros(share: float, a: float, b: float) -> tuple[Draw, float]:
    """A share of zeros, the others drawn from a beta distribution."""
    return lambda rng, n: np.where(rng.random(n) < share, 0, rng.beta(a, b, n)), (1 - share) * a / (a + b)


SHARES = {
    "IoU, a quarter 0": with_zeros(0.25, 4, 3),
    "IoU, two thirds 0": with_zeros(0.66, 4, 3),
    "IoU, a good model's": with_zeros(0, 5, 2),
    "share of the image": with_zeros(0, 0.7, 4),
}


def of_mean(name: str, n: int, samples: int) -> float:
    draw, truth = SHARES[name]
    return simulated(lambda values: mean(values, (0, 1)), draw, truth, n, samples)


# Pixels: images whose objects differ in size, and whose maps differ in how well they tell object from background.

BINS = 23  # three of them above 1, as PxAP has them
LEVELS = (np.arange(BINS) + 0.5) / (BINS - 3)
AREA, QUALITY = (1.2, 2.5), (1.0, 0.8)


def _histograms(area: np.ndarray, quality: np.ndarray) -> np.ndarray:
    foreground = stats.norm.pdf((LEVELS - (0.35 + 0.18 * quality)[..., None]) / 0.2) * (LEVELS < 1)
    background = np.broadcast_to(stats.norm.pdf((LEVELS - 0.25) / 0.2) * (LEVELS < 1), foreground.shape)
    shares = np.stack([foreground, background], axis=-2)
    pixels = 224**2 * np.stack([area, 1 - area], axis=-1)
    return np.round(pixels[..., None] * shares / shares.sum(axis=-1, keepdims=True))


def pixel_rows(rng: np.random.Generator, n: int) -> np.ndarray:
    return _histograms(rng.beta(*AREA, n), rng.normal(*QUALITY, n)).reshape(n, -1).astype(np.int32)


@cache
def true_pxap() -> float:
    return float(average_precision(pixel_rows(np.random.default_rng(0), 200_000).sum(axis=0).reshape(2, -1)))


def of_pxap(n: int, samples: int) -> float:
    metric, rng = PxAP(1 / (BINS - 3)), np.random.default_rng(0)
    return simulated(lambda rows: metric.estimate(rows, rng), pixel_rows, true_pxap(), n, samples)


# Thresholds: an image is right between two of them (or never), which is what score maps do.


def between(thresholds: int, centre: float, spread: float, width: float, never: float, criteria: int = 1) -> Draw:
    places = np.linspace(0, 1, thresholds)

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        middle = rng.normal(centre, spread, n)
        reach = rng.gamma(2, width / 2, n) * (rng.random(n) >= never)
        shrinking = np.linspace(1, 0.4, criteria)[:, None] if criteria > 1 else np.ones((1, 1))
        return np.abs(places - middle[:, None, None]) < reach[:, None, None] * shrinking

    return draw


def luck(thresholds: int) -> Draw:
    """The worst case: every image is right or wrong at every threshold by a coin's toss of its own."""
    return lambda rng, n: rng.random((n, 1, thresholds)) < 0.5


def correlated_luck(thresholds: int) -> Draw:
    """Equally many images are right at all thresholds; which ones changes slowly from one to the next."""

    def draw(rng: np.random.Generator, n: int) -> np.ndarray:
        kernel = np.exp(-0.5 * (np.arange(-15, 16) / 5) ** 2)
        noise = rng.standard_normal((n, thresholds + 30))
        smooth = np.lib.stride_tricks.sliding_window_view(noise, 31, axis=1) @ (kernel / np.linalg.norm(kernel))
        own = rng.standard_normal((n, 1))
        return ((smooth + own) / np.sqrt(2) < stats.norm.ppf(0.6))[:, None]

    return draw


def curves(thresholds: int) -> dict[str, Draw]:
    return {
        "MaxBoxAcc, broad": between(thresholds, 0.4, 0.15, 0.25, 0.15),
        "MaxBoxAcc, narrow": between(thresholds, 0.4, 0.1, 0.08, 0.1),
        "MaxBoxAcc, nearly all right": between(thresholds, 0.4, 0.12, 0.5, 0.03),
        "MaxBoxAccV2": between(thresholds, 0.4, 0.15, 0.35, 0.08, criteria=3),
        "all thresholds alike": correlated_luck(thresholds),
        "all thresholds alike, coins": luck(thresholds),
    }


@cache
def highest(name: str, thresholds: int) -> float:
    """What the best thresholds give all images; where no formula says so, 400,000, whose luck is below 0.1 points."""
    if name.startswith("all thresholds alike"):
        return 50.0 if name.endswith("coins") else 60.0
    rng, draw = np.random.default_rng(1), curves(thresholds)[name]
    shares = np.mean([draw(rng, 10_000).mean(axis=0) for _ in range(40)], axis=0)
    return float(100 * shares.max(axis=1).mean())


def of_best(name: str, n: int, samples: int, thresholds: int, measure: Measure = best_accuracy) -> float:
    draw, weights = curves(thresholds)[name], np.random.default_rng(n)
    return simulated(lambda correct: measure(correct, weights), draw, highest(name, thresholds), n, samples)
