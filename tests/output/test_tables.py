"""The tables: the same values in all formats, and digits that do not depend on the batch."""

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from camkit.data import read_dataset
from camkit.output import parquet as parquet_tables
from camkit.output.formats import BINARY, WRITERS
from camkit.output.parquet import write_parquet
from camkit.output.tables import COLUMNS, OF_TAU, coco_annotations, stable, stable_share

ROW = dict(zip(COLUMNS, ("=a.png", 60, 40, 1, 2, "+1\ud800", 0.5, 3, 4, 13, 24, -0.25), strict=True))
EMPTY = {**ROW, "image": "b\r\n.png", "x0": 0, "y0": 0, "x1": 0, "y1": 0}


def test_all_formats_hold_the_same(tmp_path):
    for name, (target, write) in WRITERS.items():
        text = {} if target.endswith(BINARY) else {"encoding": "utf-8", "newline": ""}
        with (tmp_path / target).open("w" if text else "wb", **text) as file:
            write(file, [ROW, EMPTY])
        assert name in target or name == "csv"
    table = pd.read_csv(tmp_path / "boxes.csv")
    lines = [json.loads(line) for line in (tmp_path / "boxes.jsonl").read_text(encoding="utf-8").splitlines()]
    assert table.to_dict("records") == lines
    assert pd.read_parquet(tmp_path / "boxes.parquet").to_dict("records") == lines
    assert (table["tau"] == -0.25).all()
    assert list(table["image"]) == ["./=a.png", r"b\r\n.png"]
    held = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    assert [image["file_name"] for image in held["images"]] == list(table["image"])
    assert held["categories"] == [{"id": 2, "name": r"\u002b1\ud800"}]
    (found,) = held["annotations"]
    assert (found["bbox"], found["area"], found["image_id"]) == ([3, 4, 10, 20], 200, 1)


def test_hostile_names_in_coco_come_back_and_those_of_others_are_left_alone(tmp_path):
    names = {"=a.png": "=SUM(A1)", "b\nc.png": r"a\nb", "e\udcff.png": " x\n", "f .png": r"\u0041"}
    rows = [{**ROW, "image": image, "label": label, "name": name} for label, (image, name) in enumerate(names.items())]
    for image in names:
        Image.new("RGB", (60, 40)).save(tmp_path / image)
    with (tmp_path / "coco.json").open("w") as file:
        WRITERS["coco"][1](file, rows)
    found = read_dataset("coco", tmp_path / "coco.json", "val")
    assert (list(found.class_names), found.problems) == (list(names.values()), [])
    assert {record.image: record.label for record in found.records} == {image: n for n, image in enumerate(names)}
    held = json.loads((tmp_path / "coco.json").read_text())
    del held["info"]
    (tmp_path / "coco.json").write_text(json.dumps(held))
    assert read_dataset("coco", tmp_path / "coco.json", "val").class_names[1] == r"a\\nb"


def test_parquet_has_types_row_groups_and_masks(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_tables, "CHUNK", 3)
    monkeypatch.setattr(parquet_tables, "CHUNKS", 2)
    mask = {"size": [40, 60], "counts": "abc"}
    rows = [{**ROW, "region": number, "segmentation": mask if number % 2 else None} for number in range(20)]
    with (tmp_path / "boxes.parquet").open("wb") as file:
        write_parquet(file, rows)
    held = parquet.ParquetFile(tmp_path / "boxes.parquet")
    assert [held.metadata.row_group(number).num_rows for number in range(held.num_row_groups)] == [6, 6, 6, 2]
    assert {name: str(held.schema_arrow.field(name).type) for name in ("image", "x0", "score", "region")} == {
        "image": "string", "x0": "int32", "score": "double", "region": "int32"}  # fmt: skip
    found = held.read().to_pylist()
    assert [row["region"] for row in found] == list(range(20))
    assert [row["segmentation"] for row in found] == [mask if number % 2 else None for number in range(20)]
    with (tmp_path / "none.parquet").open("wb") as file:
        write_parquet(file, [])
    assert parquet.read_table(tmp_path / "none.parquet").column_names == list(COLUMNS)


def test_coco_has_no_empty_boxes():
    assert list(coco_annotations([EMPTY])) == []


@pytest.mark.parametrize(
    ("share", "written"),
    [(0.35297, 0.353), (3.2749e-7, 3.27e-7), (0.98765432, 0.9877), (0.99985449, 0.999854), (1.0, 1.0), (0.0, 0.0)],
)
def test_digits_of_a_score_by_hand(share, written):
    assert stable_share(share) == written


@given(st.floats(0, 1))
def test_a_score_stays_near_itself(share):
    written = stable_share(share)
    assert 0 <= written <= 1
    assert abs(written - share) <= 0.006 * min(share, 1 - share) + 6e-7
    assert stable(stable(share, OF_TAU), OF_TAU) == stable(share, OF_TAU)


def test_coco_takes_the_bare_list_for_results(tmp_path):
    """COCO's own code loads it onto coco.json, and finds it equal to the truth made of the same boxes."""
    coco_api, evaluation = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    other = {**ROW, "image": "c.png", "label": 0, "name": "cat", "score": 0.25, "x0": 0, "y0": 0, "x1": 60, "y1": 40}
    for name in ("coco", "coco-results"):
        target, write = WRITERS[name]
        with (tmp_path / target).open("w", encoding="utf-8", newline="") as file:
            write(file, [ROW, EMPTY, other])
    held = json.loads((tmp_path / "coco-results.json").read_text())
    assert held == [
        {"image_id": 1, "category_id": 2, "bbox": [3, 4, 10, 20], "score": 0.5},
        {"image_id": 3, "category_id": 0, "bbox": [0, 0, 60, 40], "score": 0.25},
    ]
    truth = coco_api.COCO(str(tmp_path / "coco.json"))
    found = truth.loadRes(str(tmp_path / "coco-results.json"))
    assert [one["area"] for one in found.loadAnns(found.getAnnIds())] == [200, 2400]
    measured = evaluation.COCOeval(truth, found, "bbox")
    measured.evaluate()
    measured.accumulate()
    measured.summarize()
    assert measured.stats[0] == pytest.approx(1)
