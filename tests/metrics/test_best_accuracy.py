"""The accuracy at the best threshold: by hand, against a loop, and what its interval must do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics.best_accuracy import _greatest_deviations, _rivals, best_accuracy, in_canonical_order
from camkit.metrics.intervals import accuracy


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
    assert _rivals(correct, correct[:, :, 0], accuracies).tolist() == [expected.tolist()]


def test_the_draws_equal_a_loop_over_thresholds():
    correct = rng(5).random((30, 2, 6)) < rng(6).random((2, 6))
    accuracies, rivals = correct.mean(axis=0), rng(7).random((2, 6)) < 0.6
    rivals[:, 0] = True
    weights = rng(8)
    expected = []
    for _ in range(10):
        for draw in weights.standard_normal((100, 30)):
            mean_of_criteria = 0.0
            for d in range(2):
                of_rivals = [draw @ (correct[:, d, t] - accuracies[d, t]) / 30 for t in range(6) if rivals[d, t]]
                mean_of_criteria += max(of_rivals) / 2
            expected.append(mean_of_criteria)
    assert _greatest_deviations(correct, accuracies, rivals, rng(8)) == pytest.approx(np.array(expected))


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


@given(st.integers(0, 1000))
def test_canonical_order_is_a_permutation_that_forgets_the_order(seed):
    rows = rng(seed).integers(0, 3, (12, 2, 2)).astype(np.uint8)
    ordered = in_canonical_order(rows)
    assert sorted(map(bytes, ordered)) == sorted(map(bytes, rows))
    assert (ordered == in_canonical_order(rows[::-1])).all()


def test_no_image_is_refused():
    with pytest.raises(CamkitError, match="empty"):
        best_accuracy(np.zeros((0, 1, 3), bool), rng())
