"""Figures on drawn squares, whose boxes are known, and the mistakes a call can hold."""

import csv
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from squares import MODEL, draw, random_boxes, write_table

from camkit.cli import cli
from camkit.errors import CamkitError


@pytest.fixture
def place(tmp_path):
    """Twelve squares, red and blue; the last four have a wrong box, and two of these a wrong label besides."""
    (tmp_path / "net.py").write_text(MODEL)
    table = []
    for i, square in enumerate(random_boxes(12)):
        draw(tmp_path / f"{i}.png", square, i % 2)
        table.append([f"{i}.png", i % 2 if i < 10 else 1 - i % 2, *(square if i < 8 else (60, 60, 64, 64))])
    write_table(tmp_path / "val.csv", "label", table)
    return tmp_path


def run(place, command, *options, expect=0):
    arguments = [command, "--model", f"{place}/net.py:build", "--dataset", "csv", "--root", str(place), "--out"]
    done = CliRunner().invoke(cli, [*arguments, str(place / "out"), *options])
    assert done.exit_code == expect, done.output
    return done.output


def test_the_figures_of_drawn_squares(place):
    out = run(place, "evaluate", "--step", "0.01")
    metrics = json.loads((place / "out/metrics.json").read_text())
    assert metrics["top1_cls"]["value"] == pytest.approx(100 * 10 / 12)
    assert metrics["gt_loc"]["value"] == pytest.approx(100 * 8 / 12)
    assert metrics["top1_loc"]["value"] == pytest.approx(100 * 8 / 12)
    assert metrics["max_box_acc"]["value"] == pytest.approx(100 * 8 / 12)
    assert metrics["gt_loc"]["n"] == 12
    assert metrics["gt_loc"]["low"] <= metrics["gt_loc"]["value"] <= metrics["gt_loc"]["high"]
    assert metrics["gt_loc"]["threshold_split"] == "fixed beforehand"
    assert metrics["max_box_acc"]["threshold_split"] == "boxes of the reported split"
    assert "threshold: boxes of the reported split" in out
    table = pd.read_csv(place / "out/per_image.csv")
    assert table["gt_loc"].tolist() == [True] * 8 + [False] * 4
    assert (table["iou"][:8] == 1).all()
    assert Image.open(place / "out/curve.png").size[0] > 300
    assert list(pd.read_csv(place / "out/curve.csv")) == ["threshold", "iou_0.3", "iou_0.5", "iou_0.7", "recipe"]


def test_ablation_agrees_with_each_recipe_alone(place):
    out = run(place, "ablate", "--step", "0.01")
    table = pd.read_csv(place / "out/ablation.csv").set_index("recipe")
    assert list(table.index) == ["cam", "nwc", "pas", "nwc+pas"]
    assert out.count("\n| ") >= 4
    for name, switches in (("cam", ["--no-nwc", "--no-pas"]), ("nwc+pas", [])):
        run(place, "evaluate", "--step", "0.01", "--overwrite", *switches)
        alone = json.loads((place / "out/metrics.json").read_text())
        assert alone["gt_loc"]["value"] == table.loc[name, "gt_loc"]


def test_failures_are_counted(place):
    (place / "3.png").write_bytes(b"no picture")
    out = run(place, "evaluate", "--step", "0.1", expect=1)
    assert "12 images: 11 judged, 1 failed" in out
    assert "3.png" in (place / "out/failures.csv").read_text()
    done = CliRunner().invoke(
        cli, ["evaluate", "--model", "tiny", "--dataset", "csv", "--root", "/nowhere", "--out", "x"]
    )
    assert isinstance(done.exception, CamkitError)


def test_a_held_out_folder_is_refused(place):
    run(place, "evaluate", "--step", "0.5")
    done = CliRunner().invoke(cli, ["evaluate", "--model", f"{place}/net.py:build", "--dataset", "csv", "--root",
                                    str(place), "--out", str(place / "out")])  # fmt: skip
    assert isinstance(done.exception, CamkitError)
    assert "--overwrite" in str(done.exception)


def test_the_grid_of_two_models(place):
    """The second model sees the same maps: its recipes must equal the first's, and gain nothing."""
    out = run(place, "ablate", "--step", "0.1", "--tap", f"{place}/net.py:build")
    table = pd.read_csv(place / "out/ablation.csv").set_index("recipe")
    assert list(table.index) == ["cam", "nwc", "pas", "nwc+pas", "tap:cam", "tap:nwc", "tap:pas", "tap:nwc+pas"]
    for name in ("cam", "nwc", "pas", "nwc+pas"):
        assert table.loc[name, "gt_loc"] == table.loc[f"tap:{name}", "gt_loc"]
    assert table.loc["tap:cam", "gain"] == 0
    assert "| TAP + NWC + PaS |" in out


def test_intervals_do_not_depend_on_what_else_is_measured(place):
    run(place, "ablate", "--step", "0.1")
    table = pd.read_csv(place / "out/ablation.csv").set_index("recipe")
    run(place, "evaluate", "--step", "0.1", "--overwrite")
    alone = json.loads((place / "out/metrics.json").read_text())
    assert alone["gt_loc"]["low"] == table.loc["nwc+pas", "gt_loc_low"]


def test_a_limit_is_spread_over_the_listing(place):
    run(place, "evaluate", "--step", "0.5", "--limit", "5")
    assert pd.read_csv(place / "out/per_image.csv")["image"].tolist() == [f"{i}.png" for i in (0, 2, 4, 7, 9)]


def test_a_crop_is_measured_where_it_lies(tmp_path):
    """A model that sees the middle of wide images: maps cover the middle alone, and boxes are the images'."""
    (tmp_path / "net.py").write_text(MODEL)
    with (tmp_path / "val.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        image = np.zeros((64, 128, 3), np.uint8)
        image[20:50, 50:80, 0] = 255
        Image.fromarray(image).save(tmp_path / "a.png")
        table.writerow(["a.png", 0, 50, 20, 80, 50])
    run(tmp_path, "evaluate", "--step", "0.01", "--fit", "crop")
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["mean_iou"]["value"] == 1
    assert metrics["max_box_acc_v2"]["value"] == 100
