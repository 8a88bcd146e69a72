"""WILDCAT in networks that pool in every manner: what it computes, how its head is read, what folds."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from small import Plain, perturb
from torch import nn

from camkit import CAM, CamkitError
from camkit.input_spec import InputSpec
from camkit.models import Card, build, load_classifier, replace_pool, save_checkpoint, with_one_map
from camkit.nn import ScorePool2d, make_pool

SIZE = (32, 32)


class Flat(Plain):
    """Pools by a function, drops pooled features, and classifies by a convolution."""

    def __init__(self):
        super().__init__()
        self.drop, self.fc = nn.Dropout(0.5), nn.Conv2d(8, 5, 1)

    def forward(self, x):
        return self.fc(self.drop(self.features(x).mean((2, 3)))[..., None, None]).flatten(1)


class Normed(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.fc(self.norm(self.features(x).mean((2, 3))))


class Bare(Plain):
    """Its classes are no module's."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 8))

    def forward(self, x):
        return F.linear(self.pool(self.features(x)).flatten(1), self.weight)


def layer_of(model):
    (layer,) = [module for module in model.modules() if isinstance(module, ScorePool2d)]
    return layer


@pytest.mark.parametrize("kind", [Plain, Flat])
def test_the_classifier_goes_before_the_pooling_and_keeps_its_weights(kind):
    torch.manual_seed(0)
    model, x = perturb(kind()), torch.randn(3, 3, *SIZE)
    before, state = model(x), copy.deepcopy(model.state_dict())
    pool = make_pool("wildcat:0.2,3,0.7")
    changed = replace_pool(model, pool, SIZE)
    weight = model.fc.weight.reshape(5, 8, 1, 1)
    expected = pool(F.conv2d(model.features(x), weight, model.fc.bias)).flatten(1)
    torch.testing.assert_close(changed(x), expected)
    assert isinstance(layer_of(changed).dropout, nn.Sequential) == (kind is Flat)
    assert torch.equal(model(x), before)
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    changed.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in changed.parameters())
    if kind is Flat:  # what it dropped of pooled features it drops of the map
        layer_of(changed).dropout[0].p = 1.0
        torch.testing.assert_close(changed(x), pool(model.fc.bias[None, :, None, None].expand(3, 5, 8, 8)).flatten(1))


@pytest.mark.parametrize("name", ["wildcat:0.2,0.2,0.7,3", "weldon:4,2"])
def test_the_head_is_read_and_adds_up(name):
    torch.manual_seed(0)
    model = perturb(replace_pool(perturb(Plain()), make_pool(name), SIZE))
    cam, x = CAM(model, SIZE), torch.randn(2, 3, *SIZE)
    assert (cam.head.kind, cam.head.map_size, cam.head.num_classes) == ("WILDCAT", (8, 8), 5)
    layer, out = layer_of(model), cam(x, "all")
    torch.testing.assert_close(out.maps, F.conv2d(model.features(x), *layer.scores.folded()))
    torch.testing.assert_close(layer.pool(out.maps).flatten(1), model(x))
    assert not out.offset.any()


def test_what_is_saved_has_one_map_a_class_and_the_same_maps(tmp_path):
    torch.manual_seed(0)
    card = Card("wsol:vgg-small", 4, InputSpec((64, 64), 64), pool="wildcat:0.2,0.2,0.7,3")
    model, x = build(card), torch.randn(2, 3, 64, 64)
    one, its = with_one_map(model, card)
    assert its.pool == "wildcat:0.2,0.2,0.7"
    assert (layer_of(model).pool.maps, layer_of(one).pool.maps) == (3, 1)
    assert one.features[0].weight is model.features[0].weight
    save_checkpoint(tmp_path / "one.safetensors", one, its)
    loaded = load_classifier(str(tmp_path / "one.safetensors"))
    assert loaded.pool == its.pool
    torch.testing.assert_close(loaded.model(x), model(x))
    ours, its_own = (CAM(network, (64, 64))(x, "all").maps for network in (loaded.model, model))
    torch.testing.assert_close(ours, its_own)
    assert with_one_map(one, its) == (one, its)


def test_a_torchvision_network():
    torch.manual_seed(0)
    model = perturb(torchvision.models.mobilenet_v2(weights=None, num_classes=7))
    changed = replace_pool(model, make_pool("wildcat:0.3,0.1,0.5"), (64, 64))
    assert CAM(changed, (64, 64)).head.kind == "WILDCAT"
    assert [layer.p for layer in layer_of(changed).dropout] == [0.2]
    assert isinstance(changed.get_submodule("classifier.0"), nn.Identity)


@pytest.mark.parametrize(
    ("model", "says"),
    [(Normed(), "changes its pooled features before fc"), (Bare(), "no Linear module of its own"),
     (replace_pool(Plain().eval(), make_pool("weldon:2"), SIZE), "scores are pooled")],
)  # fmt: skip
def test_refused_in_one_line(model, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        replace_pool(perturb(model), make_pool("wildcat"), SIZE)
    assert "\n" not in str(refusal.value)
