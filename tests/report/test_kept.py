"""Pages of runs that keep less: an analysis' images, a calibration, a rule of a user's file; the score of evaluate."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from report_runs import MODEL, call, draw

from camkit import Localizer
from camkit.errors import CamkitError
from camkit.recipe import OWN_RULES, Recipe
from camkit.report.kept import images_of, recipe_of

IMAGES = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    root, rng = tmp_path_factory.mktemp("kept"), np.random.default_rng(2)
    (root / "net.py").write_text(MODEL)
    (root / "own.py").write_text("def half(maps):\n    return maps.amax((-2, -1)) / 2\n")
    for split in ("val", "test"):
        with (root / f"{split}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
            for i in range(IMAGES):
                picture, box = draw(rng)
                picture.save(root / f"{split}{i}.png")
                table.writerow([f"{split}{i}.png", i % 2, *box])
    return root


@pytest.fixture(scope="module")
def run(place):
    """Calls a command on the drawn images; the rule of a file is forgotten again, as in a process of its own."""

    def run(command, *more):
        out = place / command
        model = ("--model", f"{place}/net.py:build", "--dataset", "csv", "--root", place)
        call(*command.split("-"), *model, *more, "--out", out)
        OWN_RULES.clear()
        return out

    return run


def data_of(place, run):
    """What the page's script reads, each image's details, and the page."""
    out = place / f"{run.name}.html"
    call("report", run, "--out", out)
    text = out.read_text()
    read = dict(re.findall(r'<script type="application/json" id="([\w-]+)">(.*?)</script>', text, re.DOTALL))
    return json.loads(read["data"]), json.loads(read["details-0"]), text


def test_a_rule_of_a_file_and_the_score(place, run):
    name = f"{place}/own.py:half"
    out = run("evaluate", "--threshold", name, "--save-maps", "--step", "0.1")
    data, details, text = data_of(place, out)
    (column,) = data["columns"]
    assert (column["map"], column["start"], name in column["recipe"]) == (0, None, True)
    assert "is a function in a file, which no page runs" in text
    assert all(len(one["maps"]) == 1 for one in details)  # and so there are sliders
    table = pd.read_csv(out / "per_image.csv")
    for item, row in zip(data["items"], table.itertuples(), strict=True):
        assert item["boxes"]["0"] == [row.x0, row.y0, row.x1, row.y1]
        assert item["scores"]["0"] == row.score
    paths = [place / image for image in table["image"]]
    found = Localizer(f"{place}/net.py:build", fit="stretch", device="cpu")(paths, labels=table["label"].tolist())
    assert table["score"].tolist() == pytest.approx([one.score for one in found], abs=1e-5)


def test_the_images_of_analyses(place, run):
    out = run("analyze-ioa-zipf-channels")
    data, _, text = data_of(place, out)
    assert [column["boxes"] for column in data["columns"]] == [False]
    assert [item["name"] for item in data["items"]] == [f"val{i}.png" for i in range(IMAGES)]
    assert all(item["truth"] and item["picture"] and not item["boxes"] for item in data["items"])
    assert {item["class"] for item in data["items"]} == {"class 0", "class 1"}
    figures = dict(data["items"][3]["figures"]["0"])
    ioa = pd.read_csv(out / "ioa.csv")
    row = ioa[(ioa["image"] == "val3.png") & (ioa["part"] == "positive")].iloc[0]
    assert figures[f"ioa ioa positive {row.rule}"] == row.ioa
    zipf = pd.read_csv(out / "zipf.csv").iloc[0]
    of_zipf = next(item for item in data["items"] if item["name"] == zipf["image"])
    assert dict(of_zipf["figures"]["0"])["zipf iou_max"] == zipf["iou_max"]
    assert not any(name.startswith("channels") for name in figures)
    assert "keep no boxes of single images" not in text


def test_a_calibration_says_what_brings_pictures(place, run):
    out = run("calibrate", "--split", "val", "--test-split", "test", "--thresholds", "pas")
    call("report", out, "--out", place / "page.html")
    text = (place / "page.html").read_text()
    assert f"camkit evaluate --settings {out / 'settings.json'} --save-maps brings them" in text


def test_what_recipe_of_lets_pass():
    notes = []
    held = Recipe.named("nwc").to_dict()
    assert (recipe_of(held, notes), notes) == (Recipe.named("nwc"), [])
    own = recipe_of({**held, "threshold": {"rule": "x.py:f"}}, notes)
    assert (own.weighting, str(own)) == ("positive", "positive weights, x.py:f, min-max")
    with pytest.raises(CamkitError, match="which is not run here"):
        own.threshold(np.zeros((1, 2, 2)))
    for broken in (None, {}, {"threshold": 3}, {**held, "weighting": "x.py:f"}):
        with pytest.raises(CamkitError):
            recipe_of(broken, notes)


def test_several_rows_of_an_image_are_told_apart():
    ioa = pd.DataFrame({"image": [*"aab"], "label": [0, 0, 1], "part": ["up", "down", "up"], "ioa": [1.0, 2.0, 3.0]})
    channels = pd.DataFrame({"channel": [0], "fires": [0.5]})
    together = images_of({"ioa": ioa, "channels": channels}).set_index("image")
    assert list(together.columns) == ["label", "ioa ioa up", "ioa ioa down"]
    assert together.loc["a"].tolist() == [0, 1, 2]
    assert together.loc["b", "ioa ioa up"] == 3
    assert np.isnan(together.loc["b", "ioa ioa down"])
    assert images_of({"channels": channels}) is None
