"""WILDCAT's and WELDON's pooling of class scores, against sorting them position by position."""

import pytest
import torch
from torch import nn

from camkit import CamkitError
from camkit.nn import ScorePool2d, WildcatPool2d, make_pool, pool_name


def slow(scores, highest, lowest, alpha):
    """Of one image and one class: a list of numbers."""
    values = sorted(scores.tolist())
    n = len(values)
    plus, minus = (max(1, round(k * n)) if 0 < k < 1 else min(int(k), n) for k in (highest, lowest))
    top = sum(values[n - plus :]) / plus
    return (top + alpha * sum(values[:minus]) / minus) / 2 if minus and alpha else top


@pytest.mark.parametrize(
    ("highest", "lowest", "alpha"),
    [(0.2, 0.2, 0.7), (1, 0, 0.7), (3, 2, 1), (0.01, 0.99, 0.3), (0.4, 0.4, 0.0), (500, 1, 0.5), (0.5, 4, 2)],
)
def test_every_class_of_every_image(highest, lowest, alpha):
    scores = torch.randn(3, 4, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = WildcatPool2d(highest, lowest, alpha)(scores)
    assert found.shape == (3, 4, 1, 1)
    expected = [[slow(scores[n, k].flatten(), highest, lowest, alpha) for k in range(4)] for n in range(3)]
    torch.testing.assert_close(found[..., 0, 0], torch.tensor(expected, dtype=torch.float64))
    small = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(WildcatPool2d(highest, lowest, alpha), small)


def test_m_maps_are_the_mean_of_m_convolutions_and_fold_into_one():
    torch.manual_seed(0)
    pool = WildcatPool2d(0.2, 0.3, 0.7, maps=3)
    layer = ScorePool2d(5, 4, pool, dropout=nn.Dropout(0.5)).double().eval()
    features = torch.randn(2, 5, 6, 6, dtype=torch.float64, requires_grad=True)
    found = layer(features)

    weight, bias = (tensor.detach().clone().requires_grad_() for tensor in (layer.scores.weight, layer.scores.bias))
    by_hand, rows = features.detach().clone().requires_grad_(), []
    for n in range(2):
        for k in range(4):
            maps = [torch.einsum("c,chw->hw", weight[3 * k + m, :, 0, 0], by_hand[n]) + bias[3 * k + m]
                    for m in range(3)]  # fmt: skip
            scores = (sum(maps) / 3).flatten().sort().values
            rows.append((scores[-7:].mean() + 0.7 * scores[:11].mean()) / 2)
    expected = torch.stack(rows).reshape(2, 4, 1, 1)
    torch.testing.assert_close(found, expected)
    for loss in (found.sin().sum(), expected.sin().sum()):
        loss.backward()
    for ours, its in ((layer.scores.weight, weight), (layer.scores.bias, bias), (features, by_hand)):
        torch.testing.assert_close(ours.grad, its.grad)

    one = layer.folded()
    assert (one.pool.maps, one.scores.weight.shape) == (1, (4, 5, 1, 1))
    torch.testing.assert_close(one(features), found, rtol=0, atol=0)
    assert ScorePool2d(5, 4, pool, bias=False).folded().scores.bias is None


@pytest.mark.parametrize(
    ("name", "again"),
    [("wildcat", "wildcat:0.2,0.2,0.7"), ("wildcat:0.2,0,1,8", "wildcat:0.2,0,1,8"), ("weldon:5", "wildcat:5,5,1"),
     ("wildcat:3,0.25,0.5,1", "wildcat:3,0.25,0.5"), ("weldon:5,2", "wildcat:5,2,1"), ("maps:4", "maps:4")],
)  # fmt: skip
def test_names_lead_to_layers_and_back(name, again):
    assert pool_name(make_pool(name)) == again
    assert repr(make_pool(again)) == repr(make_pool(name))


@pytest.mark.parametrize(
    ("name", "says"),
    [("wildcat:0.2", "1 numbers, and wildcat takes K.,K-,ALPHA,M"), ("wildcat:1,1,1,1,1", "5 numbers"),
     ("weldon", "weldon takes K.,K-"), ("wildcat:0,1,1", r"K\+ is 0"), ("wildcat:1.5,1,1", r"K\+ is 1.5"),
     ("wildcat:1,-1,1", "K- is -1"), ("wildcat:1,nan,1", "K- is nan"), ("wildcat:inf,1,1", r"K\+ is inf"),
     ("wildcat:1,1,-1", "alpha is -1"), ("wildcat:1,1,1,0", "M is 0"), ("wildcat:1,1,1,1.5", "M is 1.5"),
     ("maps", "maps takes M"), ("maps:0", "M 0"), ("maps:1.5", "M 1.5"),
     ("wildcat:1,x,1", "'x' is no number for its K-")],
)  # fmt: skip
def test_wrong_names_are_refused_in_one_line(name, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        make_pool(name)
    assert "\n" not in str(refusal.value)
