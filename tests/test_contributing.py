"""The examples of CONTRIBUTING.md, run as they stand there: each in a file, through the option that the page names."""

import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from skimage import data
from skimage.io import imsave

from camkit import CAM, Localizer, load_classifier
from camkit.cam import FunctionMaps
from camkit.cli import cli
from camkit.data import Preprocess

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
TEXT = PAGE.read_text("utf-8")
EXAMPLES = dict(re.findall(r"^<!-- (.*?) -->\n```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("contributing")
    for name, code in EXAMPLES.items():
        (place / f"{name.replace(' ', '_')}.py").write_text(code)
    imsave(place / "cat.png", data.chelsea(), check_contrast=False)
    return place


def run(*words):
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output


def boxes(place, *options):
    name = options[0].strip("-") if options else "plain"
    call = ["localize", "--model", "tiny", "--images", place / "cat.png", "--no-overlays", "--save-maps", "--out"]
    run(*call, place / name, *options)
    return pd.read_csv(place / name / "boxes.csv").iloc[0]


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_short(name):
    assert len(EXAMPLES[name].splitlines()) <= 25


def test_every_door_has_an_example_and_its_places_exist():
    assert list(EXAMPLES) == ["weighting", "threshold", "map source", "training method", "dataset format"]
    rows = re.findall(r"^\| an? (.*?) \| `(.*?)` \| (.*?) \|", TEXT, re.MULTILINE)
    assert [name for name, *_ in rows] == list(EXAMPLES)
    for _, folder, copied in rows:
        assert (PAGE.parent / folder).exists()
        for file in re.findall(r"`(\w+\.py)`", copied):
            assert (PAGE.parent / folder / file).exists()


def test_a_weighting(place):
    """The map of `contribution` adds up to sum_c w_c (mean F_c)^2."""
    row = boxes(place, "--weighting", f"{place}/weighting.py:contribution")
    assert row["x1"] > row["x0"]
    classifier = load_classifier("tiny")
    pixels, _ = Preprocess(classifier.input, "stretch")(torch.from_numpy(data.chelsea()).permute(2, 0, 1))
    features = CAM(classifier.model, classifier.input.size).features(pixels[None])
    maps = features.class_maps(int(row["label"]), f"{place}/weighting.py:contribution").maps
    weight = classifier.model.fc.weight[int(row["label"])]
    torch.testing.assert_close(maps.mean(), (weight * features.pooled[0] ** 2).sum().detach())


def test_a_threshold(place):
    row = boxes(place, "--threshold", f"{place}/threshold.py:mean_of_map")
    (found,) = Localizer("tiny", device="cpu")(data.chelsea())
    assert row["tau"] == pytest.approx(found.map.mean(), rel=1e-3)


def test_a_map_source(place):
    """It is the size of the input, and for a network that is linear in its input it adds up to the logit."""
    row = boxes(place, "--maps-by", f"{place}/map_source.py:gradient_times_input")
    assert row["x1"] > row["x0"]
    names = {}
    exec(EXAMPLES["map source"], names)
    linear = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 1, bias=False), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
    )
    source = FunctionMaps(linear.eval(), names["gradient_times_input"], "own", (16, 24))
    assert source.map_size == (16, 24)
    out = source.predict(torch.rand(2, 3, 16, 24)).class_maps("all")
    torch.testing.assert_close(out.maps.sum((-2, -1)), out.logits)


def test_a_training_method(place):
    call = ["train", "--dataset", "shapes", "--root", "n=24,size=32,classes=3", "--backbone", "vgg-small", "--weights",
            "none", "--size", "24", "--resize", "28", "--epochs", "1", "--batch-size", "8", "--out", place / "trained",
            "--method", f"{place}/training_method.py:Dimmed", "--method-option", "least=0.25"]  # fmt: skip
    run(*call)
    assert (place / "trained/last.safetensors").exists()
    assert len(pd.read_csv(place / "trained/log.csv")) == 1


def test_a_dataset_format(place):
    names = {}
    exec(EXAMPLES["dataset format"], names)
    (place / "val.txt").write_text("cat.png 7 10 20 300 280\ndog.png 7\n")
    found = names["read_pears"](place, "val")
    assert [(r.image, r.label, r.boxes.tolist()) for r in found.records] == [("cat.png", 7, [[10, 20, 300, 280]])]
    assert len(found.problems) == 1
