"""The page's content: what is escaped, what is said of what is missing, when it is written and when it is not."""

import base64
import csv
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_runs import IMAGES, NAMES, call

from camkit.boxes import THRESHOLDS
from camkit.data.names import written_path
from camkit.errors import CamkitError
from camkit.localizer import Localizer
from camkit.output.class_maps import ClassMapReader
from camkit.recipe import RECIPES, Recipe
from camkit.report.lookup import decode
from camkit.report.page import for_script, is_estimate
from camkit.report.runs import read_run
from camkit.report.tables import by_size, figures_of, pairs_of
from camkit.runs.report import run_report

LABEL = "warm</script><script>alert(1)</script>"


class Read(HTMLParser):
    """Elements, and the texts of script elements by id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self._inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id", "own") if tag == "script" else None

    def handle_endtag(self, tag):
        self._inside = None

    def handle_data(self, text):
        if self._inside is not None:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + text


@pytest.fixture(scope="module")
def read(page):
    return Read(page.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(read):
    return json.loads(read.scripts["data"])


def details(read):
    return [one for name, text in read.scripts.items() if name.startswith("details-") for one in json.loads(text)]


def test_hostile_names_are_text_and_nothing_else_runs(page, read, data):
    scripts = [attrs for tag, attrs in read.tags if tag == "script"]
    assert [attrs for attrs in scripts if attrs.get("type") not in ("application/json", "text/plain")] == [{}]
    assert not [attrs for _, attrs in read.tags if any(name.startswith("on") for name in attrs)]
    assert {written_path(name) for name in NAMES} <= {item["name"] for item in data["items"]}
    assert "49.png" not in page.read_text(encoding="utf-8")
    assert {item["class"] for item in data["items"] if item["name"].endswith("(2)")} & {"\\u003dcold<b>", LABEL}
    assert LABEL in {name for item in data["items"] for name in item["classes"].values()}


def test_the_policy_names_the_own_script_and_style_and_nothing_else(page, read):
    (policy,) = [attrs["content"] for tag, attrs in read.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    text = page.read_text(encoding="utf-8")
    for kind, body in (("style", text.split("<style>")[1].split("</style>")[0]), ("script", read.scripts["own"])):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    outside = re.findall(r"""(?:src|href|action)\s*=\s*["'](?!#|data:)""", text.replace(read.scripts["own"], ""))
    assert outside == []


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "a & b", "\u2028"])
def test_json_in_a_script_element(text):
    held = for_script(json.dumps([text]))
    assert not set("<>&\u2028") & set(held)
    assert json.loads(held) == [text]


def test_boxes_at_the_recipes_stops_are_those_of_the_tables(runs, read, data):
    """Paper, wsol and localize: the slider begins where the run cut, and finds its box."""
    checked = 0
    for item, more in zip(data["items"], details(read), strict=True):
        maps = {one["kind"]: decode(one) for one in more["maps"]}
        for number, column in enumerate(data["columns"]):
            box = item["boxes"].get(str(number))
            if box is None:
                continue
            held, start = maps[column["map"]], column["start"]
            lo, hi = (held.values[level] for level in data["rules"][start["rule"]]["pairs"][start["percentile"]])
            tau = lo + data["thetas"][start["theta"]] * (hi - lo)
            assert held.at(tau).tolist() == box
            checked += 1
    assert checked == 4 * IMAGES + IMAGES + 2 * IMAGES


def test_a_crop_is_cut_where_the_library_cuts_it(runs, place, tmp_path):
    call("report", runs.cropped, "--out", tmp_path / "page.html")
    read = Read((tmp_path / "page.html").read_text(encoding="utf-8"))
    data, more = json.loads(read.scripts["data"]), details(read)
    levels = {rule["name"]: rule for rule in data["rules"]}
    for name, theta, percentile in (("ivr", 0.2, 60.0), ("pas", 0.5, 85.0), ("minmax", 0.77, None)):
        threshold = THRESHOLDS[name](theta, percentile)
        localizer = Localizer(f"{place}/net.py:build", Recipe("positive", threshold), fit="crop", device="cpu")
        for item, one in zip(data["items"], more, strict=True):
            if item["failed"]:
                continue
            (found,) = localizer(place / item["name"].removeprefix("./"))
            held, rule = decode(one["maps"][0]), levels[name]
            stop = rule["percentiles"].index(percentile) if percentile else 0
            lo, hi = (held.values[level] for level in rule["pairs"][stop])
            assert held.at(lo + theta * (hi - lo)).tolist() == list(found.box)


