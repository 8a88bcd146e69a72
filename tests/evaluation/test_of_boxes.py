"""`camkit evaluate --boxes`: against the figures of the very boxes, a slow count, and every mistake a file can hold."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from squares import MODEL, draw, random_boxes, write_table

from camkit.cli import cli
from camkit.data import AnnotatedSet, Record
from camkit.data.found_boxes import FoundBox, FoundBoxes
from camkit.data.found_files import read_found_boxes
from camkit.errors import CamkitError
from camkit.evaluation import evaluate_boxes
from camkit.evaluation.found_images import images_meant

FIGURES = ("top1_cls", "gt_loc", "top1_loc", "top2_loc", "mean_iou", "coverage_predicted", "coverage_truth")


@pytest.fixture
def place(tmp_path):
    """Twelve squares, red and blue, in images that are no squares; some true boxes and classes are wrong."""
    (tmp_path / "net.py").write_text(MODEL)
    table = []
    for i, (x0, y0, x1, y1) in enumerate(random_boxes(12)):
        draw(tmp_path / f"images/a/{i}.png", (x0, y0, x1, y1), i % 2, (64, 80))
        box = (x0, y0, x1 + 3, y1) if i < 8 else (60, 50, 80, 64)
        table.append([f"a/{i}.png", ["red", "blue"][i % 2 if i < 10 else 1 - i % 2], *box])
    write_table(tmp_path / "val.csv", "name", table)
    return tmp_path


def call(*arguments, expect=0):
    done = CliRunner().invoke(cli, [str(one) for one in arguments])
    assert done.exit_code == expect, (done.output, done.exception)
    return done.output


def measure(place, *options, expect=0):
    out = call("evaluate", "--dataset", "csv", "--root", place, "--out", place / "out", "--overwrite", *options,
               expect=expect)  # fmt: skip
    return json.loads((place / "out/metrics.json").read_text()), out


def localize(place, *options):
    call("localize", "--model", f"{place}/net.py:build", "--images", place / "images", "--out", place / "found",
         "--no-overlays", "--fit", "stretch", "--formats", "csv,coco,coco-results", *options)  # fmt: skip
    return place / "found"


def test_boxes_that_localize_wrote_have_the_figures_that_evaluate_gives_the_network(place):
    found = localize(place, "--topk", "2")
    wanted, _ = measure(place, "--model", f"{place}/net.py:build", "--step", "0.1")
    assert wanted["gt_loc"]["value"] == pytest.approx(100 * 8 / 12)
    for name, more in (("boxes.csv", []), ("coco.json", ["--box-of", "own-or-miss"])):  # COCO has no empty boxes
        figures, out = measure(place, "--boxes", found / name, *more)
        for figure in [one for one in FIGURES if one != "top2_loc" or name == "boxes.csv"]:
            assert figures[figure]["value"] == pytest.approx(wanted[figure]["value"], abs=1e-12), (name, figure)
            assert figures[figure]["n"] == 12
            assert (figures[figure]["low"], figures[figure]["high"]) == pytest.approx(
                (wanted[figure]["low"], wanted[figure]["high"])
            )
        assert figures["gt_loc"]["threshold_split"] == "no threshold"
        assert "max_box_acc" not in figures
        assert any("MaxBoxAcc" in note for note in figures["notes"])
        assert re.search("2 images have .* count as misses", out)  # their own class is not there: no region, no box


def test_of_the_predicted_class_alone_gt_known_loc_is_not_told(place):
    """Two images are of another class than predicted: where theirs is nobody has asked."""
    found = localize(place)
    figures, out = measure(place, "--boxes", found / "boxes.csv")
    assert "gt_loc" not in figures
    assert "mean_iou" not in figures
    assert "2 images have boxes of other classes alone: it is left out" in out
    assert figures["top1_loc"]["value"] == pytest.approx(100 * 8 / 12)
    assert "gt_loc" not in pd.read_csv(place / "out/per_image.csv")
    missed, out = measure(place, "--boxes", found / "boxes.csv", "--box-of", "own-or-miss")
    assert missed["gt_loc"]["value"] == pytest.approx(100 * 8 / 12)
    assert pd.read_csv(place / "out/misses.csv")["image"].tolist() == ["a/10.png", "a/11.png"]
    taken, _ = measure(place, "--boxes", found / "boxes.csv", "--box-of", "any")
    assert taken["gt_loc"]["value"] == pytest.approx(100 * 8 / 12)
    assert "top1_cls" not in taken
    network = f"{place}/net.py:build"
    figures, _ = measure(place, "--boxes", found / "boxes.csv", "--classifier", network)
    assert "gt_loc" not in figures
    assert "top1_loc" not in figures
    assert figures["top1_cls"]["n"] == 12
    figures, _ = measure(place, "--boxes", found / "boxes.csv", "--box-of", "any", "--classifier", network)
    assert figures["top1_loc"]["value"] == pytest.approx(100 * 8 / 12)


def psol(place, images=range(12), wide=80, high=64):
    """The true boxes in shares, as PSOL writes them, of some images."""
    truth = pd.read_csv(place / "val.csv").iloc[list(images)]
    return {
        f"/data/images/{row.image}": [row.x0 / wide, row.y0 / high, (row.x1 - row.x0) / wide, (row.y1 - row.y0) / high]
        for row in truth.itertuples()
    }


@pytest.mark.parametrize("kind", ["json", "csv", "pixels"])
def test_psols_shares_and_the_classes_of_another(place, kind):
    boxes, path = psol(place), place / f"psol.{kind}"
    if kind == "json":
        path.write_text(json.dumps(boxes))
    else:
        scale = (80, 64, 80, 64) if kind == "pixels" else (1, 1, 1, 1)
        rows = [[name, *(a * b for a, b in zip(box, scale, strict=True))] for name, box in boxes.items()]
        pd.DataFrame(rows, columns=["image", "x", "y", "w", "h"]).to_csv(path, index=False)
    figures, _ = measure(place, "--boxes", path, "--classifier", f"{place}/net.py:build", "--strict", "--macro")
    assert figures["gt_loc"]["value"] == 100
    assert figures["mean_iou"]["value"] == pytest.approx(1)
    assert figures["top1_cls"]["value"] == figures["top1_loc"]["value"] == pytest.approx(100 * 10 / 12)
    assert figures["gt_loc_strict"]["value"] == figures["gt_loc_macro"]["value"] == 100
    alone, _ = measure(place, "--boxes", path)
    assert alone["gt_loc"]["value"] == 100
    assert "top1_cls" not in alone


def test_images_without_a_row_are_misses_and_named_and_broken_rows_are_failures(place):
    path = place / "some.json"
    boxes = psol(place, images=[0, 1, 2, 3, 4, 5])
    path.write_text(json.dumps(boxes))
    figures, out = measure(place, "--boxes", path, "--by-size", "--by-class")
    assert figures["gt_loc"]["value"] == 50
    assert figures["gt_loc"]["n"] == 12
    assert "6 images have no box" in out
    assert "'a/6.png'" in out
    misses = pd.read_csv(place / "out/misses.csv")
    assert misses["image"].tolist() == [f"a/{i}.png" for i in range(6, 12)]
    assert misses["reason"].str.startswith("not listed").all()
    by_class = pd.read_csv(place / "out/by_class.csv").set_index("figure").loc["gt_loc"]
    assert by_class["value"].tolist() == [50, 50]
    first = next(iter(boxes))
    path.write_text(json.dumps({**boxes, first: [0, 0, "wide", 1]}))
    figures, _ = measure(place, "--boxes", path, expect=1)
    assert figures["gt_loc"]["n"] == 11
    assert "wide" in (place / "out/failures.csv").read_text()


def test_ranked_boxes_and_a_detectors_list_of_results_of_a_coco_data_set(tmp_path):
    """Ids alone: names of images and classes are the data set's."""
    Image.new("RGB", (40, 30)).save(tmp_path / "one.png")
    Image.new("RGB", (40, 30)).save(tmp_path / "two.png")
    truth = {
        "images": [{"id": 7, "file_name": "one.png"}, {"id": 9, "file_name": "two.png"}],
        "categories": [{"id": 3, "name": "cat"}, {"id": 5, "name": "dog"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 5, "bbox": [0, 0, 10, 10]},
                        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [20, 10, 10, 10]}],
    }  # fmt: skip
    (tmp_path / "val.json").write_text(json.dumps(truth))
    results = [
        {"image_id": 7, "category_id": 5, "bbox": [0, 0, 10, 9], "score": 0.4},
        {"image_id": 7, "category_id": 5, "bbox": [30, 20, 5, 5], "score": 0.6},
        {"image_id": 7, "category_id": 3, "bbox": [30, 20, 5, 5], "score": 0.9},
        {"image_id": 9, "category_id": 3, "bbox": [20, 10, 10, 10], "score": 0.2},
    ]
    (tmp_path / "results.json").write_text(json.dumps(results))
    call("evaluate", "--boxes", tmp_path / "results.json", "--dataset", "coco", "--root", tmp_path, "--ranked-boxes",
         "2", "--out", tmp_path / "out")  # fmt: skip
    figures = json.loads((tmp_path / "out/metrics.json").read_text())
    found = {name: figures[name]["value"] for name in ("gt_loc", "gt_loc_2_boxes", "top1_cls", "top1_loc", "top2_cls")}
    assert found == {"gt_loc": 50, "gt_loc_2_boxes": 100, "top1_cls": 50, "top1_loc": 50, "top2_cls": 100}
    assert pd.read_csv(tmp_path / "out/per_image.csv")["score"].tolist() == [0.6, 0.2]


