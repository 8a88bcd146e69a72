"""Weightings crossed with thresholds: one pass for all, each cell what it is alone, and what does not hold left out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from torch import nn

from camkit.boxes import THRESHOLDS
from camkit.cam import built_in_weightings
from camkit.cli import cli
from camkit.data import read_dataset
from camkit.evaluation import Grid, evaluate
from camkit.figures import plot_grid
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier, TinyResNet
from camkit.recipe import Recipe
from camkit.runs.evaluate import run_ablate
from camkit.runs.options import RunOptions

NETWORK = """
import torch
from camkit.models import TinyResNet
from camkit.nn import ThresholdedAvgPool2d
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
def tap():
    net = build()
    net.pool = ThresholdedAvgPool2d(0.1)
    return net
"""
SHAPES = ["--dataset", "shapes", "--root", "n=12,classes=3", "--split", "test", "--step", "0.1"]


def network(count=None):
    torch.manual_seed(0)
    model = TinyResNet(3, (8, 16), 1).eval()
    if count is not None:
        model.register_forward_pre_hook(lambda module, args: count.append(len(args[0])))
    return Classifier(model, "net", InputSpec((64, 64), 64, (0.5,) * 3, (0.25,) * 3), None, "random")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "net.py").write_text(NETWORK)
    return tmp_path


def ablate(place, *options, model="build", expect=0):
    call = ["ablate", "--model", f"{place}/net.py:{model}", *SHAPES, "--out", str(place / "out"), *options]
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == expect, done.output
    return done.output if expect != 1 else str(done.exception)


def test_one_forward_pass_an_image_for_all(tmp_path):
    """Images that go through the network, the search for its head aside, counted by a hook of its own."""
    passes = {}
    for name, grid in (("one", Grid(["signed"], {"minmax": THRESHOLDS["minmax"](None, None)})), ("all", Grid())):
        count = []
        Inference(network(count), "cpu", "fp32")
        search = len(count)
        count.clear()
        options = RunOptions("shapes", Path("n=12,classes=3"), "test", tmp_path / name, step=0.1, batch_size=5)
        run_ablate(network(count), options, recipes=grid)
        passes[name] = count[search:]
    assert passes["one"] == passes["all"] == [5, 5, 2]
    assert len(pd.read_csv(tmp_path / "all/ablation.csv")) == len(built_in_weightings()) * len(THRESHOLDS) == 14 * 4


def test_every_cell_is_what_it_is_alone():
    dataset = read_dataset("shapes", "n=10,classes=3", "test")
    source = Inference(network(), "cpu", "fp32")
    crossed = Grid().cross([source], "paper")
    assert next(iter(crossed.recipes)) == "signed+minmax"
    assert {name: crossed.recipes[name] for name in ("positive+max", "finer+ivr")} == {
        "positive+max": Recipe("positive", THRESHOLDS["max"](None, None), "none"),
        "finer+ivr": Recipe("finer", THRESHOLDS["ivr"](None, None)),
    }
    assert all(Recipe.named(name) == recipe for name, recipe in crossed.recipes.items())  # one spelling everywhere
    together = evaluate(source, dataset, crossed.recipes, step=0.25)
    for name in ("ablation+pas", "ccam:quadratic+max", "gradcam+++ivr"):
        alone = evaluate(source, dataset, {name: crossed.recipes[name]}, step=0.25)
        assert alone.localization[name] == together.localization[name]


def test_the_table_the_picture_and_the_baseline(place):
    out = ablate(place, "--weightings", "all", "--thresholds", "all", "--against", "positive+pas")
    rows = [line for line in out.splitlines() if line.startswith("| ")]
    assert rows[0] == "| weighting | max | minmax | pas | ivr | MaxBoxAccV2 | PxAP |"
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows[1:]] == list(built_in_weightings())
    assert [row for row in rows if "the baseline" in row] == [
        next(row for row in rows if row.startswith("| positive "))
    ]
    assert "one in twenty of these 55" in out
    table = pd.read_csv(place / "out/ablation.csv").set_index("recipe")
    assert table.index[0] == "positive+pas"
    images = pd.read_csv(place / "out/per_image.csv").pivot(index="image", columns="recipe", values="gt_loc")
    for name in ("signed+max", "ccam:t1b1+ivr"):
        gain = 100 * (images[name].mean() - images["positive+pas"].mean())
        assert table.loc[name, "gain"] == pytest.approx(gain)
        assert table.loc[name, "gain_low"] <= gain <= table.loc[name, "gain_high"]
    assert Image.open(place / "out/ablation.png").size[0] > 900
    recipes = json.loads((place / "out/run.json").read_text())["settings"]["recipes"]
    assert recipes["signed+max"]["normalization"] == "none"


def test_one_of_the_two_alone_and_ones_own(place):
    (place / "own.py").write_text("def half(weights, classes, *_):\n    return weights[classes] / 2\n"
                                  "def flat(maps):\n    return maps.mean((-2, -1))\n")  # fmt: skip
    out = ablate(place, "--thresholds", "ivr,p10:max")
    assert "| weighting | ivr | p10:max | MaxBoxAccV2 |" in out
    assert list(pd.read_csv(place / "out/ablation.csv")["recipe"]) == [
        "signed+ivr", "signed+p10:max", "positive+ivr", "positive+p10:max"]  # fmt: skip
    weighting, threshold = f"{place}/own.py:half", f"{place}/own.py:flat"
    ablate(place, "--weightings", f"signed,{weighting}", "--thresholds", f"pas,{threshold}", "--overwrite")
    table = pd.read_csv(place / "out/ablation.csv").set_index("recipe")
    assert table.loc[f"{weighting}+pas", "gt_loc"] == table.loc["signed+pas", "gt_loc"]
    assert f"{weighting}+{threshold}" in table.index


def test_what_does_not_hold_is_left_out_of_all_and_refused_by_name(place):
    out = ablate(place, "--weightings", "all", "--thresholds", "all", "--protocol", "wsol", model="tap")
    assert "note: weighting gradcam++ is left out: its gradient is not the same at every position under Thresh" in out
    assert "note: threshold max is left out: wsol maps are between 0 and 1" in out
    assert "| weighting | minmax | pas | ivr | MaxBoxAccV2 |" in out
    for options, said in [
        (["--weightings", "signed,gradcam++"], "'gradcam++' does not hold on this model"),
        (["--thresholds", "max", "--protocol", "wsol"], "threshold max is of the map as it is"),
        (["--weightings", "signed", "--against", "positive+pas"], "no recipe is called 'positive+pas'"),
    ]:
        assert said in ablate(place, *options, "--overwrite", model="tap", expect=1)
    for options, said in [
        (["--weightings", "best"], "weighting 'best' is unknown"),
        (["--thresholds", "best"], "threshold 'best' is unknown"),
        (["--weightings", "signed,,positive"], "is no list of names"),
        (["--weightings", "all,signed"], "is no list of names"),
    ]:
        assert said in ablate(place, *options, "--overwrite", model="tap", expect=2)
    assert "--against names a recipe of" in ablate(place, "--against", "cam", "--overwrite", expect=2)


def test_maps_without_class_weights_have_thresholds_alone(tmp_path):
    source = Inference(network(), "cpu", "fp32")
    object.__setattr__(source, "source", nn.Identity())
    crossed = Grid(None, None, "pas").cross([source], "paper")
    assert list(crossed.recipes) == ["pas", "max", "minmax", "ivr"]
    assert {recipe.weighting for recipe in crossed.recipes.values()} == {"signed"}


def test_two_models_in_one_grid(place):
    out = ablate(place, "--tap", f"{place}/net.py:tap", "--weightings", "signed,positive,ablation")
    assert [line.split(" | ")[0] for line in out.splitlines() if line.startswith("| tap:")] == [
        "| tap:signed", "| tap:positive", "| tap:ablation"]  # fmt: skip


def test_an_image_without_a_map_is_a_failure_with_its_reason(tmp_path):
    """A black image of a network without biases has logit 0, and no share of it is lost with a channel."""

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.fc = nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.Linear(4, 3, bias=False)

        def forward(self, x):
            return self.fc(self.features(x).relu().mean((2, 3)))

    torch.manual_seed(0)
    lines = ["image,label,x0,y0,x1,y1"]
    for i in range(4):
        pixels = np.random.default_rng(i).integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels * (i != 2)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{i % 3},0,0,20,20")
    (tmp_path / "val.csv").write_text("\n".join(lines))
    source = Inference(Classifier(Bare().eval(), "bare", InputSpec((40, 40), 40, (0.0,) * 3, (1.0,) * 3), None, "x"),
                       "cpu", "fp32")  # fmt: skip
    dataset = read_dataset("csv", tmp_path, "val")
    found = evaluate(source, dataset, {"a": Recipe("ablation"), "b": Recipe("signed")}, step=0.5)
    assert [(failure.image, failure.reason) for failure in found.failures] == [
        ("2.png", "weighting 'ablation' has no map of it: it divides by the class's logit, which is 0")
    ]
    assert found.localization["a"]["gt_loc"].n == found.localization["b"]["gt_loc"].n == 3


def test_the_picture_of_ten_by_four_has_no_labels_on_each_other():
    rows = [(f"w{i}", t, 1.0 * i, 1.0 * i - 2, 1.0 * i + 2) for i in range(10) for t in THRESHOLDS]
    table = pd.DataFrame(rows, columns=["weighting", "threshold", "gain", "gain_low", "gain_high"])
    figure = plot_grid(table, "signed+minmax").figure
    FigureCanvasAgg(figure).draw()
    _, panel = figure.axes
    boxes = [label.get_window_extent() for label in panel.get_yticklabels()]
    boxes += [text.get_window_extent() for text in figure.subfigs[0].legends[0].get_texts()]
    assert len(boxes) == 10 + 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert figure.get_size_inches()[1] < 9