def test_facts_of_the_tables_and_failures(runs, data):
    table = pd.read_csv(runs.ablated / "per_image.csv", keep_default_na=False)
    first = table[table["recipe"] == "cam"].reset_index(drop=True)
    shown = {item["name"]: item for item in data["items"]}
    for _, row in first.iterrows():
        item = shown[row["image"]]
        assert item["boxes"]["0"] == [row["x0"], row["y0"], row["x1"], row["y1"]]
        assert item["ious"]["0"] == pytest.approx(row["iou"], abs=1e-6)
        assert item["right"]["0"] == row["gt_loc"]
        assert len(item["truth"]) == 1
    assert shown["broken.png"]["boxes"] == {}
    assert len(shown["broken.png"]["failed"]) == 3
    assert {column["label"] for column in data["columns"]} == {
        "ablated: CAM", "ablated: NWC", "ablated: PaS", "ablated: NWC+PaS", "wsol", "found"
    }  # fmt: skip


def test_labels_are_the_models_numbers_and_names_the_data_sets(runs, tmp_path):
    call("report", runs.mapped, "--out", tmp_path / "page.html")
    data = json.loads(Read((tmp_path / "page.html").read_text(encoding="utf-8")).scripts["data"])
    table = read_run(runs.mapped).columns[0].table
    for item, (_, row) in zip(data["items"], table.iterrows(), strict=False):
        assert item["class"] == f"class {1 - row['label']}"
        assert item["predicted"] == f"class {1 - row['predicted']}"
        assert item["picture"]
        assert len(item["truth"]) == 1


def test_a_folder_of_maps_is_cut_as_the_run_cut_it(runs, place, tmp_path):
    saved, table = ClassMapReader(runs.ablated / "class_maps.npz"), read_run(runs.ablated).columns[0].table
    for one, image in zip(saved, table["image"], strict=True):
        path = tmp_path / "maps" / f"{image}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, one.maps["signed"].numpy())
    call("evaluate", "--maps", tmp_path / "maps", "--dataset", "csv", "--root", place, "--step", "0.05", "--no-pas",
         "--out", tmp_path / "out", expect=(1,))  # fmt: skip
    call("report", tmp_path / "out", "--out", tmp_path / "page.html")
    read = Read((tmp_path / "page.html").read_text(encoding="utf-8"))
    data = json.loads(read.scripts["data"])
    for item, more, (_, row) in zip(data["items"], details(read), table.iterrows(), strict=False):
        held = decode(more["maps"][0])
        assert held.at(0.2).tolist() == item["boxes"]["0"] == [row["x0"], row["y0"], row["x1"], row["y1"]]
        assert item["class"] in ("class 0", "class 1")


def test_saved_maps_are_those_of_the_run(runs, place):
    saved = ClassMapReader(runs.ablated / "class_maps.npz")
    table = read_run(runs.ablated).columns[3].table
    assert (len(saved), saved.weightings) == (IMAGES, ("signed", "positive"))
    for one, (_, row) in zip(saved, table.iterrows(), strict=True):
        box, _ = RECIPES["nwc+pas"].boxes(RECIPES["nwc+pas"].score_maps(one.maps["positive"][None], one.size))
        assert box[0].tolist() == [row["x0"], row["y0"], row["x1"], row["y1"]]
    with pytest.raises(IndexError):
        saved[IMAGES]


