from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.metrics.comparison import compare


def rng():
    return np.random.default_rng(0)


def test_sign_test_by_hand():
    # 100 images: 60 both right, 20 both wrong, 15 only the second right, 5 only the first.
    first = np.repeat([True, False, False, True], [60, 20, 15, 5])
    second = np.repeat([True, False, True, False], [60, 20, 15, 5])
    comparison = compare(first, second)
    assert (comparison.better, comparison.worse) == (15, 5)
    assert comparison.difference.value == pytest.approx(10.0)
    assert comparison.difference.n == 100
    assert comparison.p_value == pytest.approx(2 * sum(comb(20, k) for k in range(6)) / 2**20)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_swapping_the_runs_swaps_the_answer(pairs):
    first, second = np.array(pairs).T
    there, back = compare(first, second), compare(second, first)
    assert there.p_value == back.p_value
    assert (there.better, there.worse) == (back.worse, back.better)
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert there.difference.low <= there.difference.value <= there.difference.high


def test_pairing_makes_the_interval_narrower_than_two_separate_ones():
    drawn = rng()
    first = 0.9 * drawn.random(500)
    second = first + 0.02 + 0.01 * drawn.uniform(-2, 2, 500)
    difference = compare(first, second).difference
    assert difference.low > 0.018
    assert difference.high < 0.022


def test_a_run_compared_with_itself():
    run = rng().random(30) < 0.5
    comparison = compare(run, run)
    assert comparison.p_value == 1.0
    assert (comparison.difference.value, comparison.better, comparison.worse) == (0.0, 0, 0)
    assert comparison.difference.low < 0 < comparison.difference.high  # 30 images cannot show that nothing differs


@pytest.mark.parametrize(
    "second", [np.zeros(3, bool), np.zeros(4)], ids=["another number of images", "another kind of outcome"]
)
def test_runs_that_cannot_be_paired_are_refused(second):
    with pytest.raises(CamkitError, match="same images, in the same order"):
        compare(np.zeros(4, bool), second)


def test_values_that_are_no_shares_are_refused():
    with pytest.raises(CamkitError, match="give shares of 1"):
        compare(np.array([0.5, 1.5]), np.array([0.5, 0.5]))
    with pytest.raises(CamkitError, match="NaN"):
        compare(np.array([0.5, np.nan]), np.array([0.5, 0.5]))
