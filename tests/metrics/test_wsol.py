import cv2
import numpy as np
import pytest
import torch

from camkit.errors import CamkitError
from camkit.metrics.wsol import (
    best_ious,
    best_ious_of_all,
    levels_of,
    protocol_boxes,
    protocol_map,
    quantise,
    thresholds,
)

BLANK = np.zeros((224, 224), np.uint8)


def test_levels_are_truncated_thresholds():
    assert len(thresholds(0.001)) == 1000
    assert levels_of(np.array([0.0, 0.003, 0.004, 0.5, 0.999])).tolist() == [0, 0, 1, 127, 254]
    assert len(np.unique(levels_of(thresholds(0.001)))) == 255


@pytest.mark.parametrize("step", [0, -1, 2])
def test_steps_out_of_range_are_refused(step):
    with pytest.raises(CamkitError, match="give a number above 0"):
        thresholds(step)


def test_the_highest_score_is_exactly_one_and_becomes_255():
    scores = protocol_map(torch.randn(7, 7, generator=torch.Generator().manual_seed(0)))
    assert scores.shape == (224, 224)
    assert scores.dtype == np.float64
    assert (scores.min(), scores.max()) == (0.0, 1.0)
    assert quantise(scores).max() == 255
    assert quantise(np.array([0.0039, 0.004, 0.99999])).tolist() == [0, 1, 254]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_maps_that_are_constant_or_not_finite_are_blank(bad):
    class_map = torch.rand(7, 7)
    class_map[3, 3] = bad
    assert not protocol_map(class_map).any()
    assert not protocol_map(torch.full((7, 7), -2.5)).any()


def test_ground_truth_is_truncated_on_the_grid():
    # In an image 500 wide and 375 high: 10 * 224 / 500 = 4.48, 20 * 224 / 375 = 11.9, 499 -> 223.55, 374 -> 223.4.
    assert protocol_boxes([[10, 20, 500, 375]], (375, 500)).tolist() == [[4, 11, 223, 223]]
    assert protocol_boxes(np.array([[0, 0, 64.0, 64.0]]), (64, 64)).tolist() == [[0, 0, 220, 220]]  # 63 * 224 / 64


def test_ious_by_hand():
    grey = BLANK.copy()
    grey[10:20, 10:20] = 100  # box 10, 10, 20, 20: with inclusive corners 11 x 11
    grey[15, 15] = 200
    truth = torch.tensor([[10, 10, 19, 19]])  # 10 x 10
    ious = best_ious(grey, truth)
    assert (ious[:100] == 100 / 121).all()
    assert (ious[100:200] == 4 / 100).all()  # one pixel's box 15, 15, 16, 16 counts as 2 x 2
    assert (ious[200:] == 0).all()


def test_a_region_at_the_frame_is_clipped():
    grey = BLANK.copy()
    grey[200:, 200:] = 255
    assert best_ious(grey, torch.tensor([[200, 200, 223, 223]]))[0] == 1.0


def test_no_region_is_a_box_of_one_pixel():
    truth = torch.tensor([[0, 0, 3, 3]])
    assert (best_ious(BLANK, truth) == 1 / 16).all()
    assert (best_ious_of_all(BLANK, truth) == 1 / 16).all()


def test_all_contours_find_what_the_largest_misses():
    grey = BLANK.copy()
    grey[100:200, 100:200] = 255
    grey[10:30, 10:30] = 255
    ring = [50, 150]  # a frame of pixels round a hole, whose contour is the pixels round it
    grey[ring[0] : ring[1], 0:40] = 0
    small = torch.tensor([[10, 10, 30, 30]])
    assert best_ious(grey, small)[0] == 0
    assert best_ious_of_all(grey, small)[0] == 1.0


def test_a_holes_contour_counts_too():
    grey = np.full((224, 224), 255, np.uint8)
    grey[51:100, 61:120] = 0
    # The hole is 61..119 x 51..99, its contour 60..120 x 50..100, so the box 60, 50, 121, 101.
    truth = torch.tensor([[60, 50, 121, 101]])
    assert best_ious_of_all(grey, truth)[0] == 1.0
    assert best_ious(grey, truth)[0] == 62 * 52 / 224**2


@pytest.mark.parametrize("shape", [(7, 7), (14, 14), (8, 5), (64, 48), (224, 224), (300, 400), (1, 3)])
def test_maps_are_resized_as_opencv_does(shape):
    class_map = np.random.default_rng(sum(shape)).normal(size=shape)
    resized = cv2.resize(class_map, (224, 224), interpolation=cv2.INTER_CUBIC)
    expected = (resized - resized.min()) / (resized.max() - resized.min())
    np.testing.assert_allclose(protocol_map(torch.from_numpy(class_map)), expected, rtol=0, atol=5e-15)


def test_what_the_map_does_not_cover_counts_as_its_minimum():
    class_map = torch.rand(4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    # The middle half of an image of 100 x 50: columns 56 to 167 of the grid.
    scores = protocol_map(class_map, (50, 100), (25, 0, 75, 50))
    inside = cv2.resize(class_map.numpy(), (112, 224), interpolation=cv2.INTER_CUBIC)
    expected = (inside - inside.min()) / (inside.max() - inside.min())
    np.testing.assert_allclose(scores[:, 56:168], expected, rtol=0, atol=5e-15)
    assert not scores[:, :56].any()
    assert not scores[:, 168:].any()


@pytest.mark.parametrize("value", [1 / 3, -2.5, 3e7, 1e-30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(7, 7), (13, 5), (300, 500)])
def test_the_rounding_noise_of_a_constant_map_is_not_judged(value, dtype, shape):
    """The public code stretches what resizing leaves of it to 0..1."""
    class_map = torch.full(shape, value, dtype=dtype)
    assert not protocol_map(class_map).any()
    assert not protocol_map(class_map, (50, 100), (25, 0, 75, 50)).any()
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    noisy = class_map * (1 + torch.finfo(dtype).eps * noise)
    assert not protocol_map(noisy).any()
    assert protocol_map(class_map * (1 + 0.01 * noise)).max() == 1
