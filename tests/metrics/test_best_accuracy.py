"""The accuracy at the best threshold: by hand, against a loop, and what its interval must do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics import best_accuracy as module
from camkit.metrics.best_accuracy import _greatest_deviations, _rivals, best_accuracy, in_canonical_order
from camkit.metrics.intervals import LEVEL, Estimate, Z, accuracy, score_interval


def rng(seed=0):
    return np.random.default_rng(seed)


def test_the_value_by_hand():
    # Criterion 0: threshold 0 has 2 of 4 right, threshold 1 has 3; criterion 1: 1 and 0.
    correct = np.array([[[1, 1], [1, 0]], [[1, 1], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [0, 0]]], bool)
    assert best_accuracy(correct, rng()).value == (75.0 + 25.0) / 2


@pytest.mark.parametrize(("right", "n"), [(5, 5), (0, 5), (3, 40), (391, 400)])
def test_with_one_threshold_there_is_no_choice_and_it_is_wilsons_interval(right, n):
    correct = np.arange(n) < right
    found, known = best_accuracy(correct[:, None, None], rng()), accuracy(correct)
    assert (found.value, found.low, found.high) == pytest.approx((known.value, known.low, known.high))


def test_a_threshold_far_behind_does_not_count():
    correct = rng(1).random(300) < 0.7
    far = np.stack([correct, correct & (rng(2).random(300) < 0.5)], axis=1)[:, None]
    assert best_accuracy(far, rng()) == best_accuracy(far[:, :, :1], rng())


def test_rivals_are_those_that_lose_by_less_than_sqrt_log_n_errors():
    # Of 100 images the best threshold has 60 right; the others lose 5, 5 and 2 of these, and the third gains 1 others.
    correct = np.zeros((100, 1, 4), bool)
    correct[:60] = True
    correct[:5, 0, 1] = False
    correct[:20, 0, 2], correct[60:75, 0, 2] = False, True
    correct[:2, 0, 3] = False
    accuracies = correct.mean(axis=0)
    behind, differ = np.array([0, 0.05, 0.05, 0.02]), np.array([0, 0.05, 0.35, 0.02])
    errors = np.sqrt((differ - behind**2) / 100)
    expected = behind <= np.sqrt(np.log(100)) * errors  # 2.146: 2.29, 0.85 and 1.43 errors behind
    assert expected.tolist() == [True, False, True, True]
    assert _rivals(differ[None], accuracies, 100).tolist() == [expected.tolist()]


def test_the_draws_equal_a_loop_over_thresholds():
    correct = rng(5).random((30, 2, 6)) < rng(6).random((2, 6))
    accuracies, rivals = correct.mean(axis=0), rng(7).random((2, 6)) < 0.6
    rivals[:, 0] = True
    weights = rng(8)
    expected = []
    correct = correct[np.lexsort(correct.reshape(30, -1).T[::-1])]
    for _ in range(10):
        for draw in weights.standard_normal((100, 30)):
            mean_of_criteria = 0.0
            for d in range(2):
                of_rivals = [draw @ (correct[:, d, t] - accuracies[d, t]) / 30 for t in range(6) if rivals[d, t]]
                mean_of_criteria += max(of_rivals) / 2
            expected.append(mean_of_criteria)
    assert _greatest_deviations(lambda: [correct], accuracies, rivals, 30, rng(8)) == pytest.approx(np.array(expected))


def test_among_thresholds_that_are_all_luck_the_lower_end_lies_as_far_as_their_maximum():
    # 50 independent thresholds, all right on half of 2,000 images: the greatest of 50 normal deviations is below its
    # 95 % quantile at 0.95 ** (1 / 50).
    correct = rng(3).random((2000, 1, 50)) < 0.5
    estimate = best_accuracy(correct, rng())
    error = np.sqrt(0.25 / 2000) * 100
    assert (estimate.value - estimate.low) / error == pytest.approx(stats.norm.ppf(0.95 ** (1 / 50)), abs=0.25)
    assert (estimate.high - estimate.value) / error == pytest.approx(1.96, abs=0.05)
    assert estimate.low <= 50 <= estimate.high


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 3), st.integers(1, 4))
def test_the_value_lies_inside(seed, n, criteria, thresholds):
    correct = rng(seed).random((n, criteria, thresholds)) < rng(seed + 1).random(thresholds)
    estimate = best_accuracy(correct, rng())
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 100
    assert estimate.low < estimate.high


def test_order_of_images_changes_nothing():
    correct = rng(5).random((80, 3, 20)) < 0.4
    assert best_accuracy(correct, rng()) == best_accuracy(correct[rng(6).permutation(80)], rng())


@given(st.integers(0, 1000), st.integers(1, 5))
def test_canonical_order_is_a_permutation_that_forgets_the_order(seed, block):
    rows = rng(seed).random((12, 2, 5)) < 0.5
    blocks = [rows[start : start + block] for start in range(0, 12, block)]
    ordered = np.concatenate(list(in_canonical_order(lambda: blocks)))
    assert list(map(bytes, ordered)) == sorted(map(bytes, rows))
    assert (ordered == np.concatenate(list(in_canonical_order(lambda: [rows[::-1]])))).all()


def at_once(correct, rng):
    """All images and all draws in memory together, as in 0.4.0."""
    n, criteria, _ = correct.shape
    ordered = correct[np.lexsort(correct.reshape(n, -1).T[::-1])]
    accuracies = ordered.mean(axis=0)
    best = accuracies.argmax(axis=1)
    chosen = ordered[:, np.arange(criteria), best]
    percent, variance = float(100 * accuracies.max(axis=1).mean()), chosen.mean(axis=1).var() / n
    differ = np.stack([(ordered[:, d] != chosen[:, d, None]).mean(axis=0) for d in range(criteria)])
    behind = accuracies.max(axis=1, keepdims=True) - accuracies
    rivals = behind <= np.sqrt(np.log(n) * np.maximum(differ - behind**2, 0) / n)
    weights = rng.standard_normal((1000, n))
    deviations = np.einsum("wn,ndt->wdt", weights, ordered) - weights.sum(1)[:, None, None] * accuracies
    luck = np.quantile(np.where(rivals, deviations / n, -np.inf).max(axis=2).mean(axis=1), LEVEL)
    low, high = (100 * end for end in score_interval(percent / 100, variance, n, max(Z, luck / np.sqrt(variance))))
    return Estimate(percent, min(low, percent), max(high, percent), n)


@pytest.mark.parametrize(("n", "criteria", "thresholds", "block"), [(300, 3, 40, 7), (257, 1, 30, 256), (64, 2, 9, 64)])
def test_blocks_give_the_interval_of_all_images_at_once(monkeypatch, n, criteria, thresholds, block):
    """The same generator and the same draws: what differs is the order of sums."""
    levels = np.sort(rng(9).random((criteria, thresholds)) * 0.3 + 0.4, axis=1)
    correct = rng(10).random((n, criteria, 1)) < levels
    correct ^= rng(11).random(correct.shape) < 0.1
    monkeypatch.setattr(module, "BLOCK", block)
    found, expected = best_accuracy(correct, rng(4)), at_once(correct, rng(4))
    assert vars(found) == pytest.approx(vars(expected), rel=1e-12)
    assert found.low < found.value - 1.9 * (found.high - found.value) / Z  # more than Wilson's: the draws had a say


def test_no_image_is_refused():
    with pytest.raises(CamkitError, match="empty"):
        best_accuracy(np.zeros((0, 1, 3), bool), rng())
