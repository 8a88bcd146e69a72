"""Thresholds chosen without a true box: which boxes stand in, what is chosen by them, and that figures say so."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from camkit.boxes import box_of
from camkit.cli import cli
from camkit.data import AnnotatedSet, MapFolder, Record
from camkit.errors import CamkitError
from camkit.evaluation import ImagePrediction
from camkit.evaluation.pseudo_boxes import (
    boxes_in,
    concentration,
    otsu_box,
    proposals,
    require_selective_search,
    with_pseudo_boxes,
)
from camkit.runs.settings import read_settings

MODEL = """
import torch
from camkit.models import TinyResNet
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
"""


def seen(score_map, size, window=None):
    return ImagePrediction(Record("a.png", bytes, 0), size, window, {"signed": torch.as_tensor(score_map)}, 0, None)


def test_otsus_box_is_that_of_the_bright_square():
    score_map = np.random.default_rng(0).random((48, 64)).astype(np.float32) * 0.1
    score_map[10:30, 20:50] += 1
    assert otsu_box(seen(score_map, (48, 64))).tolist() == [20, 10, 50, 30]
    # The same map of a part of a wider image.
    assert otsu_box(seen(score_map, (48, 100), (30.0, 0.0, 94.0, 48.0))).tolist() == [50, 10, 80, 30]
    with pytest.raises(CamkitError, match="constant"):
        otsu_box(seen(np.full((4, 4), 2.0, np.float32), (8, 8)))


def test_concentration_equals_sums_of_pixels():
    draw = np.random.default_rng(1)
    score_map = draw.normal(size=(9, 13))
    corners = np.sort(draw.integers(0, 10, (20, 2, 2)), axis=1) + [[[0, 0]], [[1, 0]]][:1]
    boxes = np.concatenate([corners[:, 0], corners[:, 1] + 1], 1).clip(0, [13, 9, 13, 9])
    positive = score_map.clip(0)
    for box, found in zip(boxes, concentration(score_map, boxes), strict=True):
        x0, y0, x1, y1 = box
        share = positive[y0:y1, x0:x1].sum() / positive.sum()
        assert found == pytest.approx(share - (x1 - x0) * (y1 - y0) / (9 * 13))
    assert concentration(np.full((4, 4), -1.0), boxes[:2].clip(0, 4)).tolist() == [0, 0]


def test_proposals_lie_in_the_image_and_in_an_order_of_their_own():
    def search(pixels):
        side = pixels.shape[0]
        return np.array([[side - 1, 0, side + 9, side], [0, 0, 10, 10], [5, 5, 5, 9], [0, 0, 10, 10]], float)

    pixels = np.zeros((600, 600, 3), np.uint8)
    assert proposals(search, pixels).tolist() == [[0, 0, 20, 20], [598, 0, 600, 600]]  # looked for at half the size


def test_a_file_of_boxes(tmp_path):
    path, names = tmp_path / "boxes.csv", ("a.png", "=b.png", "below/c.png")
    dataset = AnnotatedSet("csv", "val", [Record(name, bytes, 0, size=(20, 40)) for name in names], None, [])

    def found(text):
        path.write_text(text)
        return [getattr(boxes, "reason", None) or boxes.tolist() for boxes in boxes_in(path, dataset)]

    ranked = "image,rank,x0,y0,x1,y1\na.png,2,0,0,9,9\na.png,1,1,2,3,4\n./=b.png,1,0,0,0,0\nc.png,1,5,5,9,9\n"
    assert found(ranked) == [[[1, 2, 3, 4]], f"it has no box in {path}", [[5, 5, 9, 9]]]
    assert found("image,x0,y0,x1,y1\na.png,0,0,9,9\na.png,1,2,3,4\n")[0] == [[0, 0, 9, 9], [1, 2, 3, 4]]
    assert found("image,score,x0,y0,x1,y1\na.png,0.2,0,0,9,9\na.png,0.7,1,2,3,4\n")[0] == [[1, 2, 3, 4]]
    assert found('{"a.png": [0.25, 0.5, 0.5, 0.5]}')[0] == [[10, 10, 30, 20]]  # PSOL's, in shares
    for text, said in (
        ("image,x0,y0,x1,y1\na.png,0,0,9,nine\n", "line 2"),
        ("image,x0,y0,x1,y1\na.png,5,0,2,9\n", "line 2: the box from 5, 0 to 2, 9 has no inside"),
        ("image,x0,y0,x1\na.png,0,0,9\n", "y1"),
    ):
        with pytest.raises(CamkitError, match=said):
            found(text)


def test_images_without_a_pseudo_box_are_named(tmp_path):
    (tmp_path / "boxes.csv").write_text("image,x0,y0,x1,y1\na.png,0,0,9,9\nother.png,0,0,9,9\n")
    truth = np.array([[1.0, 1, 5, 5]])
    records = [Record(name, bytes, 0, truth) for name in ("a.png", "b.png")]
    dataset = AnnotatedSet("csv", "val", records, None, [])
    np.save(tmp_path / "a.npy", np.eye(4))
    source = MapFolder(tmp_path, records)
    judged, failures = with_pseudo_boxes(str(tmp_path / "boxes.csv"), source, dataset)
    assert [record.boxes.tolist() for record in judged.records] == [[[0, 0, 9, 9]]]
    assert [(failure.image, "no box in" in failure.reason) for failure in failures] == [("b.png", True)]
    (tmp_path / "boxes.csv").write_text("image,x0,y0,x1,y1\nother.png,0,0,9,9\n")
    with pytest.raises(CamkitError, match="no image of csv val has a pseudo box"):
        with_pseudo_boxes(str(tmp_path / "boxes.csv"), source, dataset)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def run(place, *options):
    call = ["calibrate", "--model", f"{place}/net.py:build", "--dataset", "shapes", "--root", "n=12,classes=3",
            "--split", "train", "--test-split", "val", "--step", "0.5", "--fit", "stretch"]  # fmt: skip
    return CliRunner().invoke(cli, [*call, "--out", str(place / "out"), *options])


def test_every_figure_says_which_supervision_chose_its_threshold(place):
    done = run(place, "--pseudo-boxes", "map-otsu")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "by pseudo boxes (map-otsu) of shapes train" in done.output
    assert "pseudo boxes of 12 of 12 images" in done.output
    held = json.loads((place / "out/calibration.json").read_text())
    splits = {split: held["splits"][split]["calibrated"]["gt_loc"]["threshold_split"] for split in ("train", "val")}
    assert splits == {"train": "pseudo boxes (map-otsu) of the reported split",
                      "val": "pseudo boxes (map-otsu) of shapes train"}  # fmt: skip
    assert held["pseudo_boxes"]["images"] == held["pseudo_boxes"]["gt_loc"]["n"] == 12
    settings = read_settings(place / "out/settings.json")
    assert settings.chosen_on == "pseudo boxes (map-otsu) of shapes train"
    # The boxes themselves are a file that chooses the same.
    (place / "out/pseudo_boxes.csv").rename(place / "found.csv")
    assert run(place, "--pseudo-boxes", str(place / "found.csv"), "--overwrite").exit_code == 0
    again = json.loads((place / "out/calibration.json").read_text())
    assert again["calibrated"] == held["calibrated"]
    assert not (place / "out/pseudo_boxes.csv").exists()
    # A file of before, which says nothing of pseudo boxes, was chosen by true ones.
    old = json.loads((place / "out/settings.json").read_text())
    assert old["supervision"] == f"pseudo boxes ({place / 'found.csv'})"
    del old["supervision"]
    (place / "old.json").write_text(json.dumps(old))
    assert read_settings(place / "old.json").chosen_on == "boxes of shapes train"


def test_the_choice_is_by_the_pseudo_boxes_alone(tmp_path):
    """Maps of two levels: true boxes are round the high one, pseudo boxes round both; each chooses its own theta."""
    rows, pseudo = [], []
    for split in ("val", "test"):
        for i in range(6):
            score_map = np.zeros((48, 64), np.float32)
            score_map[8:40, 8:56], score_map[16:26, 20 + i : 34 + i] = 0.45, 1
            (tmp_path / "maps").mkdir(exist_ok=True)
            np.save(tmp_path / f"maps/{split}{i}.npy", score_map)
            (tmp_path / "images").mkdir(exist_ok=True)
            Image.new("RGB", (64, 48)).save(tmp_path / f"images/{split}{i}.png")
            rows.append((split, f"{split}{i}.png", 0, *box_of(score_map > 0.5)))
            pseudo.append((f"{split}{i}.png", *box_of(score_map > 0.1)))
    columns = ["image", "label", "x0", "y0", "x1", "y1"]
    for split in ("val", "test"):
        own = [row[1:] for row in rows if row[0] == split]
        pd.DataFrame(own, columns=columns).to_csv(tmp_path / f"{split}.csv", index=False)
    pd.DataFrame(pseudo, columns=[columns[0], *columns[2:]]).to_csv(tmp_path / "pseudo.csv", index=False)
    call = ["calibrate", "--maps", str(tmp_path / "maps"), "--dataset", "csv", "--root", str(tmp_path), "--split",
            "val", "--test-split", "test", "--thresholds", "minmax", "--step", "0.5", "--overwrite", "--out",
            str(tmp_path / "out")]  # fmt: skip
    values = {}
    for name, options in {"true": [], "pseudo": ["--pseudo-boxes", str(tmp_path / "pseudo.csv")]}.items():
        done = CliRunner().invoke(cli, [*call, *options])
        assert done.exit_code == 0, (done.output, done.exception)
        held = json.loads((tmp_path / "out/calibration.json").read_text())
        values[name] = held["splits"]["test"]["calibrated"]["gt_loc"]["value"], held["calibrated"]["threshold"]["theta"]
    assert values["true"][0] == 100
    assert values["true"][1] >= 0.45
    assert values["pseudo"][0] == 0
    assert values["pseudo"][1] < 0.45


def test_wrong_calls(place, monkeypatch):
    done = run(place, "--pseudo-boxes", "nowhere.csv")
    assert "map-otsu, selective-search or a file" in str(done.exception)
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)  # as where it is not installed
    with pytest.raises(CamkitError, match=r"camkit\[selective-search\]"):
        require_selective_search()


def test_selective_search_finds_the_square(tmp_path):
    cv2 = pytest.importorskip("cv2")
    if not hasattr(cv2, "ximgproc"):
        pytest.skip("OpenCV is installed without its extra modules: camkit[selective-search] brings them")
    drawn = np.full((96, 128, 3), 40, np.uint8)
    drawn[30:70, 50:100] = (220, 30, 30)
    Image.fromarray(drawn).save(tmp_path / "a.png")
    score_map = np.zeros((6, 8), np.float32)
    score_map[2:4, 3:6] = 1
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps/a.npy", score_map)
    records = [Record("a.png", (tmp_path / "a.png").read_bytes, 0)]
    dataset = AnnotatedSet("csv", "val", records, None, [])
    found = [with_pseudo_boxes("selective-search", MapFolder(tmp_path / "maps", records), dataset)[0] for _ in range(2)]
    boxes = [one.records[0].boxes.tolist() for one in found]
    assert boxes[0] == boxes[1]
    assert np.abs(np.array(boxes[0][0]) - [50, 30, 100, 70]).max() <= 4
