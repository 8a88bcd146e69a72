"""Figures by size and class, pointing games, ranked boxes and figures of old, on maps whose figures are known."""

import csv
import json
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from squares import MODEL, draw, write_table

from camkit.boxes import RegionChoice, boxes_of_regions, largest_region, ranked_regions
from camkit.boxes.geometry import box_of
from camkit.cli import cli
from camkit.data import Preprocess, Record, load_image, read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import PROTOCOLS, Further, ImagePrediction, insertion_deletion, require_network
from camkit.evaluation.center_crop import center_cropped, in_image
from camkit.evaluation.image_evaluation import ImageEvaluator, RegionsEvaluation
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.metrics import MaxBoxAccV3, PxAP
from camkit.models import Classifier, TinyResNet
from camkit.recipe import Recipe

HEIGHT, WIDTH = 48, 64
# True boxes, and what the map has: places and values. Sizes: two small, two medium, three large.
IMAGES = [
    ([(0, 0, 8, 8)], [((0, 0, 8, 8), 1.0)]),
    ([(0, 0, 8, 8)], [((50, 30, 58, 38), 1.0)]),
    ([(10, 10, 34, 34)], [((10, 10, 34, 34), 1.0)]),
    ([(0, 0, 24, 24)], [((0, 0, 24, 24), 0.8), ((30, 0, 64, 48), 1.0)]),  # right in the second rank
    ([(4, 4, 48, 44)], [((4, 4, 48, 44), 1.0)]),
    ([(4, 4, 48, 44)], [((4, 4, 26, 44), 1.0)]),  # IoU 0.5
    ([(0, 0, 8, 8), (20, 10, 60, 46)], [((0, 0, 8, 8), 1.0)]),  # meets the smaller one
]
LABELS = (0, 0, 1, 1, 1, 1, 1)


