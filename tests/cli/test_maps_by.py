"""Class maps by a function from a file, through every command that takes a map source."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli
from camkit.errors import CamkitError

FILE = """
import torch
from camkit.models import TinyResNet
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
def by_hand(network):
    held = []
    def maps(images, classes):
        handle = network.pool.register_forward_pre_hook(lambda module, args: held.append(args[0]))
        network(images)
        handle.remove()
        return torch.einsum("nkc,nchw->nkhw", network.fc.weight[classes], held.pop())
    return maps
def broken(network):
    return lambda images, classes: images
"""
SHAPES = ["--dataset", "shapes", "--root", "n=12,classes=3", "--split", "test"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("maps-by")
    (place / "net.py").write_text(FILE)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 60, 80, 3), np.uint8)
    (place / "photos").mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(place / f"photos/{i}.png")
    return place


def run(place, command, name, *options):
    call = [*command.split(), "--model", f"{place}/net.py:build", "--out", str(place / name), *options]
    return CliRunner().invoke(cli, call)


def test_localize_gives_the_heads_own_boxes(place):
    by = ["--maps-by", f"{place}/net.py:by_hand"]
    for name, options in (("head", ["--no-nwc"]), ("own", by)):
        done = run(place, "localize", name, "--images", str(place / "photos"), "--no-overlays", *options)
        assert done.exit_code == 0, done.output
    columns = ["image", "label", "x0", "y0", "x1", "y1"]
    head, own = (pd.read_csv(place / name / "boxes.csv") for name in ("head", "own"))
    pd.testing.assert_frame_equal(head[columns], own[columns])
    record = json.loads((place / "own/run.json").read_text())
    settings = record["settings"]
    assert settings["maps_by"] == settings["head"]["kind"] == by[1]
    assert record["completeness"] is None


@pytest.mark.parametrize(("command", "more", "file"), [
    ("evaluate", ["--step", "0.1"], "metrics.json"),
    ("ablate", ["--step", "0.1"], "ablation.csv"),
    ("calibrate", ["--step", "0.1", "--test-split", "val"], "settings.json"),
    ("analyze zipf sweep", [], "sweep.csv"),
])  # fmt: skip
def test_the_commands_that_take_a_map_source(place, command, more, file):
    name = command.replace(" ", "-")
    done = run(place, command, name, *SHAPES, *more, "--maps-by", f"{place}/net.py:by_hand")
    assert done.exit_code == 0, done.output
    held = (place / name / file).read_text()
    assert "positive" not in held
    if command == "ablate":
        assert pd.read_csv(place / name / file)["recipe"].tolist() == ["cam", "pas"]


@pytest.mark.parametrize(("command", "more", "said"), [
    ("analyze channels", SHAPES, "features are asked for"),
    ("analyze ioa", SHAPES, "features are asked for"),
    ("localize", ["--images", "{place}/photos", "--nwc"], "no class weights to weigh"),
    ("localize", ["--images", "{place}/photos", "--head", "features=a,classifier=b"], "leave out --head"),
])  # fmt: skip
def test_what_needs_a_head_says_so(place, command, more, said):
    options = [option.format(place=place) for option in more]
    done = run(place, command, "refused", *options, "--maps-by", f"{place}/net.py:by_hand")
    message = str(done.exception) if isinstance(done.exception, CamkitError) else done.output
    assert done.exit_code
    assert said in message
    assert not (place / "refused").exists()


def test_a_broken_function_is_named(place):
    done = run(place, "localize", "broken", "--images", str(place / "photos"), "--maps-by", f"{place}/net.py:broken")
    assert "net.py:broken are (2, 3, 64, 64): give a tensor (N, K, h, w)" in str(done.exception)


def test_what_there_is_is_listed(place):
    done = run(place, "localize", "listed", "--images", str(place / "photos"), "--maps-by", "list")
    assert "torchcam:NAME" in done.output
    assert "path/to/file.py:name; torchcam: alone lists what a library has" in done.output


def test_an_extractor_of_another_library(place):
    """Its boxes are the head's where its maps are; layer and version are of the run, and --resume holds it to them."""
    pytest.importorskip("torchcam", reason="needs torchcam: pip install 'camkit[peers]'")
    photos = ["--images", str(place / "photos"), "--no-overlays"]
    for name, options in (("signed", ["--no-nwc"]), ("peer", ["--maps-by", "torchcam:CAM"])):
        done = run(place, "localize", name, *photos, *options)
        assert done.exit_code == 0, done.output
    columns = ["image", "label", "x0", "y0", "x1", "y1"]
    head, peer = (pd.read_csv(place / name / "boxes.csv") for name in ("signed", "peer"))
    pd.testing.assert_frame_equal(head[columns], peer[columns])
    assert re.search(r"CAM, at \S+ \(\d+x\d+ positions\), the feature map of the network's head", done.output)
    kept = json.loads((place / "peer/run.json").read_text())["settings"]["head"]
    assert kept["library"].startswith("torchcam 0.")
    assert kept["layer_by"] == "the feature map of the network's head"
    again = run(place, "localize", "peer", *photos, "--maps-by", "torchcam:CAM@features.4", "--resume")
    assert "maps_by" in str(again.exception) or "layer" in str(again.exception)
    for command, file in (("evaluate", "metrics.json"), ("analyze zipf", "zipf.csv")):
        name = f"peer-{command[:4]}"
        done = run(place, command, name, *SHAPES, "--maps-by", "torchcam:GradCAM")
        assert done.exit_code == 0, done.output
        assert (place / name / file).exists()
        assert "maps by torchcam" in done.output
