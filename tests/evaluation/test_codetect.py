"""A class's direction over a set of drawn squares, against a decomposition of all its features; the boxes of > 0."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from squares import draw, write_table

from camkit.cli import cli
from camkit.data import read_dataset
from camkit.evaluation import codetect
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.models import load_classifier

MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD, LABELS = 32, (0.0,) * 3, (1.0,) * 3, ["some", "other", "classes"]
def build():
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3, False))
    net[0].weight.data = torch.eye(3).reshape(3, 3, 1, 1)
    return net
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    rng, table = np.random.default_rng(0), []
    for i in range(6):
        x0, y0 = rng.integers(0, 12, 2).tolist()
        box = (x0, y0, x0 + 14, y0 + 9)
        draw(tmp_path / f"{i}.png", box, i % 2, (32, 32))
        table.append([f"{i}.png", ["red", "blue"][i % 2], *box])
    write_table(tmp_path / "val.csv", "name", table)
    return tmp_path


def test_maps_of_each_class_are_its_first_direction(place):
    """The classes are none of the network's, and an unreadable image is a failure, not a part of the set."""
    (place / "4.png").write_bytes(b"no picture")
    dataset = read_dataset("csv", place, "val")
    found = list(codetect(Inference(load_classifier(f"{place}/net.py:build"), "cpu", "fp32"), dataset, batch_size=2))
    (failure,) = [one for one in found if isinstance(one, Failure)]
    assert failure.image == "4.png"
    maps = {one[0].image: one[1].numpy() for one in found if not isinstance(one, Failure)}
    for names in (["0.png", "2.png"], ["1.png", "3.png", "5.png"]):
        pixels = np.stack([np.asarray(Image.open(place / name), np.float64) / 255 for name in names])
        rows = pixels.reshape(-1, 3)
        first = np.linalg.svd(rows - rows.mean(0))[2][0]
        expected = (pixels - rows.mean(0)) @ (first * np.sign(first.sum()))
        np.testing.assert_allclose(np.stack([maps[name] for name in names]), expected, atol=1e-6)


def test_the_example_writes_maps_whose_positive_part_is_the_object(place, monkeypatch):
    path = Path(__file__).parents[2] / "examples" / "codetect.py"
    spec = importlib.util.spec_from_file_location("codetect_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = ["--model", f"{place}/net.py:build", "--dataset", "csv", "--root", place, "--split", "val"]
    monkeypatch.setattr(sys, "argv", ["codetect.py", *map(str, [*options, "--out", place / "maps"])])
    assert module.main() == 0
    call = ["evaluate", "--maps", place / "maps", "--threshold", "0:max", "--theta", "0", "--normalize", "none",
            "--dataset", "csv", "--root", place, "--step", "0.1", "--out", place / "out"]  # fmt: skip
    done = CliRunner().invoke(cli, list(map(str, call)))
    assert done.exit_code == 0, (done.output, done.exception)
    figures = json.loads((place / "out/metrics.json").read_text())
    assert figures["gt_loc"]["value"] == 100
    assert figures["mean_iou"]["value"] == pytest.approx(1)
    assert torch.from_numpy(np.load(place / "maps/0.png.npy")).dtype == torch.float32
