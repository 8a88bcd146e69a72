import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.boxes import box_of, pixels_inside
from camkit.errors import CamkitError

COORDINATE = st.floats(-12, 24) | st.integers(-24, 48).map(lambda n: n / 2)


def test_a_box_by_hand():
    mask = np.zeros((5, 8), bool)
    mask[1, 6] = mask[3, 2] = True
    assert box_of(mask).tolist() == [2, 1, 7, 4]
    assert box_of(np.zeros((5, 8), bool)).tolist() == [0, 0, 0, 0]


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_a_box_holds_the_true_pixels_and_touches_them_on_every_side(mask):
    x0, y0, x1, y1 = box_of(mask)
    assert mask[y0:y1, x0:x1].sum() == mask.sum()
    if mask.any():
        inside = mask[y0:y1, x0:x1]
        assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()  # noqa: PT018


@given(st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE), st.integers(1, 12), st.integers(1, 12))
def test_pixels_inside_are_those_with_their_centre_inside(window, height, width):
    x0, y0, x1, y1 = window
    rows = [y for y in range(height) if y0 <= y + 0.5 < y1]
    columns = [x for x in range(width) if x0 <= x + 0.5 < x1]
    if rows and columns:
        found = pixels_inside(window, (height, width))
        assert (list(range(height))[found[0]], list(range(width))[found[1]]) == (rows, columns)
    else:
        with pytest.raises(CamkitError, match="holds no pixel's centre"):
            pixels_inside(window, (height, width))


@given(st.floats(0.1, 11.9), st.integers(1, 12))
def test_two_windows_side_by_side_share_no_pixel_and_miss_none(cut, height):
    columns = []
    for x0, x1 in ((0, cut), (cut, 12)):
        try:
            columns += range(12)[pixels_inside((x0, 0, x1, height), (height, 12))[1]]
        except CamkitError:
            assert x1 - x0 < 1
    assert columns == list(range(12))
