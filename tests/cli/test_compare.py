"""camkit compare: boxes of the page are those of localize, the truth is the data set's, whatever fails is named."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli

NET = """
import torch
from camkit.models import TinyResNet
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
"""
SHAPES = ["--dataset", "shapes", "--root", "n=12,classes=3", "--split", "test"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("compare")
    (place / "net.py").write_text(NET)
    (place / "photos").mkdir()
    for i, image in enumerate(np.random.default_rng(0).integers(0, 255, (3, 60, 80, 3), np.uint8)):
        Image.fromarray(image).save(place / f"photos/{i}.png")
    return place


def run(place, name, *options, command="compare", model=True):
    own = ["--model", f"{place}/net.py:build"] if model else []
    return CliRunner().invoke(cli, [command, *own, "--out", str(place / name), *options])


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_boxes_are_those_of_localize(place):
    photos = ["--images", str(place / "photos")]
    done = run(place, "page", *photos, "--recipes", "cam,nwc+pas,negative+ivr,signed+max")
    assert done.exit_code == 0, done.output
    files = {path.name for path in (place / "page").iterdir() if not path.name.startswith(".")}
    assert files == {"comparison.png", "comparison.pdf", "comparison.csv", "failures.csv", "run.json"}
    table = rows(place / "page/comparison.csv")
    assert [row["recipe"] for row in table[:4]] == ["cam", "nwc+pas", "negative+ivr", "signed+max"]
    assert {row["iou"] for row in table} == {""}
    for recipe, options in {"cam": ["--no-nwc", "--no-pas"], "signed+max": ["--no-nwc", "--threshold", "max"],
                            "negative+ivr": ["--weighting", "negative", "--threshold", "ivr"]}.items():  # fmt: skip
        assert run(place, recipe, *photos, *options, "--no-overlays", command="localize").exit_code == 0
        columns = ("image", "label", "x0", "y0", "x1", "y1")
        of = [[row[name] for name in columns] for row in table if row["recipe"] == recipe]
        assert of == [[row[name] for name in columns] for row in rows(place / recipe / "boxes.csv")]
    with Image.open(place / "page/comparison.png") as page:
        assert page.width > page.height


def test_annotated_images_and_several_models(place):
    models = ["--models", f"{place}/net.py:build, {place}/net.py:build", "--recipes", "cam,nwc"]
    done = run(place, "both", *models, *SHAPES, "--limit", "2", model=False)
    assert done.exit_code == 0, done.output
    assert "2 of " in done.output
    table = rows(place / "both/comparison.csv")
    assert len(table) == 2 * 2 * 2
    assert all(0 <= float(row["iou"]) <= 1 for row in table)
    assert json.loads((place / "both/run.json").read_text())["images"] == 2
    name = table[0]["image"]
    done = run(place, "one", *SHAPES, "--images", name, "--recipes", "cam")
    assert done.exit_code == 0, done.output
    assert [row["image"] for row in rows(place / "one/comparison.csv")] == [name]


def test_what_cannot_be_read_is_named_and_the_others_are_shown(place, tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes((place / f"photos/{i}.png").read_bytes() if i else b"no picture")
    done = run(place, "broken", "--images", str(tmp_path), "--recipes", "cam")
    assert done.exit_code == 1
    assert [row["image"] for row in rows(place / "broken/failures.csv")] == ["0.png"]
    assert [row["image"] for row in rows(place / "broken/comparison.csv")] == ["1.png", "2.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--recipes", "cam,best", "--images", "."], "recipe 'best' is unknown"),
        (["--recipes", ",", "--images", "."], "is no list of names"),
        (["--images", "nowhere"], "no such file or folder"),
        ([], "--images is missing"),
        ([*SHAPES, "--labels", __file__], "leave out --labels"),
        (["--dataset", "shapes"], "wants --root"),
        ([*SHAPES, "--images", "cat*"], "no image of shapes test is called so"),
        (["--models", "tiny", "--images", "."], "leave out --model"),
    ],
)
def test_a_wrong_call_ends_in_one_line(place, options, said):
    done = run(place, "wrong", *options)
    assert done.exit_code != 0
    assert said in str(done.exception) + done.output
    assert not (place / "wrong").exists()
