"""CRR, FRR and H against slow loops, numbers worked by hand, and what their gradient must be."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.errors import CamkitError
from camkit.training import MinMax, common_region_regularization, full_region_regularization, object_maps

SHAPES = st.tuples(st.integers(1, 3), st.integers(2, 5), st.integers(1, 4))
FLOATS = st.floats(-10, 10)


def pair(shape):
    return st.tuples(arrays(float, shape, elements=FLOATS), arrays(float, shape, elements=FLOATS))


@given(SHAPES.flatmap(pair), st.sampled_from(["mean", "sum"]))
def test_both_losses_against_loops(both, norm):
    f, plain = both
    sets, size, channels = f.shape
    crr = frr = 0.0
    for n in range(sets):
        for i in range(size):
            for j in range(size):
                crr += sum((f[n, i, c] - f[n, j, c]) ** 2 for c in range(channels)) / (size * (size - 1)) / sets
            frr += sum((f[n, i, c] - plain[n, i, c]) ** 2 for c in range(channels)) / size / sets
    scale = channels if norm == "mean" else 1
    f, plain = torch.from_numpy(f), torch.from_numpy(plain)
    assert common_region_regularization(f, norm).item() == pytest.approx(crr / scale, abs=1e-9)
    assert full_region_regularization(f, plain, norm).item() == pytest.approx(frr / scale, abs=1e-9)


def test_worked_by_hand():
    f = torch.tensor([[[0.0, 0.0], [2.0, 0.0], [0.0, 4.0]]])  # squared distances 4, 16, 20
    assert common_region_regularization(f, "sum").item() == pytest.approx(40 / 3)
    assert common_region_regularization(f).item() == pytest.approx(20 / 3)
    plain = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])  # 1, 0, 9
    assert full_region_regularization(f, plain, "sum").item() == pytest.approx(10 / 3)
    assert full_region_regularization(f, plain).item() == pytest.approx(5 / 3)


def test_features_of_the_whole_image_pass_no_gradient():
    f, plain = (torch.rand(2, 3, 4, requires_grad=True) for _ in range(2))
    full_region_regularization(f, plain).backward()
    assert plain.grad is None
    assert f.grad is not None


def test_a_map_is_stretched_by_its_own_minimum_and_maximum():
    features = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]], [[[5.0, 1.0]], [[0.0, 0.0]]]])
    weights = torch.tensor([[1.0, -1.0], [2.0, 7.0]])  # maps (1, -1) and (10, 2)
    assert object_maps(features, weights).tolist() == [[[[1.0, 0.0]]], [[[1.0, 0.0]]]]


def test_the_gradient_goes_through_minimum_and_maximum():
    torch.manual_seed(0)
    features, weights = torch.rand(2, 3, 4, 4).double(), torch.randn(2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: object_maps(features, w), weights)
    # H does not change where a map is multiplied by a positive number, so the gradient stands upright on the weights
    (gradient,) = torch.autograd.grad(object_maps(features, weights).square().sum(), weights)
    assert (gradient * weights).sum(1).abs().max() < 1e-12


def test_a_flat_map_divides_by_nothing():
    weights = torch.tensor([[1.0, 2.0], [0.0, 0.0]], requires_grad=True)
    features = torch.stack([torch.full((2, 3, 3), 0.7), torch.rand(2, 3, 3)])
    maps = object_maps(features, weights)
    assert torch.equal(maps, torch.zeros(2, 1, 3, 3))
    maps.sum().backward()
    assert torch.equal(weights.grad, torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"crr": -1}, "--crr -1"),
        ({"frr": float("nan")}, "--frr nan"),
        ({"frr": float("inf")}, "--frr inf"),
        ({"sets": 0}, "--sets 0"),
        ({"set_size": 1}, "--set-size 1"),
        ({"norm": "max"}, "--norm 'max'"),
        ({"mask": "labels"}, "--mask 'labels'"),
    ],
)
def test_settings_out_of_range(wrong, said):
    with pytest.raises(CamkitError, match=said):
        MinMax(**wrong)


def test_one_means_and_nothing_moves_where_the_map_is_everything():
    f = torch.from_numpy(np.ones((2, 3, 4)))
    assert full_region_regularization(f, f).item() == common_region_regularization(f).item() == 0
