"""ACoL against its definition written out, image by image, in float64: its step, its maps, what it refuses."""

import copy
from dataclasses import replace

import pytest
import torch
from small import Plain, perturb
from torch import nn

from camkit import Localizer, load_classifier
from camkit.cam import CAM, FusedMaps, TwoHeads, heads_of
from camkit.cam.two_heads import ConvHead, erased
from camkit.errors import CamkitError
from camkit.inference import Inference
from camkit.models import BACKBONES, Card, build, save_checkpoint
from camkit.models.two_heads import Form
from camkit.nn import make_pool
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings
from camkit.training.initial import make_network
from camkit.training.methods import AttentionDropout, Network, load_method

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])
SPEC = BACKBONES["vgg-small"].input


def made(model=None, **options):
    torch.manual_seed(0)
    network = Network(perturb(model or Plain()).double().train(), 5, None, (16, 16), ALONE)
    method = load_method("acol", **{"at": "features.4", "width": 6, **options})
    for name, module in method.modules(network).items():
        network.modules[name] = module.double()
    method.prepare(network, None)
    return network, method


def stretch(one):
    low, high = min(map(min, one)), max(map(max, one))
    return [[(value - low) / (high - low) for value in row] for row in one]


def mask_of(one, delta):
    """1 where the second head sees."""
    return torch.tensor([[0.0 if value >= delta else 1.0 for value in row] for row in stretch(one.tolist())])


def by_hand(head, features, label):
    """A head's own features of one image, its logits, and its map of a class."""
    inner = head.features(features[None])[0]
    logits = torch.stack([(head.fc.weight[k] * inner.mean((1, 2))).sum() + head.fc.bias[k] for k in range(5)])
    return logits, sum(head.fc.weight[label, c] * inner[c] for c in range(len(inner)))


@pytest.mark.parametrize("delta", [0.6, 0.9])
def test_loss_and_gradients_are_the_definition(delta):
    network, method = made(delta=delta)
    model, modules = copy.deepcopy(network.model), copy.deepcopy(network.modules)
    figures = method.step(network, IMAGES, LABELS)
    figures["loss"].backward()
    first = second = 0
    for features, label in zip(model.features(IMAGES), LABELS, strict=True):
        logits, own_map = by_hand(modules["first"], features, label)
        mask = mask_of(own_map, delta)
        assert 0 < mask.mean() < 1
        assert torch.equal(erased(features[None], own_map[None], delta)[0], features * mask)
        others, _ = by_hand(modules["second"], features * mask, label)
        first, second = first - logits.log_softmax(0)[label] / 4, second - others.log_softmax(0)[label] / 4
    (first + second).backward()
    torch.testing.assert_close(torch.stack(list(figures.values())), torch.stack([first + second, first, second]))
    for ours, its in ((network.model, model), (network.modules, modules)):
        for (name, one), other in zip(ours.named_parameters(), its.named_parameters(), strict=True):
            if name.startswith("fc") and ours is network.model:  # the heads take its place
                assert not one.requires_grad
                assert one.grad is None
            else:
                torch.testing.assert_close(one.grad, other[1].grad, rtol=1e-6, atol=1e-9, msg=name)


def two_heads():
    """Both heads on a small network, with biases and weights of both signs."""
    network, method = made()
    model, card = method.saved(network, Card("wsol:vgg-small", 5, SPEC))
    return model.float().eval(), card


@pytest.mark.parametrize("weighting", ["signed", "positive"])
def test_maps_are_the_maximum_of_both_heads_stretched(weighting):
    model, _ = two_heads()
    images = IMAGES.float()
    source = FusedMaps(model, (16, 16))
    assert all(head.kind == "exact" and head.completeness < 1e-5 for head in heads_of(source))
    prediction = source.predict(images)
    classes = torch.tensor([[0, 4], [3, 1], [2, 2], [1, 0]])
    found = prediction.class_maps(classes, weighting)
    torch.testing.assert_close(prediction.logits, model(images))
    with torch.no_grad():
        for n, features in enumerate(model.body(images)):
            for k, label in enumerate(classes[n]):
                _, guide = by_hand(model.first, features, label)
                mask, stretched = mask_of(guide, 0.6), []
                for head, seen in ((model.first, features), (model.second, features * mask)):
                    weights = head.fc.weight[label]
                    weights = weights.clamp(min=0) if weighting == "positive" else weights
                    its = (weights[:, None, None] * head.features(seen[None])[0]).sum(0)
                    stretched.append(torch.tensor(stretch(its.tolist())))
                torch.testing.assert_close(found.maps[n, k], torch.maximum(*stretched))
    assert found.offset is None
    assert source.map_size == (4, 4)
    assert source.facts["delta"] == pytest.approx(0.6)


