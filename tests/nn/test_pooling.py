"""TAP against the equation written out, and its gradient against finite differences."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camkit import CamkitError, ThresholdedAvgPool2d


def by_hand(channel: list[float], theta: float) -> float:
    active = [value for value in channel if value > theta * max(channel)]
    return sum(active) / len(active) if active else 0.0


@given(
    st.lists(st.integers(-8, 8), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]),
)
def test_equation_4(values, theta):
    features = torch.tensor(values, dtype=torch.float64).reshape(1, 1, 2, 3)
    pooled = ThresholdedAvgPool2d(theta)(features).item()
    assert pooled == pytest.approx(by_hand([float(v) for v in values], theta))


def test_a_channel_without_activation_pools_to_zero():
    assert ThresholdedAvgPool2d(0.1)(torch.zeros(2, 3, 4, 4)).tolist() == torch.zeros(2, 3, 1, 1).tolist()


def test_gradient():
    torch.manual_seed(0)
    features = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ThresholdedAvgPool2d(0.3), features)


@pytest.mark.parametrize("theta", [1.0, -0.1, float("nan")])
def test_theta_out_of_range(theta):
    with pytest.raises(CamkitError, match="theta"):
        ThresholdedAvgPool2d(theta)
