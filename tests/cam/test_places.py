"""Are positions places? Maps that attention weighs by orders of magnitude, and rounding that is magnified."""

import pytest
import torch

from camkit.cam.check import same_alone
from camkit.cam.places import ANYWHERE, check_places
from camkit.errors import HeadNotFound

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def weighed_map(images, orders):
    """Values of 8x8 positions, each of its own pixels and a little of the mean; one weighs so many orders more."""
    values = torch.nn.functional.unfold(images, 8, stride=8)
    values = values + 3 * values.mean(2, keepdim=True)
    weights = torch.ones(64)
    weights[0] = 10**orders  # in a corner that no block of the check replaces
    return (values * weights).unflatten(2, (8, 8))


@pytest.mark.parametrize("orders", [0, 1, 4])
def test_weights_of_other_orders_leave_places_where_they_are(orders):
    """What changes everywhere by a little changes most at the heaviest position, in numbers, and not in shares."""
    assert check_places(IMAGES, lambda x: weighed_map(x, orders), followed=True, weighed=True) == ""
    if orders == 4:
        assert check_places(IMAGES, lambda x: weighed_map(x, orders), followed=True) == ANYWHERE


@pytest.mark.parametrize("orders", [0, 1, 4])
def test_weighed_maps_in_another_order_are_refused(orders):
    with pytest.raises(HeadNotFound, match="changes elsewhere"):
        check_places(IMAGES, lambda x: weighed_map(x, orders).flip(2), followed=True, weighed=True)


def test_rounding_that_is_magnified_is_no_other_image():
    alone, together = torch.tensor([0.0, 1.0]), torch.tensor([0.02, 1.0])
    same_alone(alone, together, 1.0, lambda: 0.01)
    with pytest.raises(HeadNotFound, match="other images"):
        same_alone(alone, together, 1.0, lambda: 1e-5)
