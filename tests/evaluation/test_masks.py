"""Data sets with masks and no boxes, as OpenImages30K has them."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli
from camkit.data import AnnotatedSet, Record
from camkit.errors import CamkitError
from camkit.evaluation.measures import GroundTruth

N = 10
MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD = 64, (0.0,) * 3, (1.0,) * 3
def build(weight=((1.0, -0.7, -1.0), (-1.0, 0.0, 1.0))):
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, False))
    net[0].weight.data = torch.eye(3).reshape(3, 3, 1, 1)
    net[3].weight.data = torch.tensor(weight)
    return net
def faint():
    return build(((0.5, 0.4, -1.0), (-1.0, 0.4, 0.5)))
"""


@pytest.fixture
def place(tmp_path):
    """Red and blue squares, a green corner in each; the last has a wrong label. `test` has masks, `boxes` boxes."""
    (tmp_path / "net.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    localization = {"test": "", "boxes": ""}
    for i in range(N):
        x0, y0 = (int(corner) for corner in rng.integers(0, 30, 2))
        image, mask, ignore = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), bool), np.zeros((64, 64), bool)
        mask[y0 : y0 + 24, x0 : x0 + 30] = True
        ignore[:, 60:] = True
        image[mask, 2 * (i % 2)] = 200 + 5 * i
        image[y0 : y0 + 10, x0 : x0 + 10, 1] = 255
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"images/{i}.png")
        Image.fromarray(mask).save(tmp_path / f"images/{i}_mask.png")
        Image.fromarray(ignore).save(tmp_path / f"images/{i}_ignore.png")
        localization["test"] += f"{i}.png,{i}_mask.png,{i}_ignore.png\n"
        localization["boxes"] += f"{i}.png,{x0},{y0},{x0 + 29},{y0 + 23}\n"
    for split, lines in localization.items():
        (tmp_path / split).mkdir()
        (tmp_path / split / "image_ids.txt").write_text("".join(f"{i}.png\n" for i in range(N)))
        labels = [i % 2 for i in range(N - 1)] + [0]
        (tmp_path / split / "class_labels.txt").write_text("".join(f"{i}.png,{k}\n" for i, k in enumerate(labels)))
        (tmp_path / split / "localization.txt").write_text(lines)
    return tmp_path


def run(place, command, *options, split="test", expect=0):
    arguments = [command, "--dataset", "openimages", "--root", str(place), "--split", split, "--overwrite"]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(place / "out"), *options])
    assert done.exit_code == expect, (done.output, done.exception)
    return done


def by_hand(place, score_maps, thresholds):
    """Threshold by threshold, all pixels of all images at or above it counted anew; OpenCV resizes."""
    scores, foreground = [], []
    for i, score_map in score_maps.items():
        resized = cv2.resize(score_map, (224, 224), interpolation=cv2.INTER_CUBIC)
        mask, ignore = (
            cv2.resize(np.asarray(Image.open(place / f"images/{i}_{kind}.png")).astype(np.float32), (224, 224),
                       interpolation=cv2.INTER_NEAREST) > 0.5
            for kind in ("mask", "ignore")
        )  # fmt: skip
        counted = mask | ~ignore
        scores.append(((resized - resized.min()) / (resized.max() - resized.min()))[counted])
        foreground.append(mask[counted])
    score, object_ = np.concatenate(scores), np.concatenate(foreground)
    area, before = 0.0, None
    for t in sorted([*thresholds, 1.0, 2.0], reverse=True):
        right, found = int((object_ & (score >= t)).sum()), int((score >= t).sum())
        recall = right / int(object_.sum())
        if before is not None and found:
            area += right / found * (recall - before)
        before = recall
    return 100 * area


def test_a_models_pxap_and_classification(place):
    said = run(place, "evaluate", "--model", f"{place}/net.py:build", "--no-nwc", "--step", "0.05").output
    metrics = json.loads((place / "out/metrics.json").read_text())
    labels = [i % 2 for i in range(N - 1)] + [0]
    weights = np.array([[1.0, -0.7, -1.0], [-1.0, 0.0, 1.0]])
    images = [np.asarray(Image.open(place / f"images/{i}.png")) / 255 for i in range(N)]
    maps = {i: images[i] @ weights[label] for i, label in enumerate(labels)}
    assert metrics["pxap"]["value"] == pytest.approx(by_hand(place, maps, np.arange(0, 1, 0.05)), abs=0.02)
    assert metrics["pxap"]["low"] < metrics["pxap"]["value"] < metrics["pxap"]["high"]
    assert metrics["top1_cls"]["value"] == 100 * (N - 1) / N
    assert set(metrics) - {"classes"} == {"top1_cls", "top2_cls", "pxap", "mpxap", "peak_iou", "notes"}
    assert f"{N} images: {N} judged, 0 failed" in said
    assert "has masks and no boxes" in said
    assert "curve.png" not in said
    table = pd.read_csv(place / "out/per_image.csv")
    assert table["predicted"].tolist() == [i % 2 for i in range(N)]
    for i in (0, N - 1):
        others = {j: score_map for j, score_map in maps.items() if j != i}
        assert table["pxap_without"][i] == pytest.approx(by_hand(place, others, np.arange(0, 1, 0.05)), abs=0.02)


def test_what_an_earlier_run_left_goes(place):
    run(place, "evaluate", "--model", f"{place}/net.py:build", split="boxes")
    assert (place / "out/curve.png").exists()
    run(place, "evaluate", "--model", f"{place}/net.py:build")
    assert sorted(file.name for file in (place / "out").iterdir() if not file.name.startswith(".")) == [
        "failures.csv", "metrics.json", "per_image.csv", "run.json"
    ]  # fmt: skip


