"""The pointing games against loops over pixels."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.metrics import EnergyPointingGame, PointingGame
from camkit.metrics.pointing import distance_to, on_image, peak, share_inside, truth_masks


def rng(seed=0):
    return np.random.default_rng(seed)


def distance_by_loop(mask, place):
    near = math.inf
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x]:
                near = min(near, math.hypot(y - place[0], x - place[1]))
    return near


def share_by_loop(score_map, mask, ignore):
    inside = total = 0.0
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if not ignore[y, x] and score_map[y, x] > 0:
                total += float(score_map[y, x])
                inside += float(score_map[y, x]) if mask[y, x] else 0.0
    return inside / total if total else 0.0


def one_hot(place, size=(12, 16)):
    class_map = torch.zeros(size)
    class_map[place] = 1
    return class_map


def test_the_pointing_game_by_hand():
    """Peaks inside, three pixels right of the box, at 3 and 4 pixels from its corner, and of no map at all."""
    box = [[2, 2, 6, 6]]  # pixels 2 to 5
    maps = [one_hot((3, 3)), one_hot((4, 8)), one_hot((9, 8)), torch.full((12, 16), 2.0)]
    for tolerance, hits in ((0, 25), (2.99, 25), (3, 50), (4.99, 50), (5, 75), (1000, 75)):
        metric = PointingGame(tolerance)
        metric.update(maps, [box] * 4, [(12, 16)] * 4)
        assert metric.compute() == hits
        assert metric.result(rng()).value == hits
    assert metric.per_image()[:, 0].tolist() == [0, 3, 5, math.inf]


def test_an_empty_mask_is_never_a_hit():
    empty = np.zeros((12, 16), bool)
    for tolerance in (0, 15, math.inf):
        metric = PointingGame(min(tolerance, 1e9))
        metric.update([one_hot((3, 3))], [(empty, empty)], [(12, 16)])
        assert metric.compute() == 0
    energy = EnergyPointingGame()
    energy.update([one_hot((3, 3))], [(empty, empty)], [(12, 16)])
    assert energy.compute() == 0


def test_maps_without_a_peak_never_hit():
    whole = [[0, 0, 16, 12]]
    metric = PointingGame(15)
    noise = torch.full((12, 16), 3.0) + 1e-7 * torch.rand(12, 16)
    holes = torch.full((12, 16), float("nan"))
    metric.update([torch.zeros(12, 16), noise, holes], [whole] * 3, [(12, 16)] * 3)
    assert metric.compute() == 0


def test_the_peak_of_a_corner_cell_is_the_cells_middle_not_the_images_corner():
    class_map = torch.zeros(7, 7)
    class_map[0, 6] = 1
    place = peak(on_image(class_map, (224, 448)))
    # The cell is 32 x 64 pixels; beyond its centre towards the borders the resized map goes on as it is there.
    assert 0 <= place[0] <= 16
    assert 448 - 32 <= place[1] < 448
    assert place[0] == pytest.approx(7.5, abs=1)
    assert place[1] == pytest.approx(448 - 16.5, abs=1)


def test_of_two_peaks_one_is_taken_and_not_the_place_between():
    class_map = one_hot((2, 3)) + one_hot((9, 12))
    assert peak(class_map.numpy()) == (2, 3)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9))
def test_equals_loops_over_pixels(seed, height, width):
    draw = rng(seed)
    score_map = draw.normal(size=(height, width)).astype(np.float32)
    mask, ignore = draw.random((height, width)) < 0.3, draw.random((height, width)) < 0.2
    ignore &= ~mask
    if height * width > 1:
        place = peak(score_map)
        assert score_map[place] == score_map.max()
        assert distance_to(mask, place) == pytest.approx(distance_by_loop(mask, place))
    assert share_inside(score_map, mask, ignore) == pytest.approx(share_by_loop(score_map, mask, ignore), abs=1e-6)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_boxes_are_the_pixels_whose_centres_lie_in_one(seed):
    draw, size = rng(seed), (9, 13)
    corners = draw.uniform(-3, 10, (2, 2))
    boxes = np.hstack([corners, corners + draw.uniform(0, 8, (2, 2))])
    mask, ignore = truth_masks(boxes, size)
    for y in range(size[0]):
        for x in range(size[1]):
            inside = any(x0 <= x + 0.5 < x1 and y0 <= y + 0.5 < y1 for x0, y0, x1, y1 in boxes)
            assert mask[y, x] == inside
    assert not ignore.any()


def test_the_energy_of_a_resized_map_by_hand():
    # 1 x 2 cells on 1 x 4 pixels: 4, 3, 1, 0 of it, all positive; the box has the first and the second pixel.
    metric = EnergyPointingGame()
    metric.update([torch.tensor([[4.0, 0.0]])], [[[0, 0, 2, 1]]], [(1, 4)])
    assert metric.compute().item() == pytest.approx(7 / 8)
    # What is negative has no mass, and no mass is a share of 0.
    metric = EnergyPointingGame()
    metric.update([torch.tensor([[-4.0, -1.0]])], [[[0, 0, 4, 1]]], [(1, 4)])
    assert metric.compute() == 0


def test_ignored_pixels_have_no_mass_and_the_mask_goes_before_them():
    mask, ignore = np.array([[True, False, False]]), np.array([[True, True, False]])
    metric = EnergyPointingGame()
    metric.update([torch.tensor([[1.0, 5.0, 3.0]])], [(mask, ignore)], [(1, 3)])
    assert metric.compute() == 0.25


def test_a_window_of_the_image_is_where_the_mass_lies():
    resized = on_image(torch.ones(2, 2), (4, 8), (2.0, 0.0, 6.0, 4.0))
    assert resized.sum() == 16
    assert resized[:, 2:6].min() == 1
    negative = on_image(torch.full((2, 2), -3.0), (4, 8), (2.0, 0.0, 6.0, 4.0))
    assert (negative == -3).all()
    whole = on_image(torch.rand(7, 7), (30, 20))
    assert whole.shape == (30, 20)
    assert np.allclose(on_image(torch.eye(7), (30, 20)),
                       F.interpolate(torch.eye(7)[None, None], (30, 20), mode="bilinear")[0, 0])  # fmt: skip


def test_masks_of_another_size_are_resized():
    mask = np.zeros((2, 4), bool)
    mask[1, 3] = True
    resized, _ = truth_masks((mask, ~mask), (4, 8))
    assert np.argwhere(resized).tolist() == [[2, 6], [2, 7], [3, 6], [3, 7]]


def test_what_is_no_truth_is_refused():
    with pytest.raises(CamkitError, match="give boxes"):
        PointingGame().update([torch.rand(2, 2)], [np.zeros((4, 4), bool)], [(4, 4)])
    with pytest.raises(CamkitError, match="tolerance"):
        PointingGame(-1)
