"""A class's direction over a set of drawn squares, against a decomposition of all its features; the boxes of > 0."""

import csv
import json

import numpy as np
import pytest
from commands import run
from PIL import Image
from squares import draw, write_table

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


def found_in(place, *options):
    """The command's status, what it says, and its last line of trouble."""
    data = ("--dataset", "csv", "--root", place, "--split", "val", "--out", place / "out")
    return run("codetect", "--model", f"{place}/net.py:build", *data, *options)


def test_maps_of_each_class_are_its_first_direction(place):
    """The classes are none of the network's, and an unreadable image is a failure, not a part of the set."""
    (place / "4.png").write_bytes(b"no picture")
    dataset = read_dataset("csv", place, "val")
    found = list(codetect(Inference(load_classifier(f"{place}/net.py:build"), "cpu", "fp32"), dataset, batch_size=2))
    (failure,) = [one for one in found if isinstance(one, Failure)]
    assert failure.image == "4.png"
    maps = {one.record.image: one for one in found if not isinstance(one, Failure)}
    for names in (["0.png", "2.png"], ["1.png", "3.png", "5.png"]):
        pixels = np.stack([np.asarray(Image.open(place / name), np.float64) / 255 for name in names])
        rows = pixels.reshape(-1, 3)
        _, singular, directions = np.linalg.svd(rows - rows.mean(0))
        first = directions[0]
        expected = (pixels - rows.mean(0)) @ (first * np.sign(first.sum()))
        np.testing.assert_allclose(np.stack([maps[name].map.numpy() for name in names]), expected, atol=1e-6)
        for name in names:
            assert maps[name].share == pytest.approx(singular[0] ** 2 / (singular**2).sum())
            assert dataset.records[maps[name].index].image == name


def test_the_command_leaves_boxes_maps_and_what_others_need(place):
    """boxes.csv has the drawn boxes; `evaluate` says so of boxes and of maps, and the report reads the folder."""
    (place / "4.png").write_bytes(b"no picture")
    status, out, _ = found_in(place, "--formats", "csv,coco,jsonl")
    assert status == 1
    assert "6 images, 2 classes: 5 boxes, 1 failed" in out
    left = {path.relative_to(place / "out").as_posix() for path in (place / "out").rglob("*") if path.is_file()}
    assert left - {".camkit-files.json"} == {
        "boxes.csv", "coco.json", "boxes.jsonl", "directions.csv", "failures.csv", "run.json",
        *(f"maps/{i}.png.npy" for i in (0, 1, 2, 3, 5)),
    }  # fmt: skip
    truth = {row["image"]: row for row in csv.DictReader((place / "val.csv").open())}
    boxes = list(csv.DictReader((place / "out/boxes.csv").open()))
    assert [row["image"] for row in boxes] == ["0.png", "1.png", "2.png", "3.png", "5.png"]
    for row in boxes:
        assert {key: row[key] for key in truth[row["image"]]} == truth[row["image"]]
        assert (row["rank"], row["score"]) == ("1", "1.0")
    directions = list(csv.DictReader((place / "out/directions.csv").open()))
    assert [(row["name"], row["images"], row["share"]) for row in directions] == [("blue", "3", "1.0"),
                                                                                 ("red", "2", "1.0")]  # fmt: skip
    assert [row["image"] for row in csv.DictReader((place / "out/failures.csv").open())] == ["4.png"]
    data = ("--dataset", "csv", "--root", place)
    as_they_are = ("--threshold", "0:max", "--theta", "0", "--normalize", "none", "--step", "0.1")
    measured = (("boxes", "--boxes", place / "out/boxes.csv"), ("maps", "--maps", place / "out/maps", *as_they_are))
    for name, *source in measured:
        assert run("evaluate", *source, *data, "--out", place / name)[0] == 1
        figures = json.loads((place / name / "metrics.json").read_text())
        assert figures["gt_loc"]["value"] == 100
        assert figures["mean_iou"]["value"] == pytest.approx(1)
    status, said, _ = run("report", place / "out", "--out", place / "page.html")
    assert status == 0, said
    page = (place / "page.html").read_text()
    assert '<p class="kind">codetect</p>' in page
    assert "no maps" not in page
    assert "cannot" not in said


