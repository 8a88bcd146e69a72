"""Pooling layers against their equations written out, and their gradients against finite differences."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camkit import CamkitError, ThresholdedAvgPool2d
from camkit.nn import GlobalAvgPool2d, GlobalMaxPool2d, LogSumExpPool2d, make_pool, pool_name

CHANNELS = st.lists(st.integers(-8, 8), min_size=6, max_size=6)


def tap(channel: list[float], theta: float) -> float:
    active = [value for value in channel if value > theta * max(channel)]
    return sum(active) / len(active) if active else 0.0


def lse(channel: list[float], r: float) -> float:
    return math.log(sum(math.exp(r * value) for value in channel) / len(channel)) / r


def pooled(pool: torch.nn.Module, channel: list[int]) -> float:
    features = torch.tensor(channel, dtype=torch.float64).reshape(1, 1, 2, 3)
    out = pool(features)
    assert out.shape == (1, 1, 1, 1)
    return out.item()


@given(CHANNELS, st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9]))
def test_equation_4(values, theta):
    assert pooled(ThresholdedAvgPool2d(theta), values) == pytest.approx(tap(values, theta))


@given(CHANNELS, st.sampled_from([0.1, 1.0, 5.0]))
def test_mean_maximum_and_log_sum_exp(values, r):
    assert pooled(GlobalAvgPool2d(), values) == pytest.approx(sum(values) / 6)
    assert pooled(GlobalMaxPool2d(), values) == max(values)
    assert pooled(LogSumExpPool2d(r), values) == pytest.approx(lse(values, r))


@given(CHANNELS)
def test_log_sum_exp_lies_between_the_mean_and_the_maximum_and_reaches_both(values):
    mean, low, high, top = (pooled(make_pool(name), values) for name in ("gap", "lse:1e-6", "lse:1000", "max"))
    assert low == pytest.approx(mean, abs=1e-3)
    assert high == pytest.approx(top, abs=1e-2)
    assert mean - 1e-9 <= pooled(LogSumExpPool2d(2), values) <= top + 1e-9


def test_large_features_do_not_overflow():
    assert LogSumExpPool2d(10)(torch.full((1, 1, 2, 2), 1e4)).item() == pytest.approx(1e4)


def test_a_channel_without_activation_pools_to_zero():
    assert ThresholdedAvgPool2d(0.1)(torch.zeros(2, 3, 4, 4)).tolist() == torch.zeros(2, 3, 1, 1).tolist()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_tap_in_half_precision_is_that_of_float32(dtype):
    """112 x 112 positions of 8 sum to 100,352, and float16 ends at 65,504."""
    features = torch.full((1, 2, 112, 112), 8.0, dtype=dtype)
    features[:, 1, 56:] = 0
    features.requires_grad_()
    pooled = ThresholdedAvgPool2d(0.1)(features)
    assert pooled.dtype == dtype
    assert pooled.flatten().tolist() == [8, 8]
    pooled.sum().backward()
    ones = features.detach() > 0
    expected = ones / ones.sum((-2, -1), keepdim=True)
    torch.testing.assert_close(features.grad, expected.to(dtype), rtol=0, atol=0)
    random = (10 * torch.rand(2, 3, 112, 112)).to(dtype)
    found, wide = (ThresholdedAvgPool2d(0.1)(one).flatten().float() for one in (random, random.float()))
    torch.testing.assert_close(found, wide.to(dtype).float(), rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("name", ["gap", "tap:0.3", "max", "lse:5"])
def test_gradient(name):
    """TAP jumps where a position crosses the threshold, the maximum bends where two share it: values keep apart."""
    torch.manual_seed(0)
    features = (torch.stack([torch.randperm(16) for _ in range(6)]).reshape(2, 3, 4, 4) / 16 + 0.01).double()
    assert torch.autograd.gradcheck(make_pool(name), features.requires_grad_())


@pytest.mark.parametrize(
    ("name", "again"),
    [("gap", "gap"), ("tap", "tap:0.1"), ("tap:0", "tap:0"), ("tap:0.25", "tap:0.25"), ("max", "max"),
     ("lse:10", "lse:10"), ("lse:0.5", "lse:0.5"), ("lse", "lse:5")],
)  # fmt: skip
def test_names_lead_to_layers_and_back(name, again):
    assert pool_name(make_pool(name)) == again
    assert repr(make_pool(again)) == repr(make_pool(name))


@given(st.floats(0, 1, exclude_max=True))
def test_every_theta_survives_its_name(theta):
    assert make_pool(pool_name(ThresholdedAvgPool2d(theta))).theta == theta


@pytest.mark.parametrize(
    ("name", "says"),
    [("tap:1", "theta"), ("tap:-0.1", "theta"), ("tap:nan", "theta"), ("tap:", "no number"), ("tap:low", "no number"),
     ("lse:0", "temperature"), ("lse:inf", "temperature"), ("max:3", "no pooling"), ("GAP", "no pooling"),
     ("", "no pooling"), ("mean", "use gap")],
)  # fmt: skip
def test_wrong_names_are_refused_in_one_line(name, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        make_pool(name)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("theta", [1.0, -0.1, float("nan")])
def test_theta_out_of_range(theta):
    with pytest.raises(CamkitError, match="theta"):
        ThresholdedAvgPool2d(theta)


def test_a_layer_of_another_kind_has_no_name():
    with pytest.raises(CamkitError, match="AdaptiveAvgPool2d"):
        pool_name(torch.nn.AdaptiveAvgPool2d(1))
