"""A threshold chosen on one split: the surface against the recipes themselves, and the settings that come of it."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from camkit.boxes import MaxThreshold, PercentileThreshold
from camkit.cli import cli
from camkit.data import read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import calibrate, evaluate
from camkit.evaluation.calibrate import best_of
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier, TinyResNet
from camkit.recipe import Recipe
from camkit.runs.settings import read_settings

MODEL = """
import torch
from camkit.models import TinyResNet
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
"""


def inference():
    import torch

    torch.manual_seed(0)
    spec = InputSpec((64, 64), 64, (0.5,) * 3, (0.25,) * 3)
    return Inference(Classifier(TinyResNet(3, (8, 16), 1).eval(), "net", spec, None, "random"), "cpu", "fp32")


def test_the_surface_is_what_each_recipe_gives():
    dataset = read_dataset("shapes", "n=24,classes=3", "val")
    found = calibrate(inference(), dataset, Recipe())
    surface = found.surface.set_index(["weighting", "percentile", "theta"])["gt_loc"]
    assert len(surface) == 2 * 21 * 99
    assert found.n == 24
    settings = [("signed", 100, 0.2), ("positive", 90, 0.35), ("signed", 85, 0.8), ("positive", 100, 0.6)]
    recipes = {
        str(i): Recipe(w, MaxThreshold(t) if p == 100 else PercentileThreshold(t, p))
        for i, (w, p, t) in enumerate(settings)
    }
    exact = evaluate(inference(), dataset, recipes, step=0.5).localization
    for i, setting in enumerate(settings):
        # On 256 grey levels a threshold is off by up to one of them: a box or two may change.
        assert surface[setting] == pytest.approx(exact[str(i)]["gt_loc"].value, abs=100 * 2 / 24 + 1e-9)
    best = surface.max()
    assert surface[found.setting] == best


def test_of_equals_the_nearest_to_the_paper_is_taken():
    rows = [("signed", 90, 0.35, 70.0), ("positive", 90, 0.35, 70.0), ("positive", 80, 0.35, 70.0)]
    rows += [("signed", 100, 0.9, 60.0)]
    table = pd.DataFrame(rows, columns=["weighting", "percentile", "theta", "gt_loc"])
    assert best_of(table, Recipe()) == Recipe("positive", PercentileThreshold(0.35, 90.0))
    assert best_of(table.assign(gt_loc=[0, 0, 0, 1]), Recipe()) == Recipe("signed", MaxThreshold(0.9))


@pytest.fixture
def place(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def run(place, *options, expect=0):
    arguments = ["calibrate", "--model", f"{place}/net.py:build", "--dataset", "shapes", "--root", "n=20,classes=3"]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(place / "out"), "--step", "0.5", *options])
    assert done.exit_code == expect, done.output
    return done


def test_settings_reach_the_other_commands_with_where_they_were_chosen(place):
    said = run(place, "--split", "train", "--test-split", "val").output
    assert "on train, where it was chosen" in said
    assert "on val, not seen before" in said
    held = json.loads((place / "out/calibration.json").read_text())
    assert held["splits"]["train"]["calibrated"]["gt_loc"]["threshold_split"] == "the reported split"
    assert held["splits"]["val"]["calibrated"]["gt_loc"]["threshold_split"] == "shapes train"
    assert held["splits"]["val"]["before"]["gt_loc"]["threshold_split"] == "fixed beforehand"
    settings = place / "out/settings.json"
    for split, label in (("train", "the reported split"), ("test", "shapes train")):
        done = CliRunner().invoke(
            cli,
            ["evaluate", "--model", f"{place}/net.py:build", "--dataset", "shapes", "--root", "n=20,classes=3",
             "--split", split, "--settings", str(settings), "--out", str(place / split), "--step", "0.5"],
        )  # fmt: skip
        assert "gt_loc" in done.output
        assert f"threshold: {label}" in done.output
        metrics = json.loads((place / split / "metrics.json").read_text())
        assert metrics["gt_loc"]["threshold_split"] == label
        if split == "train":
            assert metrics["gt_loc"]["value"] == held["splits"]["train"]["calibrated"]["gt_loc"]["value"]
    done = CliRunner().invoke(
        cli,
        ["localize", "--model", "tiny", "--settings", str(settings), "--images", str(place / "out/surface.png"),
         "--out", str(place / "boxes"), "--no-overlays"],
    )  # fmt: skip
    assert done.exit_code == 0
    assert "chosen for" in done.stderr
    record = json.loads((place / "boxes/run.json").read_text())["settings"]
    assert record["recipe"] == held["calibrated"]
    assert record["threshold_split"] == "shapes train"


def test_wrong_calls(place):
    assert "both 'val'" in str(run(place, "--test-split", "val", expect=1).exception)
    (place / "s.json").write_text("{}")
    call = [
        "localize",
        "--model",
        "tiny",
        "--images",
        ".",
        "--out",
        str(place / "x"),
        "--settings",
        str(place / "s.json"),
    ]
    assert "no settings file" in str(CliRunner().invoke(cli, call).exception)
    assert CliRunner().invoke(cli, [*call, "--theta", "0.3"]).exit_code == 2
    (place / "s.json").write_text(json.dumps({"recipe": {**Recipe().to_dict(), "weighting": "x"}}))
    with pytest.raises(CamkitError, match="weighting 'x' is unknown"):
        read_settings(place / "s.json")


def test_a_recipe_survives_its_file():
    for recipe in (Recipe(), Recipe("signed", MaxThreshold(0.123456789), "none", "bicubic")):
        assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert np.isclose(Recipe().threshold.theta, 0.35)


def test_an_unknown_protocol_is_named():
    dataset = read_dataset("shapes", "n=3,classes=3", "val")
    for work in (lambda: calibrate(inference(), dataset, Recipe(), protocol="coco"),
                 lambda: evaluate(inference(), dataset, {"cam": Recipe()}, protocol="coco")):  # fmt: skip
        with pytest.raises(CamkitError, match="'coco': give one of paper, wsol"):
            work()