def test_an_image_of_two_classes_has_a_map_of_each(place):
    """Red and blue in one image: each of its rows and maps is of its own class, beside images of one."""
    both = np.zeros((32, 32, 3), np.uint8)
    both[3:9, 4:10, 0], both[20:30, 15:28, 2] = 255, 255
    Image.fromarray(both).save(place / "6.png")
    truth = [(i, i % 2, [0, 0, 5, 5]) for i in range(6)] + [(6, 0, [4, 3, 6, 6]), (6, 1, [15, 20, 13, 10])]
    listing = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 32} for i in range(7)],
        "annotations": [{"id": n, "image_id": i, "category_id": k, "bbox": box} for n, (i, k, box) in enumerate(truth)],
        "categories": [{"id": 0, "name": "red"}, {"id": 1, "name": "blue"}],
    }
    (place / "val.json").write_text(json.dumps(listing))
    status, out, _ = found_in(place, "--dataset", "coco", "--root", place / "val.json")
    assert (status, "7 images, 2 classes: 8 boxes, 0 failed" in out) == (0, True)
    assert sorted(path.name for path in (place / "out/maps").glob("6*")) == ["6.png.0.npy", "6.png.1.npy"]
    rows = [row for row in csv.DictReader((place / "out/boxes.csv").open()) if row["image"] == "6.png"]
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert {row["name"]: [int(row[key]) for key in ("x0", "y0", "x1", "y1")] for row in rows} == {
        "red": [4, 3, 10, 9], "blue": [15, 20, 28, 30]}  # fmt: skip
    status, said, _ = run("report", place / "out", "--out", place / "page.html")
    assert (status, "cannot" in said, "no map" in said) == (0, False, False)


def test_an_earlier_run_is_replaced_whole(place):
    """Its maps too, and nothing that is not camkit's."""
    assert found_in(place)[0] == 0
    status, _, said = found_in(place)
    assert (status, "already holds a run" in said) == (2, True)
    (place / "out/maps/mine.txt").write_text("not camkit's")
    table = (place / "val.csv").read_text().splitlines(keepends=True)
    (place / "val.csv").write_text("".join(table[:4]))
    assert found_in(place, "--overwrite")[0] == 0
    assert sorted(path.name for path in (place / "out/maps").iterdir()) == ["0.png.npy", "1.png.npy", "2.png.npy",
                                                                          "mine.txt"]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--class-names", "imagenet"], "leave out --class-names"),
        (["--views", "flip"], "leave out --views"),
        (["--demo"], "a network and images of its own"),
        (["--formats", "yolo"], "format 'yolo' is unknown"),
        (["--fit", "crop"], "No such option"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_wrong_call_ends_in_one_line(place, options, says):
    status, _, said = found_in(place, *options)
    assert status == 2
    assert says in said
    assert not (place / "out").exists()


def test_images_that_are_all_alike_have_no_direction(place):
    """Each of the class fails with the reason, and the other class is found."""
    for i in (0, 2, 4):
        Image.fromarray(np.full((32, 32, 3), 90, np.uint8)).save(place / f"{i}.png")
    status, out, _ = found_in(place)
    assert (status, "6 images, 1 class: 3 boxes, 3 failed" in out) == (1, True)
    reasons = {row["reason"] for row in csv.DictReader((place / "out/failures.csv").open())}
    assert len(reasons) == 1
    assert "there is no direction" in reasons.pop()


def test_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run("codetect", "--demo")
    assert status == 0
    assert "96 images, 4 classes: 96 boxes" in out
    assert len(list((tmp_path / "camkit-codetect/maps").rglob("*.npy"))) == 96