corner = st.integers(0, 12)
box = st.tuples(corner, corner, st.integers(1, 8), st.integers(1, 8))
box = box.map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
image = st.tuples(st.integers(0, 3), st.lists(box, min_size=1, max_size=2),
                  st.lists(st.tuples(st.integers(0, 3), box, st.integers(0, 99)), max_size=6,
                           unique_by=lambda one: one[2]))  # fmt: skip


def slow_iou(one, other):
    cells = [{(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])} for b in (one, other)]
    return len(cells[0] & cells[1]) / len(cells[0] | cells[1])


@settings(max_examples=20, deadline=None)
@given(st.lists(image, min_size=1, max_size=4))
def test_against_a_slow_count_of_pixels(images):
    records = [Record(f"{i}.png", bytes, label, np.array(truth, float), (20, 20))
               for i, (label, truth, _) in enumerate(images)]  # fmt: skip
    dataset = AnnotatedSet("drawn", "val", records, ("a", "b", "c", "d"), [])
    found = FoundBoxes(Path("boxes.csv"))
    for i, (_, _, boxes) in enumerate(images):
        found.add(f"{i}.png")
        for kind, corners, score in boxes:
            found.add(f"{i}.png", FoundBox(corners, "abcd"[kind], score))
    used = {label for label, _, _ in images}
    if found.kinds and not {"abcd"[label] for label in used} & found.kinds:
        with pytest.raises(CamkitError, match="none of its"):
            evaluate_boxes(found.ranked(), dataset, box_of="own-or-miss")
        return
    of = evaluate_boxes(found.ranked(), dataset, box_of="own-or-miss").evaluation
    gt, top1, cls = 0, 0, 0
    for label, truth, boxes in images:
        ranked = sorted(boxes, key=lambda one: -one[2])
        own = [corners for kind, corners, _ in ranked if kind == label]
        right = bool(own) and max(slow_iou(own[0], one) for one in truth) >= 0.5
        gt, cls = gt + right, cls + bool(ranked and ranked[0][0] == label)
        top1 += bool(right and ranked[0][0] == label)
    figures = of.localization["boxes"]
    assert figures["gt_loc"].value == pytest.approx(100 * gt / len(images))
    if found.kinds:  # else there are no boxes at all, nor classes
        assert figures["top1_loc"].value == pytest.approx(100 * top1 / len(images))
        assert of.classification["top1_cls"].value == pytest.approx(100 * cls / len(images))


