"""Two-phase learning and SeeNet of the examples, against their definitions image by image, and as whole runs."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import Plain, perturb

from camkit import load_classifier
from camkit.cam import FusedMaps
from camkit.errors import CamkitError
from camkit.models import BACKBONES, Card, save_checkpoint
from camkit.models.two_heads import Form
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings, train
from camkit.training.methods import Network, load_method

EXAMPLES = Path(__file__).parents[3] / "examples"
TWO_PHASE, SEENET = f"{EXAMPLES}/two_phase_method.py:TwoPhase", f"{EXAMPLES}/seenet_method.py:SeeNet"
ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])
SETTINGS = TrainSettings(
    dataset="shapes", root="n=8,size=32,classes=2", backbone="vgg-small-bn", weights="none", size=(24,), resize=28,
    epochs=1, batch_size=4, lr=0.05, device="cpu",
)  # fmt: skip


def made(name, seed=0, **options):
    torch.manual_seed(seed)
    network = Network(perturb(Plain()).double().train(), 5, None, (16, 16), ALONE)
    method = load_method(name, **{"at": "features.4", "width": 6, **options})
    for key, module in method.modules(network).items():
        network.modules[key] = module.double()
    method.prepare(network, None)
    return network, method


def by_hand(head, features, label):
    """A head's logits of one image, and its map of a class."""
    inner = head.features(features[None])[0]
    logits = [(head.fc.weight[k] * inner.mean((1, 2))).sum() + head.fc.bias[k] for k in range(5)]
    return logits, sum(head.fc.weight[label, c] * inner[c] for c in range(len(inner))).tolist()


def sigmoid_loss(logits, truth):
    return sum(-torch.log(torch.sigmoid(one if k == truth else -one)) for k, one in enumerate(logits))


def test_seenet_is_its_definition():
    network, method = made(SEENET, low=0.3)
    network.modules["first"].fc.weight.data[3] = -network.modules["first"].fc.weight.data[3].abs()  # no positive part
    model, heads = copy.deepcopy(network.model), copy.deepcopy(network.modules)
    figures = method.step(network, IMAGES, LABELS)
    figures["loss"].backward()
    losses, values = torch.zeros(3, dtype=torch.float64), []
    for features, label in zip(model.features(IMAGES), LABELS.tolist(), strict=True):
        logits, own_map = by_hand(heads["first"], features, label)
        positive = [[max(value, 0.0) for value in row] for row in own_map]
        lowest, highest = min(map(min, positive)), max(map(max, positive))
        masked, background = features.clone(), features.clone()
        for y, row in enumerate(positive):
            for x, value in enumerate(row):
                share = (value - lowest) / (highest - lowest) if highest > lowest else None
                sign = 1 if share is None or 0.3 <= share <= 0.8 else 0 if share > 0.8 else -1
                values.append(None if share is None else sign)
                masked[:, y, x] = sign * features[:, y, x]
                background[:, y, x] = features[:, y, x] * (share is not None and share < 0.3)
        others, nothing = by_hand(heads["second"], masked, label)[0], by_hand(heads["third"], background, label)[0]
        its = sigmoid_loss(logits, label), sigmoid_loss(others, label), sigmoid_loss(nothing, None)
        losses = losses + torch.stack(its) / 4
    assert {0, -1, 1, None} == set(values)  # every kind of position came
    losses.sum().backward()
    torch.testing.assert_close(torch.stack(list(figures.values())), torch.stack([losses.sum(), *losses]))
    for ours, its in ((network.model.features, model.features), (network.modules, heads)):
        for (name, one), other in zip(ours.named_parameters(), its.named_parameters(), strict=True):
            torch.testing.assert_close(one.grad, other[1].grad, rtol=1e-6, atol=1e-9, msg=name)


