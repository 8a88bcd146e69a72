"""--class-map and --class-names in the commands that take annotated images, and what a run says of its classes."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli
from camkit.errors import CamkitError

MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.0,) * 3, (1.0,) * 3
def build():
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3, False))
    net[0].weight.data = torch.eye(3).reshape(3, 3, 1, 1)
    net[3].weight.data = torch.eye(3)
    return net
"""
COLOURS = ("rot", "blau", "rosa")  # of the model: red, green, blue


@pytest.fixture
def place(tmp_path):
    """Three squares of each colour on black; the model's green has none."""
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "names.txt").write_text("red\ngreen\nblue\n")
    rows = []
    for i in range(9):
        colour, x = COLOURS[i % 3], 2 * i
        image = np.zeros((32, 32, 3), np.uint8)
        image[4:20, x : x + 12] = {"rot": (255, 0, 0), "blau": (0, 0, 255), "rosa": (255, 0, 90)}[colour]
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        rows.append((f"{i}.png", colour, x, 4, x + 12, 20))
    for split in ("val", "test"):
        table = pd.DataFrame(rows, columns=["image", "label", "x0", "y0", "x1", "y1"])
        table.to_csv(tmp_path / f"{split}.csv", index=False)
    (tmp_path / "map.csv").write_text("dataset,model\nrot,red\nblau,2\nrosa,-\n")
    return tmp_path


def run(place, *command, expect=0):
    names = (
        ["--model", f"{place}/net.py:build", "--class-names", f"{place}/names.txt"] if "--maps" not in command else []
    )
    said = [*names, "--dataset", "csv", "--root", str(place), "--out", str(place / "out")]
    done = CliRunner().invoke(cli, [*map(str, command), *said])
    if isinstance(done.exception, CamkitError):
        return str(done.exception)
    assert done.exit_code == expect, done.output or done.exception
    return done.output


def test_the_figures_are_those_of_the_classes_that_are_meant(place):
    assert "none of the model's 3 classes is called 'blau'" in run(place, "evaluate")
    said = run(place, "evaluate", "--class-map", place / "map.csv")
    assert "6 images: 6 judged" in said
    assert f"note: {place / 'map.csv'} leaves out 3 images of csv val: 'rosa' (3)" in said
    metrics = json.loads((place / "out/metrics.json").read_text())
    assert (metrics["top1_cls"]["value"], metrics["top1_cls"]["n"], metrics["gt_loc"]["value"]) == (100, 6, 100)
    assert metrics["classes"]["matched_by"] == "name"
    assert "'rosa' (3)" in metrics["classes"]["notes"][0]
    (record,) = json.loads((place / "out/run.json").read_text())["classes"]
    assert record["pairs"] == {"blau": "2 ('blue')", "rot": "0 ('red')"}
    assert sorted(pd.read_csv(place / "out/per_image.csv")["label"]) == [0, 0, 0, 2, 2, 2]


def test_several_classes_as_one(place):
    (place / "map.csv").write_text("dataset,model\nrot,red\nrosa,red\nblau,blue\n")
    said = run(place, "evaluate", "--class-map", place / "map.csv")
    assert "note: 'rosa', 'rot' all are the model's class 0 ('red')" in said
    metrics = json.loads((place / "out/metrics.json").read_text())
    assert (metrics["top1_cls"]["value"], metrics["gt_loc"]["n"]) == (100, 9)


@pytest.mark.parametrize(
    "command",
    [
        ("ablate", "--step", "0.1"),
        ("calibrate", "--step", "0.1", "--test-split", "test"),
        ("analyze", "ioa"),
        ("finetune-fc", "--minmax", "--split", "val", "--sets", "2", "--set-size", "2", "--steps", "1"),
        ("evaluate", "--maps", "{}/maps"),
    ],
)
def test_every_command_that_takes_annotated_images_takes_a_class_map(place, command):
    command = tuple(part.format(place) for part in command)
    if "--maps" in command:
        (place / "maps").mkdir()
        for i in range(9):
            np.save(place / "maps" / f"{i}.npy", np.random.default_rng(i).random((8, 8)))
        assert "--maps has none" in run(place, *command, "--class-map", place / "map.csv")
        (place / "map.csv").write_text("dataset,model\nrosa,-\n")
    else:
        assert "'blau'" in run(place, *command)
    said = run(place, *command, "--class-map", place / "map.csv")
    assert "leaves out 3 images of csv val: 'rosa' (3)" in said
    assert "6 images" in said or command[0] in ("ablate", "calibrate")


def test_a_mean_that_cannot_be_is_a_wrong_call(place):
    said = run(place, "evaluate", "--class-map", place / "map.csv", "--mean", "123.7,116.3,103.5", expect=2)
    assert "divide it by 255: 0.485,0.456,0.406" in said


def test_names_of_imagenet_are_asked_for_by_name(place):
    done = CliRunner().invoke(cli, ["localize", "--model", f"{place}/net.py:build", "--class-names", "imagenet",
                                    "--images", f"{place}/0.png", "--out", str(place / "found")])  # fmt: skip
    assert str(done.exception) == "1000 class names for a model with 3 classes: give one for each"
