"""The demo's boxes against a person's, drawn by hand before the embedded classifier was trained."""

import csv

import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.ops import box_iou

from camkit.cli import cli
from camkit.data import find_images
from camkit.localizer import Localizer

CAT = [(0, 0, 410, 300)]
CUP = [(174, 20, 408, 330), (78, 20, 482, 390)]  # without and with its saucer


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    done = CliRunner().invoke(cli, ["demo", "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


def best_iou(row, boxes):
    found = torch.tensor([[float(row[key]) for key in ("x0", "y0", "x1", "y1")]])
    return float(box_iou(found, torch.tensor(boxes, dtype=torch.float)).max())


def test_a_person_agrees_on_the_cat_and_on_the_cup(demo):
    rows = {row["image"]: row for row in csv.DictReader((demo / "boxes.csv").open())}
    assert set(rows) == {"chelsea.png", "coffee.png", "rocket.png", "camera.png"}
    assert rows["chelsea.png"]["name"] in {"tabby", "Egyptian cat"}
    assert rows["coffee.png"]["name"] == "espresso"
    assert best_iou(rows["chelsea.png"], CAT) >= 0.5
    assert best_iou(rows["coffee.png"], CUP) >= 0.5


def test_there_is_a_picture_for_each(demo):
    for name in ("chelsea", "coffee", "rocket", "camera"):
        with Image.open(demo / "photographs" / f"{name}.png") as photograph:
            assert Image.open(demo / "overlays" / f"{name}.png.png").size == photograph.size


def test_again_wants_overwrite(demo):
    again = CliRunner().invoke(cli, ["demo", "--out", str(demo)])
    assert again.exit_code != 0
    assert CliRunner().invoke(cli, ["demo", "--out", str(demo), "--overwrite"]).exit_code == 0


def test_the_same_boxes_for_any_batch_size_and_workers(demo):
    files = find_images(demo / "photographs")

    def boxes(**options):
        return [[(f.label, f.box) for f in found] for found in Localizer("tiny", **options).stream(files)]

    expected = boxes(batch_size=1)
    assert boxes(batch_size=7) == boxes(batch_size=32, workers=2) == expected