def score_map(parts):
    drawn = np.zeros((HEIGHT, WIDTH), np.float32)
    for (x0, y0, x1, y1), value in parts:
        drawn[y0:y1, x0:x1] = value
    return drawn


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One call with everything: what it said, and its folder."""
    place = tmp_path_factory.mktemp("further")
    (place / "images").mkdir()
    (place / "maps").mkdir()
    with (place / "val.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        for i, (boxes, parts) in enumerate(IMAGES):
            table.writerows([f"{i}.png", LABELS[i], *box] for box in boxes)
            Image.new("RGB", (WIDTH, HEIGHT)).save(place / f"images/{i}.png")
            np.save(place / f"maps/{i}.npy", score_map(parts))
    call = ["evaluate", "--maps", str(place / "maps"), "--dataset", "csv", "--root", str(place), "--out",
            str(place / "out"), "--step", "0.05", "--by-size", "--by-class", "--pointing-game", "--tolerance", "4",
            "--max-box-acc-v3", "--ranked-boxes", "2", "--macro", "--strict", "--regions", "all"]  # fmt: skip
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output, place / "out"


def test_the_figures_by_hand(measured):
    said, out = measured
    held = json.loads((out / "metrics.json").read_text())
    values = {name: one["value"] for name, one in held.items() if "value" in one}
    sevenths = {"gt_loc": 5, "gt_loc_strict": 4, "gt_loc_2_boxes": 6, "pointing_game": 5, "pointing_game_4px": 5}
    assert {name: values[name] for name in sevenths} == pytest.approx(
        {name: 100 * right / 7 for name, right in sevenths.items()}
    )
    energy = 0.8 * 24 * 24 / (0.8 * 24 * 24 + 34 * 48)
    assert values["energy_pointing_game"] == pytest.approx((5 + energy) / 7)
    assert values["gt_loc_macro"] == pytest.approx((50 + 80) / 2)
    assert values["gt_loc_strict_macro"] == pytest.approx((50 + 60) / 2)
    assert held["gt_loc_strict"]["threshold_split"] == "fixed beforehand"
    assert held["max_box_acc_v3"]["threshold_split"] == "boxes of the reported split"
    assert held["pointing_game"]["threshold_split"] == "no threshold"
    assert all(one["low"] <= one["value"] <= one["high"] and one["n"] == 7 for one in held.values() if "value" in one)
    v3 = MaxBoxAccV3(0.05)
    v3.update([torch.from_numpy(score_map(parts)) for _, parts in IMAGES], [boxes for boxes, _ in IMAGES],
              [(HEIGHT, WIDTH)] * 7)  # fmt: skip
    for name, value in v3.compute().items():
        assert values["max_box_acc_v3" + ("" if name == "recall" else f"_{name}")] == value.item()
    assert "..._strict: IoU above 0.5" in said
    assert "..._macro: mean over classes" in said


def test_the_tables_by_size_and_class(measured):
    said, out = measured
    sizes = pd.read_csv(out / "by_size.csv").set_index(["figure", "size"])["value"]
    assert sizes["gt_loc"].to_dict() == pytest.approx({"small": 50, "medium": 50, "large": 100, "mean": 200 / 3})
    assert sizes["pointing_game"].to_dict() == pytest.approx({"small": 50, "medium": 50, "large": 100, "mean": 200 / 3})
    assert sizes["gt_loc_2_boxes"]["medium"] == 100
    whole = json.loads((out / "metrics.json").read_text())["max_box_acc_v2"]["value"]
    numbers = pd.read_csv(out / "by_size.csv").set_index(["figure", "size"])["n"]["max_box_acc_v2"]
    parts = sizes["max_box_acc_v2"]
    assert sum(parts[s] * numbers[s] for s in ("small", "medium", "large")) / 7 == pytest.approx(whole)
    classes = pd.read_csv(out / "by_class.csv").set_index(["figure", "class"])
    assert classes.loc["gt_loc"]["value"].to_dict() == pytest.approx({0: 50, 1: 80})
    assert classes.loc["gt_loc"]["n"].to_dict() == {0: 2, 1: 5}
    assert set(classes.loc["max_box_acc"]["threshold"]) == {"boxes of the reported split"}
    assert Image.open(out / "by_class.png").size[0] > 300
    assert "by size" in said
    assert "GT-known Loc, best: 1 80.00" in said


def test_the_regions_by_hand(measured):
    """Six of eight true boxes are found by eight regions; the second of an image with one true box is too many."""
    _, out = measured
    held = json.loads((out / "metrics.json").read_text())
    assert {name: held[f"regions_{name}"]["value"] for name in ("recall", "precision", "f1")} == {
        "recall": 75, "precision": 75, "f1": 75}  # fmt: skip
    assert held["regions_f1"]["threshold_split"] == "fixed beforehand"
    table = pd.read_csv(out / "per_image.csv")
    assert table["regions"].tolist() == [1, 1, 1, 2, 1, 1, 1]
    assert table["regions_found"].tolist() == [1, 0, 1, 1, 1, 1, 1]
    assert table["true_boxes"].tolist() == [1, 1, 1, 1, 1, 1, 2]
    sizes = pd.read_csv(out / "by_size.csv").set_index(["figure", "size"])["value"]
    assert sizes["regions_recall"].to_dict() == pytest.approx({"small": 50, "medium": 100, "large": 75})
    assert sizes["regions_precision"].to_dict() == pytest.approx({"small": 50, "medium": 200 / 3, "large": 100})


def test_the_truths_share_is_the_largest_boxs(measured):
    table = pd.read_csv(measured[1] / "per_image.csv")
    assert table["truth_share"][6] == pytest.approx(40 * 36 / (HEIGHT * WIDTH))
    assert table["gt_loc"][6]
    assert table["pointing_distance"].tolist()[:3] == pytest.approx(
        [0, math.hypot(50 - 7 + 3.5, 30 - 7 + 3.5), 0], abs=1
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tolerance", "3"], "without --pointing-game: give that"),
        (["--ranked-boxes", "2", "--protocol", "wsol"], "leave out --protocol wsol"),
        (["--center-crop"], "--fit crop"),
        (["--min-area", "0.1"], "give --regions all"),
        (["--regions", "all", "--protocol", "wsol"], "leave out --protocol wsol"),
        (["--maps", "DIR", "--insertion-deletion", "5"], "leave out --insertion-deletion"),
    ],
)
def test_wrong_calls(tmp_path, options, said):
    options = [str(tmp_path) if one == "DIR" else one for one in options]
    call = [
        "evaluate",
        *(["--model", "tiny"] if "--maps" not in options else []),
        "--dataset",
        "shapes",
        "--root",
        "n=4",
    ]
    done = CliRunner().invoke(cli, [*call, "--out", str(tmp_path / "out"), *options])
    assert said in done.output
    assert done.exit_code == 2
    with pytest.raises(CamkitError, match="--maps has none"):
        require_network(None)
    for wrong in (Further(ranked_boxes=2), Further(center_crop=True)):
        with pytest.raises(CamkitError):
            wrong.check("wsol", "crop")


def test_ranked_boxes_begin_with_the_largest_regions():
    draw = np.random.default_rng(0)
    for _ in range(20):
        mask = draw.random((9, 11)) < 0.3
        boxes = np.array(boxes_of_regions(ranked_regions(mask)), np.int64).reshape(-1, 4)
        assert boxes[:1].tolist() == ([box_of(largest_region(mask)).tolist()] if mask.any() else [])
        left, sizes = mask.copy(), []
        for box in boxes:  # largest of what is left, again and again
            region = largest_region(left)
            assert box.tolist() == box_of(region).tolist()
            sizes.append(region.sum())
            left &= ~region
        assert not left.any()
        assert sizes == sorted(sizes, reverse=True)


def prediction(boxes, window, size=(64, 128), read_mask=None):
    record = Record("a.png", bytes, 0, np.array(boxes, float).reshape(-1, 4), size, read_mask)
    return ImagePrediction(record, size, window, {"signed": torch.ones(4, 4)}, 0, None)


def test_the_centre_crop_is_all_there_is():
    mask = np.zeros((64, 128), bool)
    mask[20:50, 20:60] = True
    seen = prediction([[20, 20, 60, 50]], (32.0, 0.0, 96.0, 64.0), read_mask=lambda: (mask, ~mask))
    cropped = center_cropped(seen, (128, 128))  # two pixels of the crop for one of the image
    assert cropped.record.boxes.tolist() == [[0, 40, 56, 100]]
    assert (cropped.size, cropped.window) == ((128, 128), None)
    shown, _ = cropped.record.read_mask()
    assert box_of(shown).tolist() == [0, 40, 56, 100]
    assert in_image((0, 40, 56, 100), seen, (128, 128)) == (32, 20, 60, 50)
    assert in_image((0, 0, 0, 0), seen, (128, 128)) == (0, 0, 0, 0)
    outside = center_cropped(prediction([[0, 0, 20, 20]], (32.0, 0.0, 96.0, 64.0)), (64, 64))
    assert outside.record.boxes.tolist() == [[0, 0, 0, 0]]
    whole = center_cropped(prediction([[0, 0, 128, 64]], None), (64, 64))
    assert whole.record.boxes.tolist() == [[0, 0, 64, 64]]


def test_a_padded_crop_shows_background_beyond_the_image():
    mask = np.ones((10, 10), bool)
    padded = prediction([[0, 0, 10, 10]], (-5.0, -5.0, 15.0, 15.0), (10, 10), lambda: (mask, ~mask))
    shown, ignored = center_cropped(padded, (20, 20)).record.read_mask()
    assert box_of(shown).tolist() == [5, 5, 15, 15]
    assert not ignored.any()


def test_a_run_on_the_centre_crop_is_labelled_and_its_boxes_are_the_images(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    boxes = {"seen.png": (20, 20, 60, 50), "unseen.png": (0, 20, 25, 50)}
    for name, box in boxes.items():
        draw(tmp_path / name, box, 0, (64, 128))
    write_table(tmp_path / "val.csv", "label", [[name, 0, *box] for name, box in boxes.items()])
    call = ["evaluate", "--model", f"{tmp_path}/net.py:build", "--dataset", "csv", "--root", str(tmp_path), "--step",
            "0.1", "--fit", "crop", "--out"]  # fmt: skip
    done = CliRunner().invoke(cli, [*call, str(tmp_path / "crop"), "--center-crop", "--insertion-deletion", "4"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "all figures are of the centre crop alone" in done.output
    held = json.loads((tmp_path / "crop/metrics.json").read_text())
    assert "centre crop" in held["notes"][0]
    assert held["gt_loc"]["value"] == 50  # the second object lies outside
    assert held["deletion"]["value"] < held["insertion"]["value"]
    rows = pd.read_csv(tmp_path / "crop/per_image.csv")
    # Resized to 73, cropped to 64: the crop shows 36 to 92 of the image.
    assert rows[["x0", "y0", "x1", "y1"]].iloc[0].tolist() == [36, 20, 60, 50]
    assert rows["iou"].tolist() == pytest.approx([1, 0], abs=0.1)
    whole = CliRunner().invoke(cli, [*call, str(tmp_path / "whole")])
    assert whole.exit_code == 0
    assert pd.read_csv(tmp_path / "whole/per_image.csv")["iou"][0] == pytest.approx(24 / 40, abs=0.05)


def test_insertion_and_deletion_equal_a_loop_over_steps():
    torch.manual_seed(0)
    spec, net = InputSpec((32, 32), 32, (0.5,) * 3, (0.25,) * 3), TinyResNet(3, (8, 16), 1).eval()
    inference = Inference(Classifier(net, "net", spec, None, "random"), "cpu", "fp32")
    dataset, steps = read_dataset("shapes", "n=3,classes=3", "val"), 5
    figures, failures = insertion_deletion(inference, dataset, ["signed", "positive"], steps, batch_size=2)
    assert failures == []
    areas = []
    for record in dataset.records:
        pixels, _ = load_image(record.read(), name=record.image)
        image, _ = Preprocess(spec)(pixels)
        maps = inference.source.predict(image[None]).class_maps(record.label, "positive").maps[0, 0]
        score = torch.nn.functional.interpolate(maps[None, None], (32, 32), mode="bilinear")[0, 0].flatten()
        order = sorted(range(1024), key=lambda i: (-score[i].item(), i))
        chances = []
        for step in range(steps + 1):
            changed = image.clone().reshape(3, -1)
            changed[:, order[: round(step * 1024 / steps)]] = 0
            with torch.no_grad():
                chances.append(net(changed.reshape(1, 3, 32, 32)).softmax(1)[0, record.label].item())
        areas.append(sum((a + b) / 2 / steps for a, b in pairwise(chances)))
    assert figures["positive"]["deletion"].value == pytest.approx(np.mean(areas), abs=1e-5)
    assert figures["positive"]["deletion"].n == 3
    assert set(figures) == {"signed", "positive"}


@pytest.mark.parametrize(
    ("choice", "ignored", "regions", "iou"),
    [
        (RegionChoice(None), False, 2, 600 / 1216),  # half of the mask, and sixteen pixels elsewhere
        (RegionChoice(None), True, 2, 0.5),
        (RegionChoice(1), False, 1, 0.5),
        (RegionChoice(None, 0.01), False, 1, 0.5),
    ],
)
def test_regions_against_a_mask(choice, ignored, regions, iou):
    mask, ignore = np.zeros((64, 128), bool), np.zeros((64, 128), bool)
    mask[20:50, 20:60], ignore[:4, 100:104] = True, ignored
    class_map = torch.zeros(64, 128)
    class_map[20:50, 20:40], class_map[:4, 100:104] = 1, 0.9
    seen = replace(prediction([], None, read_mask=lambda: (mask, ignore)), maps={"signed": class_map})
    evaluate = ImageEvaluator(PROTOCOLS["paper"], {"a": Recipe.named("cam")}, False, {"pxap": PxAP(0.5)},
                              further=Further(regions=choice))  # fmt: skip
    assert evaluate(seen).regions == {"a": RegionsEvaluation(regions, iou=pytest.approx(iou))}
