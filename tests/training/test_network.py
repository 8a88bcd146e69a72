"""What a method's step sees of the network, against the model's own modules called by hand."""

import copy
import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from small import Functional, Plain, perturb
from torch import nn

from camkit.cam import CAM
from camkit.errors import CamkitError
from camkit.models import BACKBONES
from camkit.models.wsol.non_local import NonLocal2d
from camkit.process_group import ProcessGroup
from camkit.training.methods import AttentionDropout, Network

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])


def made(model=None, precision="fp32"):
    torch.manual_seed(0)
    return Network(perturb(model or Plain()).train(), 5, None, (16, 16), ALONE, precision)


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("kind", [Plain, Functional])
def test_features_maps_and_logits_are_the_network_s_with_gradients(kind):
    network = made(kind())
    model, by_hand = network.model, copy.deepcopy(network.model)
    passed = network.forward(IMAGES, at=["features.2"])
    maps = network.class_maps(passed.features, LABELS)
    found = gradients(model, passed.logits.sin().sum() + maps.square().sum() + passed.inner["features.2"].cos().sum())

    inner = by_hand.features[:3](IMAGES)
    features = by_hand.features[3:](inner) if kind is Plain else F.relu(by_hand.features[3](inner) - 0.1)
    logits = by_hand.fc(features.mean((2, 3)))
    expected_maps = torch.stack([sum(by_hand.fc.weight[k, c] * features[n, c] for c in range(8))
                                 for n, k in enumerate(LABELS)])  # fmt: skip
    for ours, its in ((passed.features, features), (passed.logits, logits), (maps, expected_maps)):
        torch.testing.assert_close(ours, its)
    torch.testing.assert_close(maps.mean((1, 2)) + model.fc.bias[LABELS], logits[range(4), LABELS])
    torch.testing.assert_close(network.head_logits(passed.features), logits)
    expected = gradients(by_hand, logits.sin().sum() + expected_maps.square().sum() + inner.cos().sum())
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert model.training


def test_the_tail_is_the_layers_behind_and_nothing_before_runs_again():
    network = made()
    model, by_hand = network.model, copy.deepcopy(network.model)
    network.cam  # noqa: B018 - the search runs the network, too
    ran = []
    for name, module in model.named_modules():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    passed = network.forward(IMAGES, at=["features.2"])
    counted = by_hand.features[1].num_batches_tracked + 1
    ran.clear()
    again = network.tail(passed, "features.2", passed.inner["features.2"] * 0.5)
    assert model.features[1].num_batches_tracked == counted
    expected = by_hand.features[3:](by_hand.features[:3](IMAGES) * 0.5)
    torch.testing.assert_close(again.features, expected)
    torch.testing.assert_close(again.logits, by_hand.fc(expected.mean((2, 3))))
    found = gradients(model, again.logits.square().sum())
    wanted = gradients(by_hand, by_hand.fc(expected.mean((2, 3))).square().sum())
    for one, other in zip(found, wanted, strict=True):  # through the inner output to the layers before it
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert "forward" not in vars(model.features[0])
    torch.testing.assert_close(model.eval()(IMAGES), by_hand.eval()(IMAGES))


class Residual(nn.Module):
    """One ReLU for all, a sum around the middle, and a functional ReLU that changes in place."""

    def __init__(self):
        super().__init__()
        self.first, self.middle, self.last = (nn.Conv2d(i, 8, 3, padding=1) for i in (3, 8, 8))
        self.relu, self.out, self.fc = nn.ReLU(inplace=True), nn.Identity(), nn.Linear(8, 5)

    def forward(self, x):
        x = self.relu(self.first(x))
        y = self.relu(self.last(self.relu(self.middle(x)))) + x
        return self.fc(self.out(F.relu_(y)).mean((2, 3)))


def test_a_tail_inside_a_residual_block_with_a_shared_module_and_a_hook_of_adl():
    network = made(Residual())
    model, by_hand = network.model, copy.deepcopy(network.model)
    AttentionDropout(p=0).attach(model, ["first"])  # its hook must not act twice
    passed = network.forward(IMAGES, at=["middle"])
    again = network.tail(passed, "middle", passed.inner["middle"] + 1)
    first = by_hand.first(IMAGES)
    x = F.relu(first * first.mean(1, keepdim=True).sigmoid())
    y = F.relu(by_hand.last(F.relu(by_hand.middle(x) + 1))) + x
    torch.testing.assert_close(again.logits, by_hand.fc(F.relu(y).mean((2, 3))))
    torch.testing.assert_close(passed.inner["middle"], by_hand.middle(x))


class InPlace(Residual):
    def forward(self, x):
        x = self.first(x)
        y = self.middle(x)
        x.mul_(2)
        return self.fc(self.out(F.relu(self.last(y)) + x).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "at", "says"),
    [
        (Plain, "features.9", "no module 'features.9'; did you mean features.4"),
        (Residual, "relu", "'relu' runs more than once"),
        (Residual, "unused", "'unused' does not run"),
    ],
)
def test_places_that_cannot_be_read(model, at, says):
    network = made(model())
    network.model.unused = nn.Identity()
    with pytest.raises(CamkitError, match=says):
        network.forward(IMAGES, at=[at])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.model.modules())


def test_a_tail_that_would_read_what_was_changed_is_refused():
    network = made(InPlace())
    with torch.no_grad():
        passed = network.forward(IMAGES, at=["middle"])
        with pytest.raises(CamkitError, match="changes in place what was computed before"):
            network.tail(passed, "middle", passed.inner["middle"])


def as_trained(model):
    """Non-local blocks with norms of a batch: with norms of chance their positions are no places, and are refused."""
    blocks = [block.norm for block in model.modules() if isinstance(block, NonLocal2d)]
    for norm in blocks:
        nn.init.constant_(norm.weight, 0.3)
        norm.momentum = 1.0
    if blocks:
        model.train()(torch.randn(4, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("name", [name for name, one in BACKBONES.items() if one.adl_at])
def test_the_tail_of_the_papers_backbones(name):
    """On the same inner output it comes to the same logits; batch norm and dropout would differ in training mode."""
    backbone = BACKBONES[name]
    torch.manual_seed(0)
    model = as_trained(perturb(backbone.build(3)))
    network, at = Network(model, 3, None, (64, 64), ALONE), backbone.adl_at[-1]
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        passed = network.forward(images, at=[at])
        again = network.tail(passed, at, passed.inner[at])
        torch.testing.assert_close(again.logits, passed.logits)
        assert not torch.allclose(network.tail(passed, at, 0.5 * passed.inner[at]).logits, passed.logits)
        expected = CAM(model, (64, 64)).features(images)
    torch.testing.assert_close(passed.features, expected.features)
    assert network.channels_at(at) == passed.inner[at].shape[1]


def test_half_precision_gives_float32():
    network = made(precision="bf16")
    passed = network.forward(IMAGES, at=["features.2"])
    assert passed.logits.dtype == passed.features.dtype == torch.float32
    assert network(IMAGES).dtype == torch.float32
    torch.testing.assert_close(passed.logits, made().forward(IMAGES).logits, rtol=0.05, atol=0.05)


def test_nothing_is_held_once_a_pass_is_let_go():
    network = made()
    passed = network.forward(IMAGES, at=["features.2"])
    held = [weakref.ref(passed.inner["features.2"]), weakref.ref(passed.points["features.2"].before[0][1])]
    network.tail(passed, "features.2", passed.inner["features.2"]).logits.sum().backward()
    del passed
    gc.collect()
    assert [one() for one in held] == [None, None]
