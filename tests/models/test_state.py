"""Which weights of a file are taken, and under which names: each form that training scripts leave behind."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from camkit.errors import CamkitError
from camkit.models import load_classifier, read_weights
from camkit.models.checkpoint import load_file
from camkit.models.state import fitting


class Net(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))


class Wrap(nn.Module):
    """A child called `module`, which is no DataParallel."""

    def __init__(self, seed: int = 0, name: str = "module") -> None:
        super().__init__()
        self.add_module(name, Net(seed))
        self.name = name

    def forward(self, x):
        return self.get_submodule(self.name)(x)


def inner(model):
    """The numbers of a model, whatever it is wrapped in."""
    return list(model.state_dict().values())


def takes(model, held, path, key: str = "") -> str:
    """That `model`, of seed 1, gets the numbers of seed 0."""
    torch.save(held, path)
    said = load_file(model, f"{path}:{key}" if key else path)
    assert all(torch.equal(a, b) for a, b in zip(inner(model), inner(Net(0)), strict=True))
    return said


def refusal(call, *args) -> str:
    with pytest.raises(CamkitError) as caught:
        call(*args)
    message = str(caught.value)
    assert "\n" not in message
    return message


def prefixed(prefix: str, seed: int = 0) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in Net(seed).state_dict().items()}


def compiled(model):
    return torch.compile(model, backend="eager")


def parallel_inside(seed: int):
    model = Net(seed)
    model.features = nn.DataParallel(model.features)
    return model


def compiled_inside(seed: int):
    model = Net(seed)
    model.features = compiled(model.features)
    return model


FORMS = {
    "plain": Net,
    "DataParallel": lambda seed: nn.DataParallel(Net(seed)),
    "compile": lambda seed: compiled(Net(seed)),
    "both": lambda seed: compiled(nn.DataParallel(Net(seed))),
    "a child called module": Wrap,
    "DataParallel of that": lambda seed: nn.DataParallel(Wrap(seed)),
    "a child called net": lambda seed: Wrap(seed, "net"),
    "DataParallel inside": parallel_inside,
    "compile inside": compiled_inside,
}


@pytest.mark.parametrize("saved", FORMS)
@pytest.mark.parametrize("loaded", FORMS)
def test_weights_of_any_wrapping_fit_any_wrapping(tmp_path, saved, loaded):
    takes(FORMS[loaded](1), FORMS[saved](0).state_dict(), tmp_path / "w.pth")


@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone.", "module.", "_orig_mod.", "student.", "a.b.c."])
def test_a_prefix_comes_off_where_all_names_fit_without_it_and_is_said(tmp_path, prefix):
    said = takes(Net(1), prefixed(prefix), tmp_path / "w.pth")
    assert repr(prefix.rstrip(".")) in said


@pytest.mark.parametrize("strange", ["fc.weights", "head.weight"])
def test_a_prefix_stays_where_the_names_do_not_fit_without_it(tmp_path, strange):
    state = prefixed("model.")
    state[f"model.{strange}"] = state.pop("model.fc.weight")
    torch.save(state, tmp_path / "w.pth")
    message = refusal(load_file, Net(1), tmp_path / "w.pth")
    assert "missing ('features.0.weight'" in message
    assert "unexpected ('model.features.0.weight'" in message


def test_a_lightning_checkpoint(tmp_path):
    """Weights behind ``model.``, a loss's own, settings, the optimizer, and loops."""
    state = {**prefixed("model."), "criterion.weight": torch.ones(3)}
    held = {"epoch": 3, "global_step": 9, "pytorch-lightning_version": "2.4.0", "state_dict": state, "loops": {},
            "optimizer_states": [{"state": {0: {"m": torch.ones(2)}}}], "hyper_parameters": {"lr": 0.1}}  # fmt: skip
    said = takes(Net(1), held, tmp_path / "last.ckpt")
    assert "'state_dict.model'" in said
    assert "without 'state_dict.criterion.weight'" in said


@pytest.mark.parametrize("average", ["model_ema", "state_dict_ema", "ema", "ema_model", "swa_state_dict", "averaged"])
def test_the_weights_are_taken_before_their_average_and_both_are_said(tmp_path, average):
    held = {"state_dict": Net(0).state_dict(), average: Net(2).state_dict(), "optimizer": {"state": {}}}
    said = takes(Net(1), held, tmp_path / "w.pth.tar")
    assert f"its 'state_dict', not its '{average}'" in said
    swapped = {"state_dict": Net(2).state_dict(), average: Net(0).state_dict()}
    assert f"its '{average}'" in takes(Net(1), swapped, tmp_path / "w.pth.tar", average)
    assert f"its '{average}'" in takes(Net(1), {average: Net(0).state_dict()}, tmp_path / "w.pth.tar")