def test_names_of_images():
    images = ["a/1.png", "b/1.png", "c/d/2.png"]
    meant = images_meant(["a/1.png", "1.png", "2.png", "/data/x/b/1.png", "3.png"], images)
    assert meant == {"a/1.png": "a/1.png", "2.png": "c/d/2.png", "/data/x/b/1.png": "b/1.png"}
    with pytest.raises(CamkitError, match="both would be"):
        images_meant(["2.png", "d/2.png"], images)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "are wanted"),
        ("image,x0,y0\na/0.png,1,2\n", "are wanted"),
        ("image,x0,y0,x1,y1\nz.png,0,0,2,2\n", "none of its 1 images"),
        ("image,x0,y0,x1,y1,name\na/0.png,0,0,2,2,green\n", "none of its 1 classes"),
        ("image,x0,y0,x1,y1,label\na/0.png,0,0,2,2,1\n", "none of its 1 classes"),
        ("image,x0,y0,x1,y1,score\na/0.png,0,0,2,2,.5\na/0.png,0,0,2,2,\n", "1 of 2 boxes have no score"),
        ("[]", "has ids of images and no names"),
        ("{", "no JSON, or cut off"),
        ('{"images": [], "annotations": []}', "lists no image"),
        ('{"a": 1}', "neither COCO's JSON"),
        ('{"images": [{"id": 1, "file_name": "a/0.png"}], "annotations": [{"image_id": 2}]}', "image 2 is none"),
        (
            '{"images": [{"id": 1, "file_name": "a/0.png"}], "annotations": [{"image_id": 1, "category_id": 1},'
            '{"image_id": 1, "category_id": 2}]}',
            "no list 'categories'",
        ),
        ('{"images": [{"id": 1, "file_name": "a/0.png"}, {"id": 1, "file_name": "b"}], "annotations": []}', "same id"),
    ],
)
def test_what_a_file_can_hold_instead(place, content, said):
    (place / "boxes.csv").write_text(content)
    arguments = ["evaluate", "--boxes", place / "boxes.csv", "--dataset", "csv", "--root", place, "--out", place / "o"]
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    assert isinstance(done.exception, CamkitError), (done.output, done.exception)
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
    assert str(place / "boxes.csv") in str(done.exception)


