import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.data.formats.counts import decode_counts
from camkit.data.formats.polygons import mask_from_polygon, polygon_points
from camkit.data.formats.rle import mask_from_counts

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools' own


def drawn(text):
    return np.array([[character == "#" for character in row] for row in text.split()])


@pytest.mark.parametrize(
    ("polygon", "mask"),
    [
        ([1, 1, 3, 1, 3, 3, 1, 3], "..... .##.. .##.. ....."),
        ([1, 1, 1, 3, 3, 3, 3, 1], "..... .##.. .##.. ....."),  # the other way round
        ([0, 0, 5, 0, 5, 4, 0, 4], "##### ##### ##### #####"),
        ([-3, -2, 9, -2, 9, 8, -3, 8], "##### ##### ##### #####"),  # outside, cut off
        ([1.5, 1.5, 1.6, 1.5, 1.6, 1.6], "..... ..... ..... ....."),
        ([0, 0, 4, 4, 0, 4, 0, 0], "#.... ##... ###.. ####."),  # closed
    ],
)
def test_polygons_by_hand(polygon, mask):
    assert mask_from_polygon(polygon_points(polygon), (4, 5)).tolist() == drawn(mask).tolist()


numbers = st.one_of(st.integers(-10, 40), st.floats(-10, 40), st.integers(-20, 80).map(lambda half: half / 2))


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(numbers, numbers), min_size=3, max_size=9),
    st.integers(21, 30),
    st.integers(21, 30),
)
def test_polygons_are_those_of_pycocotools_pixel_by_pixel(points, height, width):
    coco = pytest.importorskip("pycocotools.mask", reason="the second opinion is pycocotools'")
    polygon = [float(number) for point in points for number in point]
    theirs = coco.decode(coco.frPyObjects([polygon], height, width))[:, :, 0]
    assert np.array_equal(mask_from_polygon(polygon_points(polygon), (height, width)), theirs)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30))
def test_run_lengths_are_those_of_pycocotools(seed, height, width):
    coco = pytest.importorskip("pycocotools.mask", reason="the second opinion is pycocotools'")
    mask = np.random.default_rng(seed).random((height, width)) < 0.4
    text = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    assert np.array_equal(mask_from_counts(decode_counts(text), (height, width)), mask)
