"""Another pooling in networks that pool in every manner."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from small import Functional, Plain, perturb
from torch import nn

from camkit import CAM, CamkitError
from camkit.models import replace_pool
from camkit.nn import GlobalAvgPool2d, make_pool


class Ending(Plain):
    """The features of `Plain`, and a pooling of one's own."""

    def __init__(self, pooled):
        super().__init__()
        self.pooled = pooled

    def forward(self, x):
        return self.fc(self.pooled(self, self.features(x)))


class Flattening(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


class ChannelsLast(Plain):
    """Its layer pools by an operation that lays the result out anew."""

    def forward(self, x):
        return self.fc(self.pool(self.features(x).contiguous(memory_format=torch.channels_last)).flatten(1))


class Dropping(Plain):
    """A function that knows whether it trains: what torch.fx writes down would be true for one of the two alone."""

    def forward(self, x):
        return self.fc(F.dropout(self.features(x).mean((2, 3)), 0.5, self.training))


def with_module(pool):
    model = Plain()
    model.pool = pool
    return model


NETWORKS = {
    "module": Plain,
    "module, channels last": ChannelsLast,
    "module that flattens": lambda: with_module(Flattening()),
    "module within modules": lambda: with_module(nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d(1)), nn.Flatten())),
    "TAP": lambda: with_module(make_pool("tap:0.5")),
    "maximum of camkit's": lambda: with_module(make_pool("max")),
    "mean": lambda: Ending(lambda model, y: y.mean([2, 3])),
    "mean that keeps its axes": lambda: Ending(lambda model, y: torch.flatten(y.mean((-1, -2), keepdim=True), 1)),
    "function": lambda: Ending(lambda model, y: F.adaptive_avg_pool2d(y, 1).flatten(1)),
}


@pytest.mark.parametrize("name", ["tap:0.3", "max", "lse:4", "gap"])
@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_the_logits_are_those_of_the_other_pool(make, name):
    torch.manual_seed(0)
    model, pool, x = perturb(make()), make_pool(name), torch.randn(3, 3, 32, 48)
    changed = replace_pool(model, pool, (32, 48))
    with torch.no_grad():
        expected = model.fc(pool(model.features(x)).flatten(1))
        torch.testing.assert_close(changed(x), expected)
    assert changed.state_dict().keys() == model.state_dict().keys()
    assert not changed.training


def test_the_model_stays_as_it_was_and_the_copy_shares_its_weights():
    for model in (perturb(Plain()), perturb(Ending(lambda model, y: y.mean((2, 3))))):
        before = model(torch.ones(1, 3, 32, 32))
        changed = replace_pool(model, make_pool("max"), (32, 32))
        assert torch.equal(model(torch.ones(1, 3, 32, 32)), before)
        shared = {name: p.data_ptr() for name, p in model.named_parameters()}
        assert {name: p.data_ptr() for name, p in changed.named_parameters()} == shared
        assert sum(len(m._forward_hooks) for m in (*model.modules(), *changed.modules())) == 0


def test_a_network_changed_in_place_of_a_function_trains_and_changes_back():
    model = perturb(Ending(lambda model, y: y.mean((2, 3))))
    changed = replace_pool(model, make_pool("tap"), (32, 32)).train()
    changed(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in changed.parameters())
    back = replace_pool(changed.eval(), GlobalAvgPool2d(), (32, 32))
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(back(x), model(x))


def test_a_torchvision_network_that_pools_by_a_function():
    torch.manual_seed(0)
    model = perturb(torchvision.models.mobilenet_v2(weights=None))
    changed = replace_pool(model, make_pool("tap:0.1"), (64, 64))
    assert CAM(changed, (64, 64)).head.kind == "TAP"
    with torch.no_grad():
        back = replace_pool(changed, make_pool("gap"), (64, 64))
        x = torch.randn(2, 3, 64, 64)
        torch.testing.assert_close(back(x), model(x))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (Functional().train(), "training mode"),
        (Dropping(), "otherwise in training"),
        (Ending(lambda model, y: y.mean(3).mean(2)), "several steps"),
        (Ending(lambda model, y: y.sum((2, 3))), "sums"),
        (Ending(lambda model, y: y.mean((2, 3)) if y.amax() > -1e9 else y.amax((2, 3))), "torch.fx"),
        (Ending(lambda model, y: y.flatten(2).mean(2)), "several steps"),
        (nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(1800, 3)), "flattens"),
    ],
    ids=["training", "dropout", "two means", "sum", "branch", "tokens", "no pooling"],
)
def test_refused_in_one_line(model, says):
    model = model if says == "training mode" else model.eval()
    with pytest.raises(CamkitError, match=says) as refusal:
        replace_pool(model, make_pool("tap"), (32, 32))
    assert "\n" not in str(refusal.value)