def test_what_is_no_number_stays_its_image_s_own():
    model, _ = two_heads()
    images = IMAGES.float()
    images[1] = torch.nan
    maps = FusedMaps(model, (16, 16)).predict(images).class_maps(LABELS).maps
    assert maps.isnan().flatten(1).all(1).tolist() == [False, True, False, False]
    assert maps[[0, 2, 3]].isfinite().all()


def test_a_map_of_one_value_erases_nothing():
    features = torch.rand(1, 2, 3, 3)
    assert torch.equal(erased(features, torch.full((1, 3, 3), 2.5), 0.6), features)


def test_a_checkpoint_builds_its_network_again(tmp_path):
    torch.manual_seed(0)
    network = BACKBONES["vgg-small"].build(7)
    form = Form("wsol:vgg-small", "features.11", 5)
    card = Card(str(form), 7, SPEC, None, "gap", None)
    model = form.on(network, card)
    model.delta.fill_(0.7)
    save_checkpoint(tmp_path / "two.safetensors", model, card)
    loaded = load_classifier(str(tmp_path / "two.safetensors"))
    assert (type(loaded.model), loaded.network) == (TwoHeads, "acol:wsol:vgg-small,at=features.11,width=5")
    state = loaded.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any("conv6" in name for name in state)
    inference = Inference(loaded, "cpu", "fp32")
    assert isinstance(inference.source, FusedMaps)
    (found,) = Localizer(loaded, device="cpu")(torch.randint(0, 255, (3, 50, 70), dtype=torch.uint8))
    assert 0 <= found.class_map.min() < found.class_map.max() == 1
    assert load_classifier(str(form), "none").model.first.fc.out_features == 1000
    for call, says in (
        (lambda: inference.cam, "class weights and features of one head"),
        (lambda: Inference(loaded, "cpu", "fp32", {"features": "body", "classifier": "first.fc"}), "leave out --head"),
        (lambda: Inference(replace(loaded, token_blocks=2), "cpu", "fp32"), "leave out --token-blocks"),
        (lambda: load_classifier(str(form)), "no published weights: train it with --method acol"),
        (lambda: load_classifier("acol:wsol:vgg-small", "none"), "write acol:NETWORK,at=MODULE,width=CHANNELS"),
        (lambda: build(Card(str(Form("wsol:vgg-small", "features.99", 5)), 7, SPEC)), "no module '99' to be cut"),
        (lambda: make_network(TrainSettings("shapes", "n=1", backbone=str(tmp_path / "two.safetensors")), 3, None),
         "has two heads.*--method acol.*--backbone wsol:vgg-small"),
    ):  # fmt: skip
        with pytest.raises(CamkitError, match=says) as refusal:
            call()
        assert "\n" not in str(refusal.value)


class Skipping(Plain):
    """What its parts come to is more than one after the other."""

    def forward(self, x):
        return self.fc(self.pool(self.features[4](self.features[:3](x).repeat(1, 1, 1, 2)[..., ::2])).flatten(1))


def refused(network, says, adl=None, **options):
    method = load_method("acol", width=4, **options)
    if adl:
        AttentionDropout().attach(network.model, [adl])
    with pytest.raises(CamkitError, match=says) as refusal:
        method.modules(network)
    assert "\n" not in str(refusal.value)


def test_networks_that_cannot_have_two_heads():
    def network(model):
        return Network(perturb(model), 5, None, (16, 16), ALONE)

    pooled = Plain()
    pooled.pool = make_pool("tap:0.1")
    refused(network(pooled), "average over positions: leave out --pool tap:0.1", at="features.4")
    refused(network(Skipping()), "no chain of its modules up to 'features.4'", at="features.4")
    refused(network(Plain()), "where the method before it acts, at 'features.4'", adl="features.4", at="features.2")
    refused(network(Plain()), "no places of its own")
    refused(network(Plain()), r"gives \(5,\), no map of features", at="fc")
    built, method = made()
    with pytest.raises(CamkitError, match=r"no checkpoint with two heads can say how 'net\.py:make' is built"):
        method.saved(built, Card("net.py:make", 5, SPEC))
    with pytest.raises(CamkitError, match="delta 0"):
        load_method("acol", delta=0)


def test_a_head_alone_is_an_ordinary_classifier_of_features():
    head = ConvHead(7, 6, 3).eval()
    found = CAM(head, (9, 9))(torch.randn(2, 7, 9, 9), "all")
    torch.testing.assert_close(found.maps.mean((2, 3)) + found.offset, found.logits)
    assert all(isinstance(layer, nn.Conv2d | nn.ReLU) for layer in head.features)