def test_what_is_missing_is_said_with_what_brings_it(runs, place, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(runs.plain, moved)
    record = json.loads((moved / "run.json").read_text())
    record["settings"]["root"] = str(tmp_path / "gone")
    (moved / "run.json").write_text(json.dumps(record))
    told = call("report", moved, "--out", tmp_path / "page.html")
    assert "evaluate --save-maps brings them" in told
    assert "report --root DIR says where it lies" in told
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "evaluate --save-maps brings them" in page
    assert "GT-known Loc" in page
    told = call("report", moved, "--out", tmp_path / "page.html", "--root", place, "--overwrite")
    assert "--root" not in told
    elsewhere = call("report", runs.found, "--images-root", tmp_path / "gone", "--out", tmp_path / "b.html")
    assert (
        f"the photographs are not in {tmp_path / 'gone'} any more: camkit report --images-root DIR says where"
        in elsewhere
    )


def test_a_folder_that_is_no_run_is_one_line(runs, tmp_path):
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    shutil.copytree(runs.plain, broken)
    (broken / "metrics.json").write_text("{")
    told = call("report", runs.plain, tmp_path / "empty", broken, "--out", tmp_path / "page.html", expect=(1,))
    assert f"{tmp_path / 'empty'}: holds no finished run" in told
    assert f"{broken / 'metrics.json'}: cannot be read as JSON" in told
    assert "holds no finished run" in (tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(CamkitError, match="holds no finished run"):
        run_report([tmp_path / "empty"], tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


@pytest.mark.parametrize("spoil", [b"", b"PK\x05\x06" + bytes(18), b"image,label\n"])
def test_a_broken_file_of_maps_is_one_line(runs, tmp_path, spoil):
    broken = tmp_path / "broken"
    shutil.copytree(runs.ablated, broken)
    (broken / "class_maps.npz").write_bytes(spoil)
    assert "cannot be read as camkit's class maps" in call("report", broken, "--out", tmp_path / "page.html")


def test_a_name_that_leads_out_of_the_folder_shows_no_picture(runs, place, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(runs.found, moved)
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    table = pd.read_csv(moved / "boxes.csv", keep_default_na=False)
    table.loc[0, "image"] = "../secret.png"
    table.to_csv(moved / "boxes.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    record = json.loads((moved / "run.json").read_text())
    record["images_root"] = str(moved)
    (moved / "run.json").write_text(json.dumps(record))
    call("report", moved, "--out", tmp_path / "page.html")
    data = json.loads(Read((tmp_path / "page.html").read_text(encoding="utf-8")).scripts["data"])
    assert [item["picture"] for item in data["items"] if item["name"] == "../secret.png"] == [False]


def test_an_earlier_page_gives_way_to_overwrite_and_other_files_to_nothing(runs, tmp_path):
    out = tmp_path / "page.html"
    call("report", runs.plain, "--out", out)
    before = out.read_bytes()
    with pytest.raises(CamkitError, match="give --overwrite or another --out"):
        run_report([runs.plain], out)
    assert out.read_bytes() == before
    run_report([runs.plain], out, overwrite=True)
    out.write_text("<p>mine</p>")
    with pytest.raises(CamkitError, match="camkit report did not write it"):
        run_report([runs.plain], out, overwrite=True)
    with pytest.raises(CamkitError, match=r"ends in \.html"):
        run_report([runs.plain], tmp_path / "page.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html"]


def test_pictures_beside_the_page(runs, tmp_path):
    out = tmp_path / "page.html"
    told = call("report", runs.plain, "--out", out, "--inline-limit", "0")
    assert "beside it in page_files/" in told
    pictures = sorted(path.name for path in (tmp_path / "page_files").glob("*.jpg"))
    assert pictures[:2] == ["000000.jpg", "000000s.jpg"]
    assert len(pictures) == 2 * IMAGES
    read = Read(out.read_text(encoding="utf-8"))
    assert read.scripts["folder"] == "page_files"
    assert not [name for name in read.scripts if name.startswith("picture-")]
    (tmp_path / "page_files" / "mine.txt").write_text("x")
    with pytest.raises(CamkitError, match="page_files is there, and camkit report did not write it"):
        run_report([runs.plain], out, overwrite=True)
    (tmp_path / "page_files" / "mine.txt").unlink()
    call("report", runs.plain, "--out", out, "--overwrite")
    assert not (tmp_path / "page_files").exists()


def test_the_default_page_is_one_of_the_runs_files(runs, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(runs.plain, out)
    call("report", out)
    assert "report.html" in json.loads((out / ".camkit-files.json").read_text())["camkit-files"]


def test_fewer_images_are_shown_and_figures_are_of_all(runs, tmp_path):
    told = call("report", runs.plain, "--out", tmp_path / "page.html", "--limit", "5", "--select", "worst")
    assert "5 of 15 images are shown, those with the lowest IoU" in told
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(Read(page).scripts["data"])
    ious = [item["ious"]["0"] for item in data["items"]]
    everything = sorted(pd.read_csv(runs.plain / "per_image.csv")["iou"])
    assert ious == pytest.approx(everything[:5], abs=1e-6)
    assert "5 of 15 images are shown; figures and tables are of all" in page


def test_groups_and_pairs_by_hand():
    table = pd.DataFrame({"image": list("abcd"), "gt_loc": [True, False, True, True], "iou": [0.6, 0.2, 0.9, 0.5],
                          "truth_share": [0.05, 0.3, 0.3, 0.7]})  # fmt: skip
    sizes = by_size(table)
    assert [(group.name, group.n, group.found.value) for group in sizes] == [
        ("small (under 9 %)", 1, 100.0), ("medium (9 % to 36 %)", 2, 50.0), ("large (36 % and more)", 1, 100.0)
    ]  # fmt: skip
    assert sizes[1].iou.value == pytest.approx(0.55)
    other = table.assign(gt_loc=[True, True, True, False])
    (pair,) = pairs_of([table, other.iloc[[3, 1, 0]]])
    assert (pair.gain.value, pair.gain.n, pair.better, pair.worse) == (0.0, 3, 1, 1)


def test_figures_in_their_units():
    held = {
        "mean_iou": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9},
        "gt_loc": {"value": 50, "low": 40, "high": 60, "n": 9},
    }
    first, second = figures_of(held)
    assert (first.title, first.shown(first.value), first.at(first.low)) == ("GT-known Loc", "50.0", 40.0)
    assert (second.title, second.shown(second.value), second.at(second.low)) == ("mean IoU", "0.500", 40.0)
    assert is_estimate({"value": 1, "low": None, "high": None, "n": 3})
    assert not is_estimate({"value": 1})


def test_the_same_page_twice(runs, tmp_path):
    for name in ("a.html", "b.html"):
        call("report", runs.ablated, "--out", tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
