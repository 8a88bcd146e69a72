"""Are positions places? Maps that attention weighs by orders of magnitude, and rounding that is magnified."""

import pytest
import torch

from camkit.cam.check import same_alone
from camkit.cam.places import ANYWHERE, check_places
from camkit.errors import HeadNotFound

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def weighed_map(images, sharpness):
    """Values of 8x8 positions, each of its own pixels, times the softmax of a score that they have."""
    values = torch.nn.functional.unfold(images, 8, stride=8).unflatten(2, (8, 8))
    scores = sharpness * values.mean(1, keepdim=True) * 8
    return values * scores.flatten(2).softmax(2).unflatten(2, (8, 8))


def test_weights_of_all_orders_leave_places_where_they_are():
    """All the change is at the position with nearly all of the weight, and the map lies over the image all the same."""
    for sharpness in (0, 1, 10):
        note = check_places(IMAGES, lambda x, s=sharpness: weighed_map(x, s), followed=True, weighed=True)
        assert note in {"", ANYWHERE}
    with pytest.raises(HeadNotFound, match="changes elsewhere"):
        check_places(IMAGES, lambda x: weighed_map(x, 10), followed=True)


@pytest.mark.parametrize("sharpness", [0, 1])
def test_weighed_maps_in_another_order_are_refused(sharpness):
    with pytest.raises(HeadNotFound, match="changes elsewhere"):
        check_places(IMAGES, lambda x: weighed_map(x, sharpness).flip(2), followed=True, weighed=True)


def test_rounding_that_is_magnified_is_no_other_image():
    alone, together = torch.tensor([0.0, 1.0]), torch.tensor([0.02, 1.0])
    same_alone(alone, together, 1.0, lambda: 0.01)
    with pytest.raises(HeadNotFound, match="other images"):
        same_alone(alone, together, 1.0, lambda: 1e-5)
