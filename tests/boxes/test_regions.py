from collections import deque

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.boxes import MaxThreshold, PercentileThreshold, boxes_from_maps, largest_region
from camkit.errors import CamkitError

MASKS = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def regions_by_flooding(mask: np.ndarray) -> list[set]:
    """All 8-connected regions as sets of (y, x), in the raster order of their first pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    regions = []
    while left:
        start = min(left)
        left.remove(start)
        region, queue = {start}, deque([start])
        while queue:
            y, x = queue.popleft()
            near = {(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)} & left
            left -= near
            region |= near
            queue.extend(near)
        regions.append(region)
    return regions


def picture(text: str) -> np.ndarray:
    return np.array([[float(c.replace(".", "0")) for c in line] for line in text.split()])


@given(MASKS)
def test_largest_region_is_the_flooded_one(mask):
    expected = max(regions_by_flooding(mask), key=len, default=set())  # max takes the first of equals
    assert {tuple(p) for p in np.argwhere(largest_region(mask))} == expected


def test_corners_connect_and_of_equals_the_first_in_raster_order_wins():
    mask = picture("""11..1
                      ..1.1
                      ....1
                      1...1""") > 0  # fmt: skip
    expected = picture("""....1
                          ....1
                          ....1
                          ....1""") > 0  # fmt: skip
    np.testing.assert_array_equal(largest_region(mask), expected)
    mask[3, 4] = False
    np.testing.assert_array_equal(np.argwhere(largest_region(mask)), [[0, 0], [0, 1], [1, 2]])


def test_boxes_by_hand():
    score_map = picture("""......
                           .55..9
                           .52...
                           ......""")
    # tau = 0.2 * 9 = 1.8: the square of four pixels; tau = 0.6 * 9 = 5.4: the single 9.
    assert boxes_from_maps(score_map, MaxThreshold(0.2)).tolist() == [1, 1, 3, 3]
    assert boxes_from_maps(score_map, MaxThreshold(0.6)).tolist() == [5, 1, 6, 2]
    # The 90th percentile of these 24 values is the 21.7th, 5: tau = 5, and 5 itself is not above it.
    assert boxes_from_maps(score_map, PercentileThreshold(1.0, 90)).tolist() == [5, 1, 6, 2]
    assert boxes_from_maps(score_map, PercentileThreshold(0.9, 90)).tolist() == [1, 1, 3, 3]


@given(
    arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 8)), elements=st.integers(-3, 9))
)
@pytest.mark.parametrize("rule", [MaxThreshold(0.4), PercentileThreshold(0.7, 85)])
def test_boxes_from_maps_are_the_equations(rule, maps):
    expected = []
    for score_map in maps:
        pixels = max(regions_by_flooding(score_map > float(rule(score_map))), key=len, default=set())
        ys, xs = zip(*pixels, strict=True) if pixels else ([0, -1], [0, -1])
        expected.append([min(xs), min(ys), max(xs) + 1, max(ys) + 1] if pixels else [0, 0, 0, 0])
    found = boxes_from_maps(maps, rule)
    assert found.dtype == np.int64
    assert found.tolist() == expected
    assert boxes_from_maps(torch.from_numpy(maps), rule).tolist() == expected
    assert boxes_from_maps(maps[0], rule).tolist() == expected[0]


def test_strictly_above_tau_in_float64():
    value = np.float32(0.1)  # a little more than 0.1, so it is above 0.1 * 1 as a float64 and equal to it as a float32
    score_map = np.array([[0, value, 0, 0, 1]], np.float32)
    assert boxes_from_maps(score_map, MaxThreshold(0.1)).tolist() == [1, 0, 2, 1]
    assert boxes_from_maps(np.array([[0.0, 0.5, 1.0]]), MaxThreshold(0.5)).tolist() == [2, 0, 3, 1]


@pytest.mark.parametrize("rule", [MaxThreshold(0.2), PercentileThreshold(0.35, 90)])
@pytest.mark.parametrize(("constant", "box"), [(0, [0, 0, 0, 0]), (2, [0, 0, 5, 4]), (-2, [0, 0, 0, 0])])
def test_a_constant_map(rule, constant, box):
    assert boxes_from_maps(np.full((4, 5), float(constant)), rule).tolist() == box


def test_a_constant_map_at_theta_1_has_no_region():
    assert boxes_from_maps(np.full((4, 5), 2.0), MaxThreshold(1.0)).tolist() == [0, 0, 0, 0]


def test_an_all_negative_map():
    score_map = np.full((1, 20), -10.0)
    score_map[0, 7] = -1
    for theta in (0, 0.2, 1):
        assert boxes_from_maps(score_map, MaxThreshold(theta)).tolist() == [0, 0, 0, 0]
    # The 90th percentile is -10: tau = -3.5 lies below the maximum, tau = -0.5 above it.
    assert boxes_from_maps(score_map, PercentileThreshold(0.35, 90)).tolist() == [7, 0, 8, 1]
    assert boxes_from_maps(score_map, PercentileThreshold(0.05, 90)).tolist() == [0, 0, 0, 0]


def test_a_percentile_at_or_below_0_and_a_map_above_it():
    score_map = np.full((1, 20), -10.0)
    score_map[0, 7:9] = [-1, 4]
    assert boxes_from_maps(score_map, PercentileThreshold(0.35, 90)).tolist() == [7, 0, 9, 1]  # tau = -3.5
    assert boxes_from_maps(score_map, PercentileThreshold(0.05, 90)).tolist() == [
        8,
        0,
        9,
        1,
    ]  # lower theta, higher tau: -0.5
    assert boxes_from_maps(score_map, PercentileThreshold(0, 90)).tolist() == [8, 0, 9, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_with_nan_or_infinity_is_named(bad):
    maps = np.zeros((3, 4, 4))
    maps[1, 2, 2] = bad
    with pytest.raises(CamkitError, match=r"score map 1 \(of 3\) holds NaN or infinite values"):
        boxes_from_maps(maps, MaxThreshold())


def test_maps_of_other_dimensions_are_refused_and_an_empty_stack_is_not():
    with pytest.raises(CamkitError, match="give \\(N, height, width\\)"):
        boxes_from_maps(np.zeros((2, 2, 4, 4)), MaxThreshold())
    assert boxes_from_maps(np.zeros((0, 4, 4)), MaxThreshold()).shape == (0, 4)
