"""The places of a method in a whole run: what it sees, what it leaves in the state, and what is saved."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from small import Plain, perturb
from torch import nn

from camkit import load_classifier
from camkit.cli import cli
from camkit.process_group import ProcessGroup
from camkit.training import TrainSettings, train
from camkit.training.methods import Network, load_method
from camkit.training.optimizer import make_optimizer
from camkit.training.state import read_state

OWN = Path(__file__).parents[2] / "own_methods.py"
EXAMPLE = Path(__file__).parents[3] / "examples" / "erasing_method.py"
VALUES = {"dataset": "shapes", "root": "n=24,size=32,classes=3", "backbone": "vgg-small", "weights": "none",
          "size": (24,), "resize": 28, "epochs": 2, "lr": 0.02}  # fmt: skip


@pytest.fixture(scope="module")
def guided(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guided")
    return folder, train(TrainSettings(**VALUES, method=f"{OWN}:Guided"), folder)


def test_modules_are_in_the_state_and_not_in_the_weights(guided):
    folder, result = guided
    state = read_state(folder)
    assert set(state.modules) == {"branch.0.weight", "branch.0.bias", "branch.2.weight", "branch.2.bias",
                                  "bank.means", "bank.counts"}  # fmt: skip
    assert state.modules["bank.counts"].sum() > 3
    weights = load_file(folder / "last.safetensors")
    assert set(weights) == set(state.model)
    assert all(torch.equal(weights[name], state.model[name]) for name in weights)
    assert load_classifier(str(folder / "last.safetensors")).class_names == ("shape 0", "shape 1", "shape 2")
    assert (result.in_sets, result.settings.batch_size) == (True, 8)


def test_each_figure_of_a_step_has_a_column(guided):
    log = pd.read_csv(guided[0] / "log.csv")
    assert {"loss", "guide", "bank", "moved"} <= set(log)
    assert (log["loss"] > log["guide"] + 0.1 * log["bank"]).all()


def test_what_is_saved_and_measured_is_what_the_method_says(tmp_path):
    train(TrainSettings(**VALUES, method=f"{OWN}:Averaged", batch_size=8), tmp_path)
    state, weights = read_state(tmp_path), load_file(tmp_path / "last.safetensors")
    assert state.method["steps"] == 6
    assert all(torch.equal(weights[name], state.method["mean"][name]) for name in weights)
    assert not torch.equal(weights["fc.weight"], state.model["fc.weight"])
    assert load_classifier(str(tmp_path / "last.safetensors")).input.resize == 30


def test_learning_rates_beside_the_network():
    settings, model = TrainSettings("shapes", "n=4", lr=0.1, lr_new=5.0, decay_norms=False), nn.Linear(2, 2)
    beside = {"one": (nn.Linear(3, 3), 3.0), "two": (nn.Linear(4, 4), None), "none": (nn.Identity(), None)}
    groups = make_optimizer(model, (), settings, beside).param_groups
    found = {parameter: group for group in groups for parameter in group["params"]}
    expected = {model: 0.1, beside["one"][0]: 0.1 * 3.0, beside["two"][0]: 0.1 * 5.0}
    assert len(found) == 6
    for module, lr in expected.items():
        for parameter, decay in ((module.weight, 5e-4), (module.bias, 0)):
            group = found[parameter]
            assert (group["lr"], group["highest_lr"], group["weight_decay"]) == (lr, lr, decay)
    groups = make_optimizer(model, ("weight", "bias"), settings, beside).param_groups  # all is new
    assert groups[-1]["lr"] == 0.1


def test_the_example_is_the_same_as_two_passes_by_hand():
    """Erasing, EIL's step: the second pass is the network from the erased features on."""
    torch.manual_seed(0)
    model = perturb(Plain()).train()
    network = Network(model, 5, None, (16, 16), ProcessGroup(0, 1, torch.device("cpu")))
    method = load_method(f"{EXAMPLE}:Erasing", at="features.2")
    images, labels = torch.randn(3, 3, 16, 16), torch.tensor([0, 4, 4])
    figures = method.step(network, images, labels)
    inner = model.features[:3](images)
    erased = inner.clone()
    for n, image in enumerate(inner):
        attention = image.mean(0)
        for i in range(attention.shape[0]):
            for j in range(attention.shape[1]):
                if attention[i, j] >= 0.7 * attention.max():
                    erased[n, :, i, j] = 0
    expected = [-model.fc(model.features[3:](one).mean((2, 3))).log_softmax(1)[range(3), labels].mean()
                for one in (inner, erased)]  # fmt: skip
    torch.testing.assert_close(figures["plain"], expected[0])
    torch.testing.assert_close(figures["erased"], expected[1])
    torch.testing.assert_close(figures["loss"], expected[0] + expected[1])


def test_the_example_trains_from_the_command_line(tmp_path):
    assert len(EXAMPLE.read_text().splitlines()) <= 25
    options = [word for name, value in VALUES.items() if name != "size"
               for word in (f"--{name.replace('_', '-')}", str(value))]  # fmt: skip
    method = ["--method", f"has+{EXAMPLE}:Erasing", "--method-option", "at=features.9", "--method-option", "grid=8"]
    command = ["train", "--out", str(tmp_path), *options, "--size", "24", "--batch-size", "8", *method]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    log = pd.read_csv(tmp_path / "log.csv")
    assert log["loss"].tolist() == pytest.approx((log["plain"] + log["erased"]).tolist(), rel=1e-5)
