import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from skimage.measure import euler_number

from camkit.boxes.components import regions_of_all_levels
from camkit.boxes.largest import outer_area
from camkit.boxes.neighbourhood import EIGHT, FOUR, RING

GREY = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 2, 3, 5]))
STRUCTURES = {8: np.ones((3, 3)), 4: ndimage.generate_binary_structure(2, 1)}


def twice_the_area(mask: np.ndarray) -> int:
    """Over all 2x2 windows: 2 for four pixels, 1 for three."""
    padded = np.pad(mask, 1).astype(int)
    pixels = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    return int(2 * (pixels == 4).sum() + (pixels == 3).sum())


def regions_level_by_level(grey: np.ndarray, connectivity: int) -> list[tuple]:
    """(level, box, first pixel, count, area, Euler number) of each region of each level."""
    found = []
    for level in range(6):
        labels, n = ndimage.label(grey > level, STRUCTURES[connectivity])
        found += [(level, *region_of(labels == k)) for k in range(1, n + 1)]
    return sorted(found)


def region_of(mask: np.ndarray) -> tuple[int, ...]:
    rows, columns = np.nonzero(mask)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    first = rows[0] << 16 | columns[0]
    return tuple(map(int, (*box, first, mask.sum(), twice_the_area(mask), euler_number(mask, connectivity=2))))


@given(GREY)
def test_regions_are_those_of_labelling_each_level(grey):
    regions = regions_of_all_levels(grey, EIGHT).tolist()
    by_level = [(level, *rest) for low, high, *rest in regions for level in range(low, high + 1)]
    assert sorted(by_level) == regions_level_by_level(grey, 8)


@given(GREY)
def test_so_they_are_where_only_sides_connect(grey):
    # The gains in area and Euler number are those of 8-connected sets, so these two are not compared.
    regions = regions_of_all_levels(grey, FOUR).tolist()
    by_level = [(level, *rest[:-2]) for low, high, *rest in regions for level in range(low, high + 1)]
    assert sorted(by_level) == [region[:-2] for region in regions_level_by_level(grey, 4)]


@pytest.mark.parametrize("sigma", [0, 1])
@given(seed=st.integers(0, 10**6))
def test_the_area_within_the_outer_border_is_that_of_the_region_with_its_holes_filled(sigma, seed):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((12, 12)), sigma)
    grey = (noise > np.median(noise)).astype(np.uint8) * 7
    labels, n = ndimage.label(grey, STRUCTURES[8])
    for k in range(1, n + 1):
        mask = labels == k
        y, x = np.argwhere(mask)[0]
        filled = ndimage.binary_fill_holes(mask)  # its background is 4-connected
        assert outer_area(grey, 6, int(y) << 16 | int(x), RING) == twice_the_area(filled)


def test_the_area_of_a_square_a_line_and_a_pixel():
    grey = np.zeros((8, 8), np.uint8)
    grey[1:5, 1:4] = grey[6, 1:8] = grey[1, 6] = 9
    assert outer_area(grey, 8, 1 << 16 | 1, RING) == 2 * (3 * 2)
    assert outer_area(grey, 8, 6 << 16 | 1, RING) == 0
    assert outer_area(grey, 8, 1 << 16 | 6, RING) == 0
