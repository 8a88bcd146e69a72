"""Whole runs of the systems that the papers compare with: resumed, in two processes, saved, and refused in one line."""

import json
import re
from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from processes import assert_two_are_one
from resuming import assert_same, begin_and_stop

from camkit import load_classifier
from camkit.cam import CAM, FusedMaps
from camkit.cli import cli
from camkit.data import read_dataset
from camkit.errors import CamkitError
from camkit.models import BACKBONES, Card
from camkit.models.two_heads import Form
from camkit.models.wsol import PLACES, places_in
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings, train
from camkit.training.methods import Network, load_method
from camkit.training.state import read_state

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
SETTINGS = TrainSettings(
    dataset="shapes", root="n=12,size=32,classes=3", backbone="vgg-small", weights="none", size=(24,), resize=28,
    epochs=2, batch_size=4, lr=0.05, save_every=1, val_every=2,
)  # fmt: skip
SYSTEMS = {"acol": {"width": 8}, "spg": {"width": 8}, "eil": {}, "gain": {}}


def settings(name):
    return replace(SETTINGS, method=name, method_options=SYSTEMS[name])


@pytest.fixture(scope="module", params=SYSTEMS)
def alone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    train(settings(request.param), folder)
    return request.param, folder


def test_a_run_that_was_broken_off_ends_as_one_left_alone(alone, tmp_path, monkeypatch):
    """In the middle of an epoch; branches and their momentum are in the state."""
    name, folder = alone
    begin_and_stop(monkeypatch, tmp_path, 4, settings(name))
    assert read_state(tmp_path).step == 4
    train(settings(name), tmp_path, resume=True)
    assert_same(tmp_path, folder)


def test_what_is_saved_gives_the_maps_of_what_was_trained(alone):
    """Without branches, and of ACoL without the layers that its heads replace."""
    name, folder = alone
    state, loaded = read_state(folder), load_classifier(str(folder / "last.safetensors")).model
    model = BACKBONES["vgg-small"].build(3).eval()
    model.load_state_dict(state.model)
    images, classes = torch.randn(3, 3, 24, 24), torch.tensor([0, 2, 1])
    if name == "acol":
        form = Form("wsol:vgg-small", "features.11", 8)
        model = form.on(model, Card(str(form), 3, BACKBONES["vgg-small"].input)).eval()
        assert {key for key in state.modules if key.startswith("first.")} == {
            f"first.{key}" for key in model.first.state_dict()
        }
        for head in ("first", "second"):
            its = {key.removeprefix(f"{head}."): value for key, value in state.modules.items() if key.startswith(head)}
            getattr(model, head).load_state_dict(its)
        expected, found = (FusedMaps(one, (24, 24)).predict(images).class_maps(classes).maps for one in (model, loaded))
    else:
        with torch.no_grad():
            features = model[:3](images)
            weights = model.fc.weight[classes][:, :, None, None]
            expected = (weights * features).sum(1, keepdim=True)
        found = CAM(loaded, (24, 24))(images, classes).maps
    assert loaded.state_dict().keys() == model.state_dict().keys()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("alone", ["acol"], indirect=True)
def test_every_command_takes_two_heads(alone, tmp_path):
    _, folder = alone
    model = ["--model", str(folder / "last.safetensors")]
    data = ["--dataset", "shapes", "--root", "n=6,size=32,classes=3", "--split", "val", "--device", "cpu"]
    (tmp_path / "image.png").write_bytes(read_dataset("shapes", "n=2,size=32,classes=3", "val").records[0].read())
    for command, says in (
        (["inspect", *model], "second head +exact, 8 channels; its maps miss"),
        (["evaluate", *model, *data, "--out", str(tmp_path / "evaluated")], "gt_loc"),
        (["calibrate", *model, *data, "--test-split", "train", "--out", str(tmp_path / "calibrated")], ""),
        (["localize", *model, "--images", str(tmp_path / "image.png"), "--out", str(tmp_path / "found")], ""),
    ):
        done = CliRunner().invoke(cli, command)
        assert done.exit_code == 0, done.output
        assert re.search(says, done.output), done.output
    done = CliRunner().invoke(cli, ["analyze", "channels", *model, *data, "--out", str(tmp_path / "channels")])
    assert "this network has two" in str(done.exception)
    assert (tmp_path / "calibrated" / "settings.json").is_file()
    assert (tmp_path / "found" / "boxes.csv").is_file()
    (kind,) = json.loads((tmp_path / "evaluated" / "run.json").read_text())["heads"]
    assert kind["kind"] == "two heads"
    assert max(kind["heads_completeness"]) < 1e-4


