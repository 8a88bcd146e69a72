from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics.intervals import accuracy, best_accuracy, bootstrap, deviation, in_canonical_order, mean, median


def rng(seed=0):
    return np.random.default_rng(seed)


def test_mean_of_many_is_as_wide_as_the_central_limit_says():
    values = rng(1).normal(3.0, 2.0, 4000)
    estimate = mean(values, rng())
    assert estimate.value == pytest.approx(values.mean(), rel=1e-12)
    assert estimate.n == 4000
    half_width = 1.96 * values.std() / np.sqrt(4000)
    assert estimate.low == pytest.approx(values.mean() - half_width, abs=0.15 * half_width)
    assert estimate.high == pytest.approx(values.mean() + half_width, abs=0.15 * half_width)


def test_accuracy_of_many_agrees_with_the_binomial():
    correct = np.arange(2000) < 1400
    estimate = accuracy(correct, rng())
    assert estimate.value == 70.0
    exact = stats.binom(2000, 0.7).ppf([0.025, 0.975]) / 20
    assert [estimate.low, estimate.high] == pytest.approx(exact, abs=0.3)


@pytest.mark.parametrize(("right", "n"), [(5, 5), (0, 5), (3, 40), (391, 400)])
def test_few_right_or_wrong_outcomes_get_wilsons_interval(right, n):
    z, p = stats.norm.ppf(0.975), right / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    estimate = accuracy(np.arange(n) < right, rng())
    assert estimate.value == pytest.approx(100 * p)
    assert [estimate.low, estimate.high] == pytest.approx([100 * (middle - half_width), 100 * (middle + half_width)])


def test_the_interval_holds_the_truth_about_95_times_in_100():
    truth = 60.0
    drawn = rng(2)
    estimates = [accuracy(drawn.random(100) < truth / 100, drawn) for _ in range(100)]
    held = sum(e.low <= truth <= e.high for e in estimates)
    assert 88 <= held <= 99


def naive_best_accuracy(correct, counts):
    """Every draw spelt out: repeat the images, walk over criteria and thresholds."""
    values = []
    for draw in counts:
        drawn = np.repeat(correct, draw, axis=0)
        curves = [
            [100.0 * int(right.sum()) / len(drawn) for right in by_threshold]
            for by_threshold in drawn.transpose(1, 2, 0)
        ]
        values.append(sum(max(curve) for curve in curves) / len(curves))
    return np.array(values)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(25, 40), st.integers(1, 3), st.integers(1, 5))
def test_best_accuracy_equals_a_loop_over_draws(seed, n, criteria, thresholds):
    correct = rng(seed).random((n, criteria, thresholds)) < rng(seed + 1).random(thresholds)
    correct[:10], correct[10:20] = True, False  # so that the bootstrap, not Wilson, answers
    ordered = in_canonical_order(correct.reshape(n, -1)).reshape(correct.shape)
    loop = bootstrap(lambda counts: naive_best_accuracy(ordered, counts), n, rng(seed))
    assert astuple(best_accuracy(correct, rng(seed))) == pytest.approx(astuple(loop), abs=1e-9)


def test_best_accuracy_by_hand():
    # Criterion 0: threshold 0 has 2 of 4 right, threshold 1 has 3; criterion 1: 1 and 0.
    correct = np.array([[[1, 1], [1, 0]], [[1, 1], [0, 0]], [[0, 1], [0, 0]], [[0, 0], [0, 0]]], bool)
    assert best_accuracy(correct, rng()).value == (75.0 + 25.0) / 2


def test_the_interval_of_a_best_threshold_lets_every_draw_choose_its_own():
    # Images are right by chance, at every threshold alike: the best threshold's excess is luck, and draws have it too.
    correct = rng(3).random((200, 1, 100)) < 0.5
    fixed = accuracy(correct[:, 0, correct.sum(axis=0)[0].argmax()], rng())
    assert best_accuracy(correct, rng()).low > fixed.low


@pytest.mark.parametrize("estimator", [mean, accuracy])
def test_the_order_of_images_changes_nothing(estimator):
    outcomes = rng(4).random(100)
    if estimator is accuracy:
        outcomes = outcomes < 0.4
    assert estimator(outcomes, rng()) == estimator(outcomes[::-1].copy(), rng())


def test_order_of_images_changes_nothing_over_thresholds():
    correct = rng(5).random((80, 3, 20)) < 0.4
    assert best_accuracy(correct, rng()) == best_accuracy(correct[rng(6).permutation(80)], rng())


@given(st.integers(0, 1000))
def test_canonical_order_is_a_permutation_that_forgets_the_order(seed):
    rows = rng(seed).integers(0, 3, (12, 4)).astype(np.uint8)
    ordered = in_canonical_order(rows)
    assert sorted(map(tuple, ordered)) == sorted(map(tuple, rows))
    assert (ordered == in_canonical_order(rows[::-1])).all()


def test_seed_decides():
    values = rng(7).random(50)
    assert mean(values, rng(1)) == mean(values, rng(1))
    assert mean(values, rng(1)) != mean(values, rng(2))


def test_no_image_is_refused():
    with pytest.raises(CamkitError, match="empty"):
        mean(np.zeros(0), rng())
    with pytest.raises(CamkitError, match="empty"):
        accuracy(np.zeros(0, bool), rng())


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_median_and_deviation_are_numpys(n):
    values = np.random.default_rng(n).normal(size=n) ** 3
    for estimate, known in ((median, np.median), (deviation, np.std)):
        found = estimate(values, np.random.default_rng(0))
        assert found.value == pytest.approx(known(values), abs=1e-12)
        rng = np.random.default_rng(0)
        ordered = np.sort(values)
        draws = [known(ordered[rng.integers(n, size=n)]) for _ in range(1000)]
        assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=1e-9)