def test_the_first_phase_is_one_head_alone():
    """In its loss, in what learns, and in its checkpoint's maps, which are stretched."""
    network, method = made(TWO_PHASE)
    loss = method.step(network, IMAGES, LABELS)
    expected = [by_hand(network.modules["first"], one, 0)[0] for one in network.model.features(IMAGES)]
    entropies = [torch.stack(one).logsumexp(0) - one[label] for one, label in zip(expected, LABELS, strict=True)]
    torch.testing.assert_close(loss, sum(entropies) / 4)
    assert not any(parameter.requires_grad for parameter in network.modules["second"].parameters())
    one, _ = method.saved(network, Card("wsol:vgg-small", 5, BACKBONES["vgg-small"].input))
    maps = FusedMaps(one.float().eval(), (16, 16)).predict(IMAGES.float()).class_maps(LABELS[:, None]).maps[:, 0]
    for n, features in enumerate(one.body(IMAGES.float())):
        own = torch.tensor(by_hand(one.first, features, LABELS[n])[1])
        torch.testing.assert_close(maps[n], (own - own.min()) / (own.max() - own.min()))


def test_a_second_phase_behind_a_frozen_first(tmp_path):
    """Two runs: what is of the first stays bit for bit, batch norms included, and the second learns."""
    values = replace(SETTINGS, method=TWO_PHASE, method_options={"width": 6})
    train(values, tmp_path / "one")
    first = tmp_path / "one/last.safetensors"
    options = {"width": 6, "first": str(first)}
    train(replace(values, method_options=options), tmp_path / "two")
    before, after = load_file(first), load_file(tmp_path / "two/last.safetensors")
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]) != (name.startswith("second.") or name == "delta"), name
    assert after["delta"] == pytest.approx(0.6)
    both = load_classifier(str(tmp_path / "two/last.safetensors")).model
    # The loss of a step: cross-entropy of the second head on what the first one leaves.
    place = Form.named(load_classifier(str(first)).network).at
    method = load_method(TWO_PHASE, at=place, **options)
    network = Network(BACKBONES["vgg-small-bn"].build(2).train(), 2, None, (24, 24), ALONE)
    network.modules.update(method.modules(network))
    network.modules["second"].load_state_dict(both.second.state_dict())
    images, labels, total = torch.randn(2, 3, 24, 24), torch.tensor([1, 0]), 0.0
    loss = method.step(network, images, labels)
    with torch.no_grad():
        for features, label in zip(both.eval().body(images), labels.tolist(), strict=True):
            own = (both.first.fc.weight[label][:, None, None] * both.first.features(features[None])[0]).sum(0).tolist()
            lowest, highest = min(map(min, own)), max(map(max, own))
            seen = features.clone()
            for y, row in enumerate(own):
                for x, value in enumerate(row):
                    seen[:, y, x] *= (value - lowest) / (highest - lowest) < 0.6
            logits = both.second(seen[None])[0].tolist()
            total += math.log(sum(map(math.exp, logits))) - logits[label]
    assert loss.item() == pytest.approx(total / 2, rel=1e-5)
    for changed, says in (
        ({"width": 7}, r"this run has .*width=7"),
        ({"at": "features.0"}, r"this run has at=features\.0"),
    ):
        with pytest.raises(CamkitError, match=says) as refusal:
            load_method(TWO_PHASE, **{"at": place, **options, **changed}).modules(network)
        assert "\n" not in str(refusal.value)


def test_seenet_trains_and_leaves_two_heads(tmp_path):
    train(replace(SETTINGS, method=SEENET, method_options={"width": 6}), tmp_path)
    model = load_classifier(str(tmp_path / "last.safetensors")).model
    assert float(model.delta) == pytest.approx(0.8)
    assert {name.partition(".")[0] for name in load_file(tmp_path / "last.safetensors")} == {
        "body", "first", "second", "delta"}  # fmt: skip
    with pytest.raises(CamkitError, match=r"low 0\.9: must lie from 0 to below delta"):
        load_method(SEENET, low=0.9)


def test_a_first_network_of_one_head_is_refused(tmp_path):
    spec = BACKBONES["vgg-small"].input
    save_checkpoint(tmp_path / "plain.safetensors", BACKBONES["vgg-small"].build(5), Card("wsol:vgg-small", 5, spec))
    with pytest.raises(CamkitError, match=r"has no two heads: give last\.safetensors of a run without first"):
        made(TWO_PHASE, first=str(tmp_path / "plain.safetensors"))
