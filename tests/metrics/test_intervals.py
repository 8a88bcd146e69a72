"""Each interval against its formula written out, another's code, or what it must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics.intervals import (
    accuracy,
    deviation,
    jackknife,
    mean,
    median,
    paired_difference,
    score_interval,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(("right", "n"), [(5, 5), (0, 5), (3, 40), (391, 400), (700, 1000)])
def test_right_or_wrong_gets_wilsons_interval(right, n):
    z, p = stats.norm.ppf(0.975), right / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    estimate = accuracy(np.arange(n) < right)
    assert estimate.value == pytest.approx(100 * p)
    assert [estimate.low, estimate.high] == pytest.approx([100 * (middle - half_width), 100 * (middle + half_width)])


@pytest.mark.parametrize(("right", "n"), [(5, 5), (0, 5), (1, 1), (3, 40), (391, 400)])
def test_the_score_interval_of_a_proportion_is_wilsons(right, n):
    p = right / n
    wilson = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert score_interval(p, p * (1 - p) / n, n) == pytest.approx(tuple(wilson))


def test_a_bounded_mean_of_many_is_students():
    values = rng(1).beta(4, 3, 4000)
    bounded, free = mean(values, (0, 1)), mean(values)
    assert bounded.value == free.value == pytest.approx(values.mean(), rel=1e-12)
    known = stats.t(3999, values.mean(), stats.sem(values)).interval(0.95)
    assert (free.low, free.high) == pytest.approx(known)
    assert (bounded.low, bounded.high) == pytest.approx(known, abs=1e-5)


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]) | st.floats(0, 1), min_size=1, max_size=30), st.floats(-3, 3))
def test_a_bounded_mean_keeps_its_value_and_its_bounds(values, shift):
    estimate = mean(np.array(values) + shift, (shift, shift + 1))
    assert shift - 1e-9 <= estimate.low <= estimate.value <= estimate.high <= shift + 1 + 1e-9
    assert estimate.low < estimate.high  # never surer than the images allow


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_the_opposite_values_have_the_opposite_interval(values):
    there, back = mean(np.array(values), (-1, 1)), mean(-np.array(values), (-1, 1))
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-6)


def test_where_no_two_images_differ_an_unseen_share_of_them_may():
    unseen = stats.t.ppf(0.975, 19) ** 2 / (20 + stats.t.ppf(0.975, 19) ** 2)
    estimate = mean(np.full(20, 0.7), (0, 1))
    assert (estimate.low, estimate.high) == pytest.approx((0.7 * (1 - unseen), 0.7 + 0.3 * unseen))


def test_one_image_alone():
    assert (mean(np.array([3.0])).low, mean(np.array([3.0])).high) == (-np.inf, np.inf)
    bounded = mean(np.array([0.5]), (0, 1))
    assert bounded.low < 0.15
    assert bounded.high > 0.85


def test_the_jackknife_of_a_mean_is_the_mean():
    values = rng(2).beta(2, 5, 40)
    left_out = np.array([np.delete(values, i).mean() for i in range(40)])
    known = mean(values, (0, 1))
    found = jackknife(float(values.mean()), left_out, (0, 1))
    assert (found.value, found.low, found.high) == pytest.approx((known.value, known.low, known.high))


def test_a_paired_difference_by_hand():
    # 100 images: 60 both right, 20 both wrong, 15 only the second right, 5 only the first; half of one more in each.
    first = np.repeat([True, False, False, True], [60, 20, 15, 5])
    second = np.repeat([True, False, True, False], [60, 20, 15, 5])
    estimate = paired_difference(first, second)
    middle, error = 10 / 102, np.sqrt(15.5 + 5.5 - 10**2 / 102) / 102
    z = stats.norm.ppf(0.975)
    assert estimate.value == pytest.approx(10)
    assert (estimate.low, estimate.high) == pytest.approx((100 * (middle - z * error), 100 * (middle + z * error)))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_a_paired_difference_lies_inside_its_interval(pairs):
    first, second = np.array(pairs).T
    there, back = paired_difference(first, second), paired_difference(second, first)
    assert -100 <= there.low <= there.value <= there.high <= 100
    assert there.low < there.high
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


@pytest.mark.parametrize("n", [3, 7, 40])
def test_median_and_deviation_are_numpys(n):
    values = rng(n).normal(size=n) ** 3
    for estimate, known in ((median, np.median), (deviation, np.std)):
        found = estimate(values)
        assert found.value == pytest.approx(known(values), abs=1e-12)
        assert found.low < found.value < found.high


def test_the_median_lies_between_order_statistics():
    # Of 20 fair coins 6 to 14 show heads in 95.86 % of the throws: the 6th and the 15th of 20 values.
    estimate = median(np.arange(1.0, 21))
    assert (estimate.low, estimate.high) == (6, 15)
    assert (median(np.arange(5.0)).low, median(np.arange(5.0)).high) == (-np.inf, np.inf)


def test_the_deviation_of_many_is_as_sure_as_chi_squared_says():
    values = rng(3).normal(0, 2, 4000)
    estimate = deviation(values)
    known = np.sqrt(values.var() * 4000 / stats.chi2(3999).ppf([0.975, 0.025]))
    assert (estimate.low, estimate.high) == pytest.approx(tuple(known), rel=2e-3)


@pytest.mark.parametrize("estimator", [mean, lambda v: mean(v, (0, 1)), lambda v: accuracy(v < 0.4), median, deviation])
def test_the_order_of_images_changes_nothing(estimator):
    outcomes = rng(4).random(100)
    assert estimator(outcomes) == estimator(outcomes[::-1].copy())


@pytest.mark.parametrize("estimator", [mean, median, deviation, lambda v: accuracy(v > 0)])
def test_no_image_is_refused(estimator):
    with pytest.raises(CamkitError, match="empty"):
        estimator(np.zeros(0))