def test_maps_on_disk(place):
    (place / "maps").mkdir()
    for i in range(N):
        np.save(place / f"maps/{i}.npy", np.asarray(Image.open(place / f"images/{i}_mask.png")).astype(np.float32))
    masks = {i: np.load(place / f"maps/{i}.npy") for i in range(N)}
    for protocol in ("paper", "wsol"):
        run(place, "evaluate", "--maps", str(place / "maps"), "--protocol", protocol, "--step", "0.05")
        metrics = json.loads((place / "out/metrics.json").read_text())
        assert metrics["pxap"]["value"] == pytest.approx(by_hand(place, masks, np.arange(0, 1, 0.05)), abs=1e-3)
        assert metrics["pxap"]["value"] > 98
        assert set(metrics) == {"pxap", "mpxap", "peak_iou", "notes"}


def test_masks_that_cannot_be_read_are_their_images_problem(place):
    (place / "images/3_mask.png").write_bytes(b"no picture")
    said = run(place, "evaluate", "--model", f"{place}/net.py:build", expect=1).output
    assert f"{N} images: {N - 1} judged, 1 failed" in said
    assert "3_mask.png" in (place / "out/failures.csv").read_text()


def test_an_ablation_holds_weightings_and_models_against_each_other(place):
    said = run(place, "ablate", "--model", f"{place}/net.py:build", "--tap", f"{place}/net.py:faint").output
    table = pd.read_csv(place / "out/ablation.csv").set_index("recipe")
    assert len(table) == 8
    assert "gt_loc" not in table
    for one, same in (("cam", "pas"), ("nwc", "nwc+pas"), ("tap:cam", "tap:pas")):
        assert table.loc[one, "pxap"] == table.loc[same, "pxap"]
    assert np.isnan(table.loc["pas", "pxap_gain"])  # the same maps: nothing can differ
    for name in ("nwc", "tap:cam"):
        row = table.loc[name]
        assert row["pxap_gain"] == pytest.approx(row["pxap"] - table.loc["cam", "pxap"])
        assert row["pxap_gain_low"] < row["pxap_gain"] < row["pxap_gain_high"]
    assert "| recipe | PxAP | PxAP against the first |" in said
    assert "recipes that differ in it alone have the same PxAP" in said


@pytest.mark.parametrize(("split", "test_split"), [("test", "boxes"), ("boxes", "test")])
def test_settings_are_not_chosen_on_masks(place, split, test_split):
    done = run(
        place, "calibrate", "--model", f"{place}/net.py:build", "--test-split", test_split, split=split, expect=1
    )
    assert "openimages test has no box" in str(done.exception)
    assert "\n" not in str(done.exception)


def test_analyses_that_need_boxes_say_so(place):
    call = ["analyze", "sweep", "--model", f"{place}/net.py:build", "--dataset", "openimages", "--root", str(place)]
    done = CliRunner().invoke(cli, [*call, "--split", "test", "--out", str(place / "a")])
    assert "sweep needs ground-truth boxes" in str(done.exception)
    call[1] = "zipf"
    done = CliRunner().invoke(cli, [*call, "--split", "test", "--out", str(place / "a")])
    assert done.exit_code == 0, done.exception


def drawn(*kinds):
    def mask():
        return np.ones((2, 2), bool), np.zeros((2, 2), bool)

    records = [
        Record(f"{i}", bytes, 0, np.ones((int("b" in kind), 4)), (2, 2), mask if "m" in kind else None)
        for i, kind in enumerate(kinds)
    ]
    return AnnotatedSet("drawn", "val", records, None, [])


def test_what_a_data_set_is_held_against():
    assert (GroundTruth.of(drawn("b", "b")).boxes, GroundTruth.of(drawn("b", "b")).masks) == (True, False)
    assert (GroundTruth.of(drawn("bm", "m")).boxes, GroundTruth.of(drawn("bm", "m")).masks) == (True, True)
    assert (GroundTruth.of(drawn("m", "")).boxes, GroundTruth.of(drawn("m", "")).masks) == (False, True)
    assert GroundTruth.of(drawn("b", "bm")).masks is False
    assert "1 of drawn val have none" in GroundTruth.of(drawn("b", "bm")).notes()[0]
    assert GroundTruth.of(drawn("b")).notes() == GroundTruth.of(drawn("bm")).notes() == []
    with pytest.raises(CamkitError, match="drawn val has neither boxes nor masks"):
        GroundTruth.of(drawn("", ""))


def test_pixels_by_class_and_size_and_the_pointing_games_on_masks(place):
    done = run(place, "evaluate", "--model", f"{place}/net.py:build", "--step", "0.05", "--by-class", "--by-size",
               "--pointing-game")  # fmt: skip
    held = json.loads((place / "out/metrics.json").read_text())
    classes = pd.read_csv(place / "out/by_class.csv").set_index(["figure", "class"])["value"]
    assert held["mpxap"]["value"] == pytest.approx(classes["pxap"].mean())
    assert held["peak_iou"]["threshold_split"] == "masks of the reported split"
    assert 0 < held["peak_iou"]["value"] < 100
    assert held["pointing_game"]["n"] == N
    shares = pd.read_csv(place / "out/per_image.csv")["mask_share"]
    assert shares.iloc[0] == pytest.approx(24 * 30 / 64**2, abs=0.01)
    sizes = pd.read_csv(place / "out/by_size.csv").set_index(["figure", "size"])["n"]
    assert sizes["pxap"].to_dict() == {"medium": N}
    assert "peak_iou" in done.output
