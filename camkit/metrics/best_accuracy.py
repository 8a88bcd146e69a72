"""The accuracy at the best of many thresholds, and how sure it is though these very images chose the threshold."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from camkit.metrics.intervals import LEVEL, Estimate, Z, images_of, score_interval

DRAWS = 1000
CHUNK = 100

Correct = NDArray[np.bool_]


def best_accuracy(correct: Correct, rng: np.random.Generator) -> Estimate:
    """The percentage of images that are right at the best threshold, averaged over D criteria with a threshold each.

    Parameters
    ----------
    correct : ndarray (n, D, T), bool
        Whether image i is right by criterion d at threshold t.
    rng : numpy.random.Generator

    Returns
    -------
    Estimate
        In percent. The interval is of what the best thresholds for all images there could be would give. It is Wilson's
        at the thresholds chosen here, with a lower end that lies further away: the best of several accuracies that
        differ by luck alone lies too high, by as much as the draws say.

    Notes
    -----
    Inference on a maximum (Chernozhukov, Lee and Rosen 2013): only thresholds that may be the best count for the lower
    end, those that lose to the chosen one by at most ``sqrt(log n)`` standard errors of the paired difference (Andrews
    and Soares 2010). It is as many standard errors away as the greatest deviation among them is in 95 % of the draws,
    and not less than 1.96; each draw weighs every image with a normal variate. A maximum hardly ever lies too low, and
    the 5 % that the lower end misses are then all there are.
    """
    n, criteria, _ = correct.shape
    images_of(correct)
    ordered = in_canonical_order(correct)
    accuracies = ordered.mean(axis=0)
    best = accuracies.argmax(axis=1)
    chosen = ordered[:, np.arange(criteria), best]
    percent, variance = float((100 * ordered.sum(axis=0) / n).max(axis=1).mean()), float(chosen.mean(axis=1).var() / n)
    rivals = _rivals(ordered, chosen, accuracies)
    low_z = Z
    if variance > 0 and rivals.sum() > criteria:
        luck = np.quantile(_greatest_deviations(ordered, accuracies, rivals, rng), LEVEL)
        low_z = max(Z, float(luck / np.sqrt(variance)))
    low, high = (100 * end for end in score_interval(percent / 100, variance, n, low_z))
    return Estimate(percent, min(low, percent), max(high, percent), n)


def in_canonical_order(rows: NDArray[Any]) -> NDArray[Any]:
    """The rows (n, ...) sorted by their bytes: draws must not depend on the order in which images arrived."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    keys = flat.view(np.dtype((np.void, flat.itemsize * flat.shape[1])))
    return np.asarray(rows[np.argsort(keys.ravel(), kind="stable")])


def _rivals(correct: Correct, chosen: Correct, accuracies: NDArray[np.float64]) -> Correct:
    """(D, T): the thresholds that cannot be told from the best, itself among them."""
    n = len(correct)
    differ = np.stack([(correct[:, d] != chosen[:, d, None]).mean(axis=0) for d in range(correct.shape[1])])
    behind = accuracies.max(axis=1, keepdims=True) - accuracies
    return np.asarray(behind <= np.sqrt(np.log(n) * np.maximum(differ - behind**2, 0) / n))


def _greatest_deviations(
    correct: Correct, accuracies: NDArray[np.float64], rivals: Correct, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(DRAWS,): by how much the greatest of the rivals' accuracies exceeds its mean, averaged over the criteria."""
    n, criteria, thresholds = correct.shape
    # From one threshold to the next few images change: the changes, a sparse matrix, summed up along the curve are far
    # cheaper than the curve itself.
    changes = np.diff(correct.astype(np.int8), axis=2, prepend=np.int8(0)).reshape(n, criteria * thresholds)
    sparse_changes = sparse.csr_array(changes).astype(np.float64)
    greatest = []
    for done in range(0, DRAWS, CHUNK):
        weights = rng.standard_normal((min(CHUNK, DRAWS - done), n))
        drawn = np.asarray(weights @ sparse_changes).reshape(-1, criteria, thresholds).cumsum(axis=2)
        deviations = (drawn - weights.sum(axis=1)[:, None, None] * accuracies) / n
        greatest.append(np.where(rivals, deviations, -np.inf).max(axis=2).mean(axis=1))
    return np.concatenate(greatest)
