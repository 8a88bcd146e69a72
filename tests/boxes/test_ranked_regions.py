"""Several regions of a map: ranked by size, held against a slow search of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.boxes import LARGEST, RegionChoice, box_of, boxes_of_regions, largest_region, ranked_regions
from camkit.errors import CamkitError


def searched(mask):
    """Sets of pixels, found one neighbour at a time, the largest first, of equals the one that comes first."""
    left, regions = {tuple(place) for place in np.argwhere(mask)}, []
    while left:
        waiting, region = [min(left)], set()
        while waiting:
            y, x = waiting.pop()
            if (y, x) in left:
                left.remove((y, x))
                region.add((y, x))
                waiting += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        regions.append(region)
    return sorted(regions, key=lambda region: (-len(region), min(region)))


@settings(deadline=None, max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.none() | st.integers(1, 4), st.integers(0, 5))
def test_regions_are_those_of_a_slow_search(mask, most, least):
    expected = [region for region in searched(mask) if len(region) >= least][:most]
    numbered = ranked_regions(mask, most, least)
    found = [{tuple(place) for place in np.argwhere(numbered == number)} for number in range(1, numbered.max() + 1)]
    assert found == expected
    boxes = boxes_of_regions(numbered)
    assert boxes == [tuple(box_of(numbered == number).tolist()) for number in range(1, len(expected) + 1)]


@settings(deadline=None, max_examples=30)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_first_is_the_largest_region(mask):
    assert np.array_equal(ranked_regions(mask, 1) == 1, largest_region(mask))


def test_the_share_is_of_the_image_and_not_of_its_part():
    mask = np.zeros((4, 5), bool)
    mask[0, 0], mask[2:, 2:4] = True, True
    assert RegionChoice(None, 0.1).numbered(mask, (4, 10)).max() == 1
    assert RegionChoice(None, 0.1001).numbered(mask, (4, 10)).max() == 0  # 4 of 40 pixels are 0.1
    assert RegionChoice(None).numbered(mask, (4, 10)).max() == 2
    assert LARGEST.numbered(mask, (4, 10)).max() == 1


@pytest.mark.parametrize(("most", "share"), [(0, 0), (1, 1.5), (None, float("nan")), (1, -0.1)])
def test_what_is_no_choice_is_refused(most, share):
    with pytest.raises(CamkitError, match="give 1 or more, and a share from 0 to 1"):
        RegionChoice(most, share)
