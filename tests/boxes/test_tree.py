import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("cv2")

import opencv_reference as opencv

from camkit.boxes import box_of, largest_region
from camkit.boxes.tree import all_level_boxes, level_boxes
from camkit.errors import CamkitError

SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))
GREY = arrays(np.uint8, SIDES, elements=st.integers(0, 4) | st.integers(250, 255), fill=st.nothing()) | arrays(
    np.uint8, SIDES
)


def picture(text: str) -> np.ndarray:
    return np.array([[int(c.replace(".", "0")) for c in line] for line in text.split()], np.uint8)


def assert_equal_to_opencv(grey: np.ndarray) -> None:
    by_border, by_pixels, contours = level_boxes(grey, "border"), level_boxes(grey, "pixels"), all_level_boxes(grey)
    for level in range(256):
        if level == 0 or (grey == level).any():  # else the mask is that of the level before
            border = opencv.largest_by_border(grey, level)
            pixels = opencv.largest_by_pixels(grey, level)
            boxes = sorted(opencv.all_contours(grey, level))
        assert tuple(by_border[level]) == border, level
        assert tuple(by_pixels[level]) == pixels, level
        there = contours.boxes[(contours.low <= level) & (level <= contours.high)]
        assert sorted(map(tuple, there.tolist())) == boxes, level


def test_maps_of_all_kinds_at_all_levels_equal_opencv():
    for _, score_map in opencv.score_maps(98, size=(28, 40)):
        assert_equal_to_opencv(opencv.quantize(score_map))


def test_one_map_of_each_kind_at_full_size_equals_opencv():
    for kind, score_map in opencv.score_maps(6, size=(224, 224)):
        assert_equal_to_opencv(opencv.quantize(score_map)), kind


@given(GREY)
def test_any_map_equals_opencv(grey):
    assert_equal_to_opencv(grey)


@given(GREY)
def test_the_largest_by_pixels_is_the_largest_region(grey):
    boxes = level_boxes(grey)
    for level in range(256):
        assert boxes[level].tolist() == box_of(largest_region(grey > level)).tolist()


def test_the_two_criteria_and_the_holes_by_hand():
    grey = picture("""33333.....
                      3...3.....
                      3.1.3.2222
                      3...3.2222
                      33333.2222
                      ......2222
                      ......2222""")
    ring, block = [0, 0, 5, 5], [6, 2, 10, 7]
    by_border, by_pixels = level_boxes(grey, "border"), level_boxes(grey, "pixels")
    # The ring has 16 pixels and encloses 4x4, the block has 20 and encloses 3x4.
    assert by_border[:4].tolist() == [ring, ring, ring, [0, 0, 0, 0]]
    assert by_pixels[:4].tolist() == [block, block, ring, [0, 0, 0, 0]]
    contours = all_level_boxes(grey)
    found = sorted(zip(contours.low.tolist(), contours.high.tolist(), contours.boxes.tolist(), strict=True))
    # The hole's box, grown by one, is the ring's own. At level 0 there is a pixel in the hole, then there is not.
    assert found == [(0, 0, ring), (0, 0, [2, 2, 3, 3]), (0, 1, block), (0, 2, ring), (1, 2, ring)]


def test_ties_by_hand():
    grey = picture("""77...77
                      ..9....
                      77...77""")
    # Each pair is a region of 2 pixels and area 0: first in raster order by pixels, last by border.
    assert level_boxes(grey, "pixels")[6].tolist() == [0, 0, 3, 3]
    grey[1, 2] = 0
    assert level_boxes(grey, "pixels")[6].tolist() == [0, 0, 2, 1]
    assert level_boxes(grey, "border")[6].tolist() == [5, 2, 7, 3]


def test_values_by_level():
    grey = picture("12.3")
    contours = all_level_boxes(grey)
    widths = (contours.boxes[:, 2] - contours.boxes[:, 0]).astype(float)
    assert contours.highest(widths, nothing=-5)[:5].tolist() == [2, 1, 1, -5, -5]
    assert contours.highest(-widths, nothing=-5)[:5].tolist() == [-1, -1, -1, -5, -5]


def test_a_map_without_a_bright_pixel_has_no_contour():
    assert level_boxes(np.zeros((3, 4), np.uint8)).tolist() == [[0, 0, 0, 0]] * 256
    contours = all_level_boxes(np.zeros((3, 4), np.uint8))
    assert contours.boxes.shape == (0, 4)
    assert contours.highest(np.zeros(0), nothing=0.25).tolist() == [0.25] * 256


@pytest.mark.parametrize("criterion", ["pixels", "border"])
def test_a_stack_and_its_threads_give_what_single_maps_give(criterion):
    stack = np.stack([opencv.quantize(m) for _, m in opencv.score_maps(14, size=(20, 30))])
    single = np.stack([level_boxes(grey, criterion) for grey in stack])
    for threads in (1, 3):
        np.testing.assert_array_equal(level_boxes(stack, criterion, threads), single)
    assert level_boxes(stack[:0], criterion).shape == (0, 256, 4)


def test_memory_layout_does_not_matter():
    grey = opencv.quantize(next(opencv.score_maps(1, size=(20, 30)))[1])
    frozen = grey.copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(grey), np.pad(grey, 3)[3:-3, 3:-3], frozen):
        np.testing.assert_array_equal(level_boxes(same), level_boxes(grey))
        np.testing.assert_array_equal(all_level_boxes(same).boxes, all_level_boxes(grey).boxes)


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.zeros(4, np.uint8), np.zeros((0, 4), np.uint8)])
def test_what_is_no_grey_map_is_refused(bad):
    with pytest.raises(CamkitError, match=r"a grey map of dtype .*: give uint8"):
        level_boxes(bad)
    with pytest.raises(CamkitError, match=r"a grey map of dtype .*: give uint8"):
        all_level_boxes(bad)


def test_an_unknown_criterion_is_refused():
    with pytest.raises(CamkitError, match="criterion is 'area': give one of pixels, border"):
        level_boxes(np.zeros((4, 4), np.uint8), "area")
