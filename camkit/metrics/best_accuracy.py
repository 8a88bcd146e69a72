"""The accuracy at the best of many thresholds, and how sure it is though these very images chose the threshold."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from camkit.metrics.intervals import LEVEL, Estimate, Z, images_of, score_interval

DRAWS = 1000
CHUNK = 100  # draws that are multiplied at a time
BLOCK = 16384  # images whose outcomes are in memory at a time
CACHE = 32  # MiB of what is sorted that stay in memory

Correct = NDArray[np.bool_]
Counts = NDArray[np.int64]
Blocks = Callable[[], Iterable[Correct]]


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
    images_of(correct)
    return best_accuracy_of_blocks(partial(_blocks, correct), rng)


def _blocks(correct: Correct) -> Iterator[Correct]:
    return (correct[start : start + BLOCK] for start in range(0, len(correct), BLOCK))


def best_accuracy_of_blocks(blocks: Blocks, rng: np.random.Generator) -> Estimate:
    """`best_accuracy` of any number of images in bounded memory.

    The images are gone through in blocks. All draws go through them together, each from its own place in the one stream
    of normal variates: the weights are those that it gives to all images at once.

    Parameters
    ----------
    blocks : callable
        Gives the outcomes (b, D, T), block by block, as often as it is called; there is one image at least.
    rng : numpy.random.Generator
    """
    n, right = 0, np.zeros(0, np.int64)
    for block in blocks():
        n, right = n + len(block), right + block.sum(axis=0) if n else block.sum(axis=0)
    accuracies = right / n
    best = accuracies.argmax(axis=1)
    differ, agreeing = _against(blocks, best)
    shares = np.arange(len(best) + 1) / len(best)
    percent = float((100 * right / n).max(axis=1).mean())
    variance = float(agreeing @ (shares - agreeing @ shares / n) ** 2) / n**2
    rivals = _rivals(differ / n, accuracies, n)
    low_z = Z
    if variance > 0 and rivals.sum() > len(best):
        luck = np.quantile(_greatest_deviations(blocks, accuracies, rivals, n, rng), LEVEL)
        low_z = max(Z, float(luck / np.sqrt(variance)))
    low, high = (100 * end for end in score_interval(percent / 100, variance, n, low_z))
    return Estimate(percent, min(low, percent), max(high, percent), n)


def _against(blocks: Blocks, best: Counts) -> tuple[Counts, Counts]:
    """(D, T) in how many images a threshold differs from the best; (D + 1,) how many are right by so many criteria."""
    criteria = np.arange(len(best))
    differ, agreeing = [], []
    for block in blocks():
        chosen = block[:, criteria, best]
        differ.append(np.stack([(block[:, d] != chosen[:, d, None]).sum(axis=0) for d in criteria]))
        agreeing.append(np.bincount(chosen.sum(axis=1), minlength=len(best) + 1))
    return np.sum(differ, axis=0), np.sum(agreeing, axis=0)


def _rivals(differ: NDArray[np.float64], accuracies: NDArray[np.float64], n: int) -> Correct:
    """(D, T): the thresholds that cannot be told from the best, itself among them."""
    behind = accuracies.max(axis=1, keepdims=True) - accuracies
    return np.asarray(behind <= np.sqrt(np.log(n) * np.maximum(differ - behind**2, 0) / n))


def _greatest_deviations(
    blocks: Blocks, accuracies: NDArray[np.float64], rivals: Correct, n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """(DRAWS,): by how much the greatest of the rivals' accuracies exceeds its mean, averaged over the criteria."""
    sums, weights = _weighed(in_canonical_order(blocks), accuracies.shape, n, rng)
    deviations = (sums.cumsum(axis=2) - weights[:, None, None] * accuracies) / n
    return np.asarray(np.where(rivals, deviations, -np.inf).max(axis=2).mean(axis=1))


def _weighed(
    ordered: Iterable[Correct], shape: tuple[int, ...], n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(DRAWS, D, T) of each draw what changes from one threshold to the next, weighed; (DRAWS,) its sum of weights."""
    sums, totals = np.zeros((DRAWS, int(np.prod(shape)))), np.zeros(DRAWS)
    places: list[Any] = []  # where in the stream each draw's next weight stands

    def weights_of(draw: int, count: int) -> NDArray[np.float64]:
        if draw < len(places):
            rng.bit_generator.state = places[draw]
            own = rng.standard_normal(count)
            places[draw] = rng.bit_generator.state
            return own
        own = rng.standard_normal(count)
        places.append(rng.bit_generator.state)
        for start in range(count, n, BLOCK):  # those of the other images, which come in later blocks
            rng.standard_normal(min(BLOCK, n - start))
        return own

    for block in ordered:
        # From one threshold to the next few images change: the changes, a sparse matrix, summed up along the curve are
        # far cheaper than the curve itself.
        changes = np.diff(block.astype(np.int8), axis=2, prepend=np.int8(0)).reshape(len(block), -1)
        sparse_changes = sparse.csr_array(changes).astype(np.float64)
        for start in range(0, DRAWS, CHUNK):
            draws = slice(start, min(start + CHUNK, DRAWS))
            weights = np.stack([weights_of(draw, len(block)) for draw in range(draws.start, draws.stop)])
            sums[draws] += np.asarray(weights @ sparse_changes)
            totals[draws] += weights.sum(axis=1)
    return sums.reshape(DRAWS, *shape), totals


def in_canonical_order(blocks: Blocks) -> Iterator[Correct]:
    """The images (b, D, T), sorted by their bytes: draws must not depend on the order in which images arrived.

    They are sorted by SQLite, which takes as much disk as it needs and a bounded part of memory.
    """
    with closing(sqlite3.connect("", isolation_level=None)) as db:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE << 10}"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("CREATE TABLE images (outcomes BLOB NOT NULL)")
        db.execute("BEGIN")
        shape: tuple[int, ...] = ()
        for block in blocks():
            shape = block.shape[1:]
            packed = np.packbits(block.reshape(len(block), -1), axis=1)
            db.executemany("INSERT INTO images VALUES (?)", ((row.tobytes(),) for row in packed))
        width = int(np.prod(shape))
        found = db.execute("SELECT outcomes FROM images ORDER BY outcomes")
        while rows := found.fetchmany(BLOCK):
            packed = np.frombuffer(b"".join(row for (row,) in rows), np.uint8).reshape(len(rows), -1)
            yield np.unpackbits(packed, axis=1, count=width).astype(bool).reshape(len(rows), *shape)