def test_an_average_that_counts_its_updates(tmp_path):
    """As torch.optim.swa_utils.AveragedModel and ema-pytorch leave them."""
    averaged = torch.optim.swa_utils.AveragedModel(Net(0))
    assert averaged.n_averaged.ndim == 0
    said = takes(Net(1), averaged.state_dict(), tmp_path / "w.pth")
    assert "without 'n_averaged'" in said


def test_a_network_beside_its_teacher_is_refused_with_both_names_and_the_way_out(tmp_path):
    path = tmp_path / "dino.pth"
    held = {**prefixed("student.", 0), **prefixed("teacher.", 2)}
    torch.save(held, path)
    message = refusal(load_file, Net(1), path)
    assert "'student', 'teacher'" in message
    assert f"{path}:student" in message
    takes(Net(1), held, path, "student")
    nested = {"student": prefixed("module.backbone.", 2), "teacher": prefixed("backbone.", 0), "epoch": 1}
    assert "'teacher.backbone'" in takes(Net(1), nested, path, "teacher")
    assert "'absent'" in refusal(load_file, Net(1), f"{path}:absent")


def test_weights_that_are_there_twice_are_not_ambiguous(tmp_path):
    """A Lightning module that keeps its network under two names, and a file that has one state dict in two places."""
    takes(Net(1), {**prefixed("net."), **prefixed("encoder.")}, tmp_path / "w.pth")
    state = Net(0).state_dict()
    takes(Net(1), {"model": state, "state_dict": state}, tmp_path / "w.pth")
    torch.save({"model": state, "state_dict": Net(2).state_dict()}, tmp_path / "w.pth")
    assert "several different weights" in refusal(load_file, Net(1), tmp_path / "w.pth")


def test_of_two_networks_with_the_same_names_the_one_of_the_right_shapes_is_taken(tmp_path):
    wide = {f"teacher.{name}": value.repeat(2, *[1] * (value.ndim - 1)) if value.ndim else value
            for name, value in Net(2).state_dict().items()}  # fmt: skip
    assert "its 'student'" in takes(Net(1), {**prefixed("student."), **wide}, tmp_path / "w.pth")


def test_what_is_not_a_tensor_between_the_weights_is_left_out(tmp_path):
    takes(Net(1), {**Net(0).state_dict(), "epoch": 3, "name": "net"}, tmp_path / "w.pth")


def test_a_state_dict_in_pieces(tmp_path):
    whole = Net(0)
    takes(Net(1), {"features": whole.features.state_dict(), "fc": whole.fc.state_dict()}, tmp_path / "w.pth")


def test_versions_that_a_file_states_follow_the_names(tmp_path):
    """Batch norms of version 1 have no counter, and say so."""
    model = nn.DataParallel(Net(0))
    state = OrderedDict((k, v) for k, v in model.state_dict().items() if "num_batches" not in k)
    state._metadata = {"": {"version": 1}, "module": {"version": 1}, "module.features.1": {"version": 1}}
    torch.save({"state_dict": state}, tmp_path / "w.pth")
    read = read_weights(tmp_path / "w.pth", Net(1).state_dict())
    assert read._metadata == {"": {"version": 1}, "features.1": {"version": 1}}
    takes(Net(1), {"state_dict": state}, tmp_path / "w.pth")


def test_names_are_whole_parts():
    """``submodel.fc`` is no ``model.fc`` behind the prefix ``sub``."""
    assert fitting(["submodel.fc", "subbias"], ["model.fc", "bias"]) == []
    (one,) = fitting(["sub.model.fc", "sub.bias"], ["model.fc", "bias"])
    assert one.names == {"sub.model.fc": "model.fc", "sub.bias": "bias"}


def test_dictionaries_within_dictionaries_without_end(tmp_path):
    held: dict = {"state_dict": Net(0).state_dict()}
    held["again"] = held
    for _ in range(40):
        held = {"a": held, "b": held}
    torch.save(held, tmp_path / "w.pth")
    refusal(read_weights, tmp_path / "w.pth")


@pytest.mark.parametrize("name", ["resnet18", "wsol:vgg-small-bn", "densenet121", "googlenet"])
def test_prefixes_come_off_networks_by_name_with_their_own_number_of_classes(tmp_path, name):
    """Classes are counted in the file, after its names were understood."""
    torch.manual_seed(0)
    model = load_classifier(name, "none").model
    state = model.state_dict()
    *_, weight, bias = state
    state[weight], state[bias] = torch.randn(7, *state[weight].shape[1:]), torch.randn(7)
    held = {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 1}
    torch.save(held, tmp_path / "w.pth.tar")
    loaded = load_classifier(name, str(tmp_path / "w.pth.tar"))
    assert loaded.class_names is None
    assert "its 'state_dict.module'" in loaded.weights
    own = loaded.model.state_dict()
    assert all(torch.equal(own[key], value) for key, value in state.items())
