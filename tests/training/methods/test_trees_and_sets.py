"""Whole runs of DANet and I2C: resumed, in two processes, saved, and refused in one line."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from processes import assert_two_are_one
from resuming import assert_same, begin_and_stop
from safetensors.torch import load_file

from camkit import CAM, load_classifier
from camkit.errors import CamkitError
from camkit.models import BACKBONES
from camkit.models.wsol import places_in
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings, train
from camkit.training.methods import Network, load_method
from camkit.training.state import read_state

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
TREES = {count: str(Path(__file__).parent / f"{count}_shapes.csv") for count in ("three", "four")}
SETTINGS = TrainSettings(
    dataset="shapes", root="n=12,size=32,classes=3", backbone="vgg-small", weights="none", size=(24,), resize=28,
    epochs=2, batch_size=4, lr=0.05, save_every=1,
)  # fmt: skip
SYSTEMS = {"danet": {"tree": TREES["three"], "maps": 2}, "i2c": {"sets": 2}}
MODULES = {"danet": {"classes", "level_1", "level_2"}, "i2c": {"bank"}}


def settings(name, **values):
    return replace(SETTINGS, method=name, method_options=SYSTEMS[name], **values)


@pytest.fixture(scope="module", params=SYSTEMS)
def alone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    train(settings(request.param), folder)
    return request.param, folder


def test_a_run_that_was_broken_off_ends_as_one_left_alone(alone, tmp_path, monkeypatch):
    """In the middle of an epoch; heads with their momentum and the bank with its counters are in the state."""
    name, folder = alone
    begin_and_stop(monkeypatch, tmp_path, 4, settings(name))
    assert {key.split(".")[0] for key in read_state(tmp_path).modules} == MODULES[name]
    train(settings(name), tmp_path, resume=True)
    assert_same(tmp_path, folder)


def test_what_is_saved_is_the_plain_network_and_gives_its_maps(alone):
    name, folder = alone
    state, loaded = read_state(folder), load_classifier(str(folder / "last.safetensors"))
    plain = BACKBONES["vgg-small"].build(3).eval()
    assert plain.state_dict().keys() == load_file(folder / "last.safetensors").keys()
    plain.load_state_dict(state.model)
    images, classes = torch.randn(3, 3, 24, 24), torch.tensor([0, 2, 1])
    with torch.no_grad():
        features = plain[:3](images)
        weight = plain.fc.weight
        if name == "danet":  # the two maps of each class
            weight = state.modules["classes.weight"].reshape(3, 2, 96).mean(1)
            assert state.modules["level_1.maps.weight"].shape == (4, 128, 1, 1)
        maps = torch.stack([(weight[c][:, None, None] * features[n]).sum(0) for n, c in enumerate(classes)])
    torch.testing.assert_close(CAM(loaded.model, (24, 24))(images, classes).maps[:, 0], maps)


# in the network that two processes train: what is drawn is all that there is, or one alone
OPTIONS = {"danet": {"tree": TREES["four"], "at": "0,1", "maps": 2, "drawn": 6}, "i2c": {"sets": 4, "delta": 0.9999}}


def test_two_processes_are_one(tmp_path):
    values = replace(SETTINGS, root="n=24,size=32,classes=4", size=(28,), resize=32, batch_size=8, lr=0.02)
    assert_two_are_one(tmp_path, [replace(values, method=name, method_options=OPTIONS[name]) for name in SYSTEMS])


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("backbone", ["vgg-small-bn", "resnet-small"])
def test_a_step_at_the_backbone_s_own_places(backbone, name):
    torch.manual_seed(0)
    names = ("shape 0", "shape 1", "shape 2")
    network = Network(BACKBONES[backbone].build(3).train(), 3, names, (32, 32), ALONE, places=places_in(backbone))
    method = load_method(name, **SYSTEMS[name])
    network.modules.update(method.modules(network))
    method.prepare(network, None)
    method.step(network, torch.randn(2, 3, 32, 32), torch.tensor([2, 2]))["loss"].backward()
    for parameter in (*network.model.parameters(), *network.modules.parameters()):
        assert (parameter.grad is not None and parameter.grad.isfinite().all()) or not parameter.requires_grad


@pytest.mark.parametrize("name", BACKBONES)
def test_danet_has_places_in_every_backbone(name):
    assert len(places_in(name)["danet"]) == 2


def test_a_backbone_without_the_places_is_refused_in_one_line(tmp_path):
    with pytest.raises(CamkitError, match=r"danet reaches in at 2 modules, and this network has no places") as refusal:
        train(settings("danet", backbone="resnet18", size=(64,), resize=64), tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_loss_that_is_no_number_stops_the_run_and_says_where(name, tmp_path):
    with pytest.raises(CamkitError, match=r"the loss is (nan|inf) at epoch 1, step \d of 3: .*--lr") as refusal:
        train(settings(name, lr=1e30, save_every=0), tmp_path)
    assert "\n" not in str(refusal.value)
