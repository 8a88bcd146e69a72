"""Regions against true boxes, held against every way of pairing them; and pixels by hand."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.metrics import RegionLoc
from camkit.metrics.iou import half_open_iou
from camkit.metrics.regions import by_group, figures, found_by, pixel_iou


def boxes(draw, n):
    corners = draw.integers(0, 6, (n, 2))
    return torch.from_numpy(np.hstack([corners, corners + draw.integers(1, 6, (n, 2))]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 4), st.integers(1, 3))
def test_a_box_answers_for_one_true_box(seed, n, m):
    """With IoU of 0.5 and more a pairing by falling IoU; never more than the best of all pairings."""
    draw = np.random.default_rng(seed)
    own, truth = boxes(draw, n), boxes(draw, m)
    right = half_open_iou(own, truth).numpy() >= 0.5 if n else np.zeros((0, m), bool)
    places = range(max(n, m))
    best = max(
        sum(row < n and right[row, column] for column, row in enumerate(rows[:m])) for rows in permutations(places)
    )
    found = found_by(own, truth)
    assert (found == 0) == (best == 0)
    assert best / 2 <= found <= best  # what taking the highest first may lose


def test_figures_and_groups_by_hand():
    metric = RegionLoc()
    true = [[0, 0, 4, 4], [5, 5, 9, 9]]
    metric.update(
        [torch.tensor([*true, [0, 8, 2, 9]]), torch.zeros(0, 4), torch.tensor(true[:1])], [true, true[:1], true]
    )
    values = {name: value.item() for name, value in metric.compute().items()}
    assert values == pytest.approx({"recall": 60, "precision": 75, "f1": 200 / 3})
    rows = metric.per_image()
    assert rows.tolist() == [[2, 3, 2], [0, 0, 1], [1, 1, 2]]
    assert by_group(rows, np.array([0, 1, 0]))["recall"][0].value == 75
    left_out = [figures(np.delete(rows, i, 0))["recall"].value for i in range(3)]
    assert left_out == pytest.approx([100 / 3, 75, 200 / 3])


def test_pixels_by_hand():
    found, mask, ignored = (np.array([[int(pixel) for pixel in row]], bool) for row in ("0110", "0011", "1100"))
    assert pixel_iou(found, mask, np.zeros_like(mask)) == pytest.approx(1 / 3)
    assert pixel_iou(found, mask, ignored) == 0.5
    assert pixel_iou(found, mask, ~ignored) == pytest.approx(1 / 3)  # the object counts also where it is ignored
    assert pixel_iou(~mask, mask, ~mask) == 0
    assert pixel_iou(np.zeros_like(mask), np.zeros_like(mask), ignored) == 0
