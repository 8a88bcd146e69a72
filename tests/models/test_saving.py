"""Checkpoints that say which network they are: what was saved comes back, and what a hostile header may not do."""

import json
import resource
from dataclasses import replace
from importlib import resources

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from torch import nn

from camkit import CAM, CamkitError
from camkit.cli import cli
from camkit.input_spec import InputSpec
from camkit.models import BACKBONES, Card, build, load_classifier, read_card, save_checkpoint

SMALL = BACKBONES["vgg-small"].input
CARD = Card("wsol:vgg-small", 4, SMALL, ("a", 'b, "c"', "d", "é"), "tap:0.1", facts={"epochs": 3, "best": [0.5, None]})
FACTORY = """
from torch import nn
def make():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "best.safetensors"
    torch.manual_seed(0)
    model = build(CARD)
    save_checkpoint(path, model, CARD)
    return path, model


def refusal(*call) -> str:
    with pytest.raises(CamkitError) as caught:
        load_classifier(*map(str, call))
    message = str(caught.value)
    assert "\n" not in message
    return message


def same(one: nn.Module, other: nn.Module, size) -> bool:
    x = torch.randn(2, 3, *size)
    with torch.no_grad():
        return torch.equal(one(x), other(x)) and repr(one) == repr(other)


@pytest.mark.parametrize(
    "card",
    [
        CARD,
        Card("tiny", 3, InputSpec((48, 48), 48)),
        Card("tiny", 3, InputSpec((64, 64), 64), pool="max", output_stride=4, dilate=False),
        Card("wsol:resnet-small", 5, SMALL, output_stride=4, pool="lse:3"),
        Card("shufflenet_v2_x0_5", 3, InputSpec((64, 64), 72), pool="tap:0", output_stride=16),
        Card("timm:resnet10t", 3, InputSpec((64, 64), 72), pool="tap:0"),
    ],
    ids=lambda card: f"{card.model} {card.pool} {card.output_stride}",
)
def test_what_was_saved_comes_back(tmp_path, card):
    if card.model.startswith("timm:"):
        pytest.importorskip("timm")
    path = tmp_path / "best.safetensors"
    torch.manual_seed(0)
    model = build(card)
    save_checkpoint(path, model, card)
    assert read_card(path) == card
    loaded = load_classifier(str(path))
    assert same(loaded.model, model, card.input.size)
    assert (loaded.input, loaded.class_names, loaded.name) == (card.input, card.class_names, str(path))
    assert replace(loaded.card(), facts=card.facts) == card
    assert same(load_classifier(card.model, str(path)).model, model, card.input.size)
    assert [entry.name for entry in tmp_path.iterdir()] == ["best.safetensors"]


def test_the_pool_and_the_stride_are_those_of_the_card():
    head = CAM(build(Card("tiny", 3, SMALL, pool="tap:0.25", output_stride=4)), SMALL.size).head
    assert (head.kind, head.pool.theta, head.map_size) == ("TAP", 0.25, (16, 16))


def test_the_command_line_takes_a_checkpoint(saved, tmp_path):
    shown = CliRunner().invoke(cli, ["inspect", "--model", str(saved[0])])
    assert shown.exit_code == 0, shown.output
    assert "TAP" in shown.output
    assert "none, the maps have another mean" in shown.output
    listed = CliRunner().invoke(cli, ["models", "wsol:"]).output
    assert all(f"wsol:{name}" in listed for name in BACKBONES)


def test_tiny_holds_the_tensors_that_it_was_released_with():
    """Their bytes did not change when their header did."""
    import hashlib

    digest = hashlib.sha256()
    with resources.as_file(resources.files("camkit.models") / "tiny.safetensors") as path:
        state = load_file(path)
        card = read_card(path)
    for key in sorted(state):
        digest.update(key.encode() + state[key].numpy().tobytes())
    assert digest.hexdigest() == "2ac94b2fc4a178aa1edc62df334dd8331bea07026fd9ae84281e4a75987a7b6a"
    assert (card.model, card.num_classes, card.input.size, card.facts["top1_val"]) == ("tiny", 100, (80, 80), 0.578)


def test_a_checkpoint_of_another_backbone(saved):
    assert "'wsol:vgg-small', not of wsol:resnet-small" in refusal("wsol:resnet-small", saved[0])
    assert "not of tiny" in refusal("tiny", saved[0])


def test_weights_of_another_network_under_a_name_that_they_do_not_fit(saved):
    path, model = saved
    save_checkpoint(path, model, replace(CARD, model="wsol:resnet-small", pool=None))
    assert "do not fit" in refusal(path)


def test_a_file_without_a_card(saved, tmp_path):
    save_file(saved[1].state_dict(), tmp_path / "plain.safetensors")
    assert "names no network" in refusal(tmp_path / "plain.safetensors")
    assert "leave --weights out" in refusal(saved[0], saved[0])


def test_code_is_never_run_because_a_checkpoint_names_it(tmp_path):
    trap = tmp_path / "net.py"
    trap.write_text(FACTORY + "open(__file__ + '.ran', 'w').close()\n")
    spec, path = f"{trap}:make", tmp_path / "w.safetensors"
    made = load_classifier(spec)
    (tmp_path / "net.py.ran").unlink()
    card = replace(made.card(), pool="tap:0.5", input=SMALL, class_names=("x", "y"))
    save_checkpoint(path, build_from(made.model, card), card)
    message = refusal(path)
    assert "no checkpoint may run" in message
    assert f"--weights {path}" in message
    assert not (tmp_path / "net.py.ran").exists()
    loaded = load_classifier(spec, str(path))  # the remedy that it names
    assert (loaded.pool, loaded.class_names, loaded.input) == ("tap:0.5", ("x", "y"), SMALL)
    assert CAM(loaded.model, SMALL.size).head.kind == "TAP"


def build_from(model: nn.Module, card: Card) -> nn.Module:
    from camkit.models.architecture import equip

    return equip(model, card)


HOSTILE = {
    "no JSON": "{",
    "a list": "[]",
    "deep": "[" * 100_000,
    "a long number": "9" * 10_000,
    "no version": {"version": ...},
    "a field missing": {"input": ...},
    "a field too many": {"eval": "import os"},
    "classes beyond memory": {"num_classes": 10**15, "labels": None},
    "classes below one": {"num_classes": 0},
    "classes of no number": {"num_classes": "4"},
    "labels too few": {"labels": ["a"]},
    "labels of numbers": {"labels": [1, 2, 3, 4]},
    "labels of one text": {"labels": "abcd"},
    "input beyond memory": {"input": {"size": [10**9, 10**9]}},
    "input of no pixels": {"input": {"size": [0, 64]}},
    "resized beyond memory": {"input": {"resize": 10**9}},
    "deviation of zero": {"input": {"std": [0, 1, 1]}},
    "mean of no number": {"input": {"mean": [float("nan")] * 3}},
    "interpolation": {"input": {"interpolation": "\x1b[2J"}},
    "a pool of no name": {"pool": "__import__('os')"},
    "theta of 1": {"pool": "tap:1"},
    "a pool of no text": {"pool": 3},
    "stride of 3": {"output_stride": 3},
    "stride of text": {"output_stride": "8"},
    "dilate": {"dilate": "yes"},
    "facts": {"facts": []},
    "a network of no name": {"model": "../../\x1b[2J\nx"},
    "a network of no text": {"model": 7},
    "another checkpoint": {"model": "other.safetensors"},
    "a model of the hub": {"model": "timm:hf_hub:a/b"},
    "a transformer of no patches": {"model": "vit_b_16", "pool": None},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_hostile_headers_are_refused_in_one_line(saved, change):
    path, model = saved
    text = change
    if isinstance(change, dict):
        held = json.loads(CARD.header()["camkit"])
        held["input"] |= change.get("input", {}) if change.get("input") is not ... else {}
        held |= {key: value for key, value in change.items() if key != "input"}
        text = json.dumps({key: value for key, value in held.items() if change.get(key) is not ...})
    save_file(model.state_dict(), path, {"camkit": text})
    message = refusal(path)
    assert str(path) in message or "timm" in message
    assert "\x1b" not in message


def test_a_later_version_says_so(saved):
    path, model = saved
    save_file(model.state_dict(), path, {"camkit": json.dumps({"version": 2})})
    assert "has version 2, camkit reads 1: update camkit" in refusal(path)


@pytest.mark.parametrize("keep", [0, 5, 100, 2000, -1])
def test_a_file_cut_short_is_refused(saved, keep):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:keep])
    assert str(path) in refusal(path)


def test_a_full_disk_leaves_the_old_checkpoint(saved):
    path, model = saved
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with torch.no_grad():
        model.fc.weight.add_(1)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # of the file's 800 kB
        with pytest.raises(CamkitError, match="cannot be written") as caught:
            save_checkpoint(path, model, CARD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["best.safetensors"]


def test_a_name_that_could_not_be_loaded_is_not_written(saved, tmp_path):
    with pytest.raises(CamkitError, match=r"\.safetensors"):
        save_checkpoint(tmp_path / "best.pt", saved[1], CARD)
