"""Two rounds of adversarial erasing on a miniature: what is painted, what is trained on, and the union."""

import csv
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from skimage.measure import label, regionprops

from camkit import Localizer, Recipe
from camkit.boxes import Threshold
from camkit.cli import cli
from camkit.errors import CamkitError

EXAMPLE = Path(__file__).parents[1] / "examples" / "adversarial_erasing.py"
CONFIG = """
backbone = "vgg-small"
weights = "none"
size = [24]
resize = 28
epochs = 1
batch_size = 4
dataset = "cub"
root = "elsewhere"
best = "gt_loc"
device = "cpu"
"""


@pytest.fixture
def example():
    spec = importlib.util.spec_from_file_location("adversarial_erasing", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_place(root):
    """Six images of the classes 3 and 5 of a longer list, in folders of their own, and one that is none."""
    rng = np.random.default_rng(0)
    (root / "a").mkdir()
    with (root / "train.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        for i in range(7):
            pixels = rng.integers(0, 200, (28, 32, 3), np.uint8)
            Image.fromarray(pixels).save(root / f"a/{i}.png")
            table.writerow([f"a/{i}.png", 3 + 2 * (i % 2), 4, 4, 20, 20])
    (root / "a/6.png").write_bytes(b"no picture")
    (root / "train.toml").write_text(CONFIG)


def call(example, monkeypatch, root, *more):
    options = ["--config", root / "train.toml", "--dataset", "csv", "--root", root, "--split", "train",
               "--out", root / "out", *more]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["adversarial_erasing.py", *map(str, options)])
    return example.main()


def test_two_rounds_paint_and_unite(example, tmp_path, monkeypatch, capsys):
    make_place(tmp_path)
    assert call(example, monkeypatch, tmp_path, "--rounds", 2) == 1  # the image that is none
    assert "a/6.png" in capsys.readouterr().err
    out, originals = tmp_path / "out", [np.asarray(Image.open(tmp_path / f"a/{i}.png")) for i in range(6)]
    mean = np.rint(np.concatenate([one.reshape(-1, 3) for one in originals]).mean(0))
    union, seen = [np.zeros((28, 32), bool) for _ in originals], []
    for number in (1, 2):
        folder = out / f"round-{number}"
        files = [folder / f"train/{i % 2:06d}/{i:08d}.png" for i in range(6)]
        for original, region, file in zip(originals, union, files, strict=True):
            expected = original.copy()
            for y, x in zip(*np.nonzero(region), strict=True):
                expected[y, x] = mean
            np.testing.assert_array_equal(np.asarray(Image.open(file)), expected)
        localizer = Localizer(str(folder / "run/last.safetensors"), Recipe("signed", Threshold(), "none"), device="cpu")
        for i, found in enumerate(localizer(files, [i % 2 for i in range(6)])):
            highest = found.map.max()
            union[i] |= (highest > 0) & (found.map > 0.8 * highest)
            seen.append(union[i].mean())
    assert 0 < sum(seen[:6]) < sum(seen[6:]) < 6
    for i, region in enumerate(union):
        np.testing.assert_array_equal(np.load(out / f"maps/a/{i}.png.npy"), region.astype(np.uint8))
    # The command at the file's head measures the box of each union's largest part.
    command = ["evaluate", "--maps", out / "maps", "--threshold", "0:max", "--theta", "0", "--normalize", "none",
               "--dataset", "csv", "--root", tmp_path, "--split", "train", "--step", "0.1",
               "--out", tmp_path / "measured"]  # fmt: skip
    done = CliRunner().invoke(cli, list(map(str, command)))
    assert done.exit_code == 1, (done.output, done.exception)  # of the image that is none
    ious = []
    for region in union:
        y0, x0, y1, x1 = max(regionprops(label(region, connectivity=2)), key=lambda part: part.area).bbox
        common = max(min(y1, 20) - max(y0, 4), 0) * max(min(x1, 20) - max(x0, 4), 0)
        ious.append(common / ((y1 - y0) * (x1 - x0) + 16 * 16 - common))
    found = json.loads((tmp_path / "measured/metrics.json").read_text())["mean_iou"]
    assert found["value"] == pytest.approx(np.mean(ious))
    assert found["n"] == 6


def test_a_wrong_call_ends_before_anything_is_trained(example, tmp_path, monkeypatch):
    make_place(tmp_path)
    with pytest.raises(CamkitError, match="theta is -1"):
        call(example, monkeypatch, tmp_path, "--share", 2)
    with pytest.raises(CamkitError, match="--rounds 0: give 1 or more"):
        call(example, monkeypatch, tmp_path, "--rounds", 0)
    (tmp_path / "train.toml").write_text("epoch = 3")
    with pytest.raises(CamkitError, match="'epoch' is no setting"):
        call(example, monkeypatch, tmp_path)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    with pytest.raises(CamkitError, match="is there already: name a new folder"):
        call(example, monkeypatch, tmp_path)
