"""A network and a folder of its maps are two sources of the same figures."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli
from camkit.data import MapFolder, read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import calibrate, evaluate, measure_images, recipes_for
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier, TinyResNet
from camkit.recipe import RECIPES, Recipe


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    spec = InputSpec((64, 64), 64, (0.5,) * 3, (0.25,) * 3)
    return Inference(Classifier(TinyResNet(3, (8, 16), 1).eval(), "net", spec, None, "random"), "cpu", "fp32")


@pytest.fixture(scope="module")
def drawn():
    return read_dataset("shapes", "n=24,classes=3", "val")


@pytest.fixture(scope="module")
def folder(network, drawn, tmp_path_factory):
    """The network's signed maps of the images' own classes."""
    root = tmp_path_factory.mktemp("maps")
    for prediction in measure_images(network, drawn, ["signed"], lambda prediction: prediction):
        path = root / f"{prediction.record.image}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, prediction.maps["signed"].numpy())
    return MapFolder(root, drawn.records)


@pytest.mark.parametrize("protocol", ["paper", "wsol"])
def test_both_give_the_same_figures(network, drawn, folder, protocol):
    recipes = recipes_for(folder, RECIPES)
    assert list(recipes) == ["cam", "pas"]
    of_network, of_folder = (
        evaluate(source, drawn, recipes, protocol=protocol, step=0.01) for source in (network, folder)
    )
    without = ["label", "score", "predicted", "top1_loc", "top3_loc"]
    pd.testing.assert_frame_equal(
        of_network.per_image.drop(columns=without), of_folder.per_image.drop(columns="label"), check_exact=True
    )
    for name in recipes:
        for figure, result in of_folder.localization[name].items():
            assert result == of_network.localization[name][figure]
    assert of_folder.against == of_network.against
    assert of_folder.classification == {}
    assert of_folder.match is None


def test_both_give_the_same_surface(network, drawn, folder):
    of_network = calibrate(network, drawn, Recipe(), weightings=("signed",))
    of_folder = calibrate(folder, drawn, Recipe())
    pd.testing.assert_frame_equal(of_network.surface, of_folder.surface)
    assert of_folder.recipe == of_network.recipe
    assert len(set(of_folder.surface["gt_loc"])) > 5


# the commands

SPLITS = {"val": 8, "test": 4}


@pytest.fixture
def place(tmp_path):
    """Squares of 20x20 in images of 64x48; a map is 1 in the square, and 0.5 in the rest of the upper half."""
    for split, count in SPLITS.items():
        lines = ["image,label,x0,y0,x1,y1"]
        for i in range(count):
            x0, y0 = 4 * i, 2 * i
            lines.append(f"{split}/{i}.jpg,{i % 2},{x0},{y0},{x0 + 20},{y0 + 20}")
            score_map = np.zeros((48, 64), np.float32)
            score_map[:24] = 0.5
            score_map[y0 : y0 + 20, x0 : x0 + 20] = 1
            for folder in ("images", "maps"):
                (tmp_path / folder / split).mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (64, 48)).save(tmp_path / f"images/{split}/{i}.jpg")
            np.save(tmp_path / f"maps/{split}/{i}.npy", score_map)
        (tmp_path / f"{split}.csv").write_text("\n".join(lines))
    return tmp_path


def run(place, command, *options, expect=0):
    arguments = [command, "--maps", str(place / "maps"), "--dataset", "csv", "--root", str(place)]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(place / command), "--step", "0.1", *options])
    assert done.exit_code == expect, done.output
    return done.output


def test_a_threshold_is_chosen_for_a_folder_of_maps(place):
    out = run(place, "calibrate", "--split", "val", "--test-split", "test", "--no-pas")
    record = json.loads((place / "calibrate/calibration.json").read_text())
    for split in SPLITS:
        found = record["splits"][split]
        assert found["before"]["gt_loc"]["value"] == 0  # theta 0.2: the upper half and the square
        assert found["calibrated"]["gt_loc"]["value"] == 100
    settings = json.loads((place / "calibrate/settings.json").read_text())
    assert settings["recipe"]["threshold"]["theta"] >= 0.5
    assert settings["model"] == str(place / "maps")
    assert "belong to no image" not in out  # the maps of both splits
    surface = pd.read_csv(place / "calibrate/surface.csv")
    assert set(surface["weighting"]) == {"signed"}
    chosen = str(place / "calibrate/settings.json")
    assert "note" not in run(place, "evaluate", "--split", "test", "--settings", chosen)
    assert json.loads((place / "evaluate/metrics.json").read_text())["gt_loc"]["value"] == 100


def test_recipes_that_differ_in_the_threshold_are_held_against_each_other(place):
    out = run(place, "ablate", "--split", "val")
    table = pd.read_csv(place / "ablate/ablation.csv").set_index("recipe")
    assert list(table.index) == ["cam", "pas"]
    assert table["n"].tolist() == [8, 8]
    assert f"{SPLITS['test']} of the maps in {place / 'maps'} belong to no image of the split" in out


@pytest.mark.parametrize(
    ("command", "options", "says"),
    [
        ("calibrate", ["--test-split", "test", "--fit", "crop"], "leave out --fit"),
        ("calibrate", ["--test-split", "test", "--nwc"], "leave out --nwc"),
        ("ablate", ["--tap", "tiny"], "--tap is a second model"),
        ("ablate", ["--model", "tiny"], "one of them"),
    ],
)
def test_options_of_a_model_are_refused(place, command, options, says):
    assert says in run(place, command, *options, expect=2)


def test_a_class_map_to_a_models_names_is_refused(place):
    (place / "map.csv").write_text("dataset,model\n0,cat\n1,dog\n")
    for command, more in (("calibrate", ["--test-split", "test"]), ("ablate", []), ("evaluate", [])):
        arguments = [command, "--maps", str(place / "maps"), "--dataset", "csv", "--root", str(place), "--out", "x"]
        done = CliRunner().invoke(cli, [*arguments, "--class-map", str(place / "map.csv"), *more])
        assert isinstance(done.exception, CamkitError)
        assert "names classes of a model" in str(done.exception)
