import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.metrics import AreaUnder
from camkit.metrics.perturbation import area_under, deletion_images, insertion_images, pixel_ranks


def test_ranks_by_hand():
    assert pixel_ranks(torch.tensor([[0.2, 0.9], [0.9, -1.0]])).tolist() == [[2, 0], [1, 3]]


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(2, 9), st.integers(1, 12))
def test_at_each_step_the_highest_pixels_are_exchanged(seed, height, width, steps):
    draw = torch.Generator().manual_seed(seed)
    score_map = torch.randint(0, 5, (height, width), generator=draw).float()
    image = torch.rand(3, height, width, generator=draw) + 1
    flat = score_map.flatten().tolist()
    order = sorted(range(len(flat)), key=lambda i: (-flat[i], i))
    deleted = list(deletion_images(image, score_map, steps))
    assert len(deleted) == steps + 1
    for step, one in enumerate(deleted):
        gone = set(order[: round(step * len(flat) / steps)])
        assert {i for i, value in enumerate(one[0].flatten().tolist()) if value == 0} == gone
    assert torch.equal(deleted[0], image)
    assert deleted[-1].abs().sum() == 0


def test_insertion_begins_blurred_and_ends_with_the_image():
    image = torch.rand(3, 16, 16)
    images = list(insertion_images(image, torch.arange(256.0).reshape(16, 16), 4))
    assert torch.equal(images[-1], image)
    assert images[0].std() < image.std()
    assert torch.equal(images[1][:, -4:], image[:, -4:])  # the last rows have the highest scores
    assert torch.equal(images[1][:, :-4], images[0][:, :-4])


def test_areas_by_hand():
    assert area_under(torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])).tolist() == [1.0, 0.25]
    with pytest.raises(CamkitError, match="2 shares"):
        area_under(torch.ones(3, 1))
    metric = AreaUnder("insertion")
    metric.update(torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.0, 1.0]]))
    result = metric.result(np.random.default_rng(0))
    assert result.value == metric.compute() == (0.5 + 0.25) / 2
    assert 0 <= result.low <= result.value <= result.high <= 1