@pytest.mark.parametrize(
    "row", ["a/0.png,5,5,5,9", "a/0.png,nan,5,6,9", "a/0.png,0,0,448,448", "a/0.png,1,2,3", "a/0.png,-9,0,5,5"]
)
def test_a_broken_row_is_its_images_failure(place, row):
    (place / "boxes.csv").write_text(f"image,x0,y0,x1,y1\na/1.png,0,0,20,20\n{row}\n")
    figures, _ = measure(place, "--boxes", place / "boxes.csv", expect=1)
    assert figures["gt_loc"]["n"] == 11
    assert pd.read_csv(place / "out/failures.csv")["image"].tolist() == ["a/0.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "tiny"], "leave out --model"),
        (["--maps", "."], "leave out --maps"),
        (["--pas"], "leave out --pas"),
        (["--protocol", "wsol"], "leave out --protocol"),
        (["--pointing-game", "--max-box-acc-v3"], "leave out --pointing-game, --max-box-acc-v3"),
        (["--fit", "crop"], "leave out --fit"),
    ],
)
def test_options_of_maps_are_refused(place, options, said):
    (place / "boxes.csv").write_text("image,x0,y0,x1,y1\na/1.png,0,0,20,20\n")
    out = call("evaluate", "--boxes", place / "boxes.csv", "--dataset", "csv", "--root", place, *options, expect=2)
    assert said in re.sub(r"\s+", " ", out.replace("│", ""))


def test_ranks_come_before_scores_and_empty_boxes_are_misses(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("image,rank,score,x0,y0,x1,y1\nb.png,2,.9,0,0,1,1\nb.png,1,.1,0,0,2,2\nc.png,1,.5,0,0,0,0\n")
    found = read_found_boxes(path)
    assert [one.corners for one in found.boxes["b.png"]] == [(0, 0, 2, 2), (0, 0, 1, 1)]
    records = [Record(name, bytes, 0, np.array([[0.0, 0, 2, 2]]), (4, 4)) for name in ("b.png", "c.png", "d.png")]
    of = evaluate_boxes(found, AnnotatedSet("drawn", "val", records, ("a",), []))
    assert of.evaluation.localization["boxes"]["gt_loc"].value == pytest.approx(100 / 3)
    assert of.misses["reason"].tolist() == [f"its box in {path} is empty", f"not listed in {path}"]