OPTIONS = {
    "acol": {"at": "1", "width": 4},
    "spg": {"at": "0,1", "width": 4},
    "eil": {"at": "1"},
    "gain": {},
}  # at places of the network that two processes train


def test_two_processes_are_one(tmp_path):
    values = replace(SETTINGS, root="n=24,size=32,classes=4", size=(28,), resize=32, batch_size=8, lr=0.02)
    assert_two_are_one(tmp_path, [replace(values, method=name, method_options=OPTIONS[name]) for name in SYSTEMS])


@pytest.mark.parametrize("name", BACKBONES)
def test_places_are_modules_of_the_backbone_in_the_order_of_its_layers(name):
    with torch.device("meta"):
        modules = [key for key, _ in BACKBONES[name].build(3).named_modules()]
    assert places_in(name).keys() >= set(SYSTEMS) - {"gain"}
    for places in places_in(name).values():
        assert [modules.index(place) for place in places] == sorted(modules.index(place) for place in places)
    assert all(its.keys() <= BACKBONES.keys() for its in PLACES.values())


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("backbone", ["vgg-small-bn", "resnet-small"])
def test_a_step_at_the_backbone_s_own_places(backbone, name):
    torch.manual_seed(0)
    network = Network(BACKBONES[backbone].build(3).train(), 3, None, (32, 32), ALONE, places=places_in(backbone))
    method = load_method(name, **SYSTEMS[name])
    network.modules.update(method.modules(network))
    method.prepare(network, None)
    method.step(network, torch.randn(2, 3, 32, 32), torch.tensor([0, 2]))["loss"].backward()
    for parameter in (*network.model.parameters(), *network.modules.parameters()):
        assert parameter.grad is not None or not parameter.requires_grad
        assert parameter.grad is None or parameter.grad.isfinite().all()


@pytest.mark.parametrize("name", sorted(SYSTEMS.keys() - {"gain"}))
def test_a_backbone_without_the_places_is_refused_in_one_line(name, tmp_path):
    with pytest.raises(CamkitError, match=f"{name} reaches in at .*, and this network has no places of its own"
                                          ".*--method-option at=layer3") as refusal:  # fmt: skip
        train(replace(settings(name), backbone="resnet18", size=(64,), resize=64), tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_loss_that_is_no_number_stops_the_run_and_says_where(name, tmp_path):
    with pytest.raises(CamkitError, match=r"the loss is (nan|inf) at epoch 1, step \d of 3: .*--lr") as refusal:
        train(replace(settings(name), lr=1e30, save_every=0), tmp_path)
    assert "\n" not in str(refusal.value)


def test_adl_at_a_module_that_never_runs_is_refused(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch.nn.functional as F\nfrom torch import nn\n\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))\n"
        "        self.fc = nn.Linear(6, 3)\n\n"
        "    def forward(self, x):\n"
        "        return self.fc(F.adaptive_avg_pool2d(F.relu(self.features(x)), 1).flatten(1))\n"
    )
    run = replace(settings("eil"), backbone=f"{tmp_path / 'net.py'}:Net", method="adl", method_options={})
    with pytest.raises(CamkitError, match="--adl-at features: ") as refusal:
        train(replace(run, pool="gap", adl_at=("features",)), tmp_path / "out")
    assert "\n" not in str(refusal.value)
    train(replace(run, pool="gap", adl_at=("features.1",), epochs=1), tmp_path / "runs")
