import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.boxes import THRESHOLDS, MaxThreshold, PercentileThreshold, Threshold, boxes_from_maps
from camkit.errors import CamkitError

MAPS = arrays(np.float32, st.tuples(*[st.integers(1, 4)] * 3), elements=st.floats(-9, 9, width=32))


def percentile_by_hand(values: list[float], i: float) -> float:
    values = sorted(values)
    place = (len(values) - 1) * i / 100
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def test_eq_3_and_6_on_a_map_worked_by_hand():
    score_map = (
        np.arange(11.0).reshape(1, 11) * 10
    )  # 0, 10, .. 100: the 90th percentile is 90, the 85th between 80 and 90
    assert MaxThreshold(0.2)(score_map) == 20
    assert PercentileThreshold(0.5, 90)(score_map) == 45
    assert PercentileThreshold(1.0, 85)(score_map) == 85


def test_the_defaults_are_the_papers():
    assert MaxThreshold() == MaxThreshold(theta=0.2)
    assert PercentileThreshold() == PercentileThreshold(theta=0.35, percentile=90)


@given(MAPS, st.floats(0, 1), st.floats(80, 100))
def test_every_map_gets_its_own_tau(maps, theta, i):
    assert MaxThreshold(theta)(maps).tolist() == [theta * float(m.max()) for m in maps]
    expected = [theta * percentile_by_hand(m.ravel().tolist(), i) for m in maps]
    np.testing.assert_allclose(PercentileThreshold(theta, i)(maps), expected, rtol=1e-12, atol=1e-12)


@given(MAPS, st.floats(0, 1))
def test_percentile_100_is_the_maximum(maps, theta):
    np.testing.assert_array_equal(PercentileThreshold(theta, 100)(maps), MaxThreshold(theta)(maps))


@pytest.mark.parametrize("rule", [MaxThreshold(0.3), PercentileThreshold(0.3, 87)])
def test_shapes_kinds_of_array_and_that_the_map_stays_as_it_was(rule):
    maps = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float16)
    before = maps.copy()
    tau = rule(maps)
    assert tau.shape == (2, 3)
    assert tau.dtype == np.float64
    np.testing.assert_array_equal(tau, rule(maps.astype(np.float64)))
    np.testing.assert_array_equal(tau, rule(torch.from_numpy(maps)))
    np.testing.assert_array_equal(maps, before)
    assert rule(maps[0, 0]).shape == ()


@pytest.mark.parametrize("theta", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("rule", [MaxThreshold, PercentileThreshold])
def test_theta_is_a_share(rule, theta):
    with pytest.raises(CamkitError, match=f"theta is {theta}: give a number from 0 to 1"):
        rule(theta)


@pytest.mark.parametrize("percentile", [70, 100.5, float("nan")])
def test_percentile_stays_in_the_papers_range(percentile):
    with pytest.raises(CamkitError, match=f"percentile is {percentile}: give a number from 80 to 100"):
        PercentileThreshold(0.35, percentile)


@pytest.mark.parametrize("shape", [(4,), (0, 3), (2, 3, 0)])
def test_what_is_no_map_is_refused(shape):
    with pytest.raises(CamkitError, match="give maps of shape"):
        MaxThreshold()(np.zeros(shape))


def test_rules_say_what_they_are():
    assert str(MaxThreshold(0.2)) == "0.2 of the maximum"
    assert str(PercentileThreshold(0.35, 90)) == "0.35 of the percentile 90"
    assert str(Threshold(0.3, "p60", "max")) == "0.3 of the way from the percentile 60 to the maximum"
    assert str(Threshold(0.3, 1.5, "p62.5")) == "0.3 of the way from the value 1.5 to the percentile 62.5"


LEVELS = st.one_of(
    st.floats(-5, 5), st.sampled_from(["min", "max"]), st.integers(0, 100).map(lambda percentile: f"p{percentile}")
)


@given(MAPS, st.floats(0, 1), LEVELS, LEVELS)
def test_the_family_is_a_share_of_the_way_from_lo_to_hi(maps, theta, lo, hi):
    def by_hand(values, level):
        if isinstance(level, str):
            place = {"min": 0, "max": 100}.get(level)
            return percentile_by_hand(values, float(level[1:]) if place is None else place)
        return level

    place = {"min": "p0", "max": "p100"}
    ends = [place.get(level, level) for level in (lo, hi)]
    numbers = [float(level[1:]) if isinstance(level, str) else level for level in ends]
    assume(isinstance(ends[0], str) != isinstance(ends[1], str) or numbers[0] < numbers[1])
    rule = Threshold(theta, lo, hi)
    ends = [[by_hand(one.ravel().tolist(), level) for level in (lo, hi)] for one in maps]
    np.testing.assert_allclose(rule(maps), [low + theta * (high - low) for low, high in ends], rtol=1e-9, atol=1e-9)


@given(MAPS, st.floats(0, 1), st.sampled_from(["minmax", "pas", "ivr"]))
def test_published_rules_do_not_care_how_a_map_is_scaled(maps, theta, name):
    """Powers of two scale float32 without rounding: the boxes are equal, not nearly so."""
    rule = THRESHOLDS[name](theta, None)
    np.testing.assert_array_equal(boxes_from_maps(maps, rule), boxes_from_maps(maps * 4, rule))


def test_ivr_by_hand():
    """0 to 10: the percentile 60 is 6, and half of the way from there to the maximum is 8."""
    assert THRESHOLDS["ivr"](0.5, None)(np.arange(11.0).reshape(1, 11)) == 8
    assert THRESHOLDS["ivr"](0.5, 20)(np.arange(11.0).reshape(1, 11)) == 6


@pytest.mark.parametrize(("lo", "hi"), [("p90", "p10"), ("max", "min"), ("p50", "p50"), (2.0, 1.0), ("max", "p100")])
def test_lo_lies_below_hi(lo, hi):
    with pytest.raises(CamkitError, match="is not below its hi"):
        Threshold(0.5, lo, hi)


@pytest.mark.parametrize("level", ["p101", "p", "p-1", "median", "", "pp9", float("nan"), float("inf")])
def test_what_is_no_level_is_refused(level):
    with pytest.raises(CamkitError, match="give a number, min, max, or a percentile such as p90"):
        Threshold(0.5, level)


def test_two_values_are_a_threshold_of_each_map():
    maps = np.random.default_rng(0).random((3, 4, 5))
    assert Threshold(0.25, lo=0, hi=2)(maps).tolist() == [0.5] * 3
    assert Threshold(0.25, lo=0, hi=2)(maps[0]) == 0.5
