"""camkit localize with several regions, masks and views: one row a region in every format, and masks that fit them."""

import json

import numpy as np
import pandas as pd
import pytest
from commands import call, make_place, rows, run
from PIL import Image

from camkit.boxes import box_of
from camkit.data import read_dataset
from camkit.data.formats.counts import decode_counts, encode_counts
from camkit.data.formats.rle import counts_of_mask, mask_from_counts

SEVERAL = ("--regions", "all", "--topk", "2", "--save-masks", "--formats", "csv,coco,coco-results,jsonl,yolo")
GOING_ON = ("--regions", "all", "--topk", "2", "--save-masks", "--formats", "csv,coco,jsonl", "--no-overlays")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return make_place(tmp_path_factory.mktemp("regions"))


@pytest.fixture(scope="module")
def found(place):
    status, out, error = call(place, *SEVERAL, "--min-area", "0.01")
    assert status == 0, error
    return out


def grey(place, row):
    name = row["image"].removeprefix("./")
    stem = name if name.endswith(".jpg") else name.removesuffix(".png")
    return np.array(Image.open(place / f"out/masks/{stem}.{row['rank']}.png"))


def test_a_row_a_region_ranked_in_every_format(place, found):
    table = pd.read_csv(place / "out/boxes.csv")
    assert str(place / "out/masks") in found
    assert len(table) > len(table[["image", "rank"]].drop_duplicates()) == 8
    for _, its in table.groupby(["image", "rank"]):
        assert its["region"].tolist() == list(range(1, len(its) + 1))
    lines = [json.loads(line) for line in (place / "out/boxes.jsonl").read_text().splitlines()]
    coco = json.loads((place / "out/coco.json").read_text())["annotations"]
    results = json.loads((place / "out/coco-results.json").read_text())
    boxes = table[["x0", "y0", "x1", "y1"]].to_numpy()
    assert [[line[key] for key in ("x0", "y0", "x1", "y1")] for line in lines] == boxes.tolist()
    assert [line["region"] for line in lines] == table["region"].tolist() == [one["region"] for one in coco]
    assert [one["bbox"] for one in coco] == [one["bbox"] for one in results]
    assert np.array_equal(np.array([one["bbox"] for one in coco])[:, :2], boxes[:, :2])
    labels = sum(len(path.read_text().splitlines()) for path in (place / "out/labels").rglob("*.txt"))
    assert labels == len(table)


def test_masks_are_the_boxes_regions_and_one_in_both_forms(place, found):
    coco = json.loads((place / "out/coco.json").read_text())
    union = {}
    for row, one in zip(rows(place), coco["annotations"], strict=True):
        mask = mask_from_counts(decode_counts(one["segmentation"]["counts"]), tuple(one["segmentation"]["size"]))
        assert mask.shape == (40, 60)
        assert box_of(mask).tolist() == [int(row[key]) for key in ("x0", "y0", "x1", "y1")]
        assert one["area"] == mask.sum() >= 0.01 * mask.size
        key = (row["image"], row["rank"])
        assert not (union.get(key, False) & mask).any()
        union[key] = union.get(key, False) | mask
    for row in rows(place):
        assert np.array_equal(grey(place, row), union[row["image"], row["rank"]] * np.uint8(255))
    pytest.importorskip("pycocotools", reason="the second opinion is pycocotools'")
    from pycocotools.coco import COCO

    theirs = COCO(str(place / "out/coco.json"))
    for one in coco["annotations"]:
        assert theirs.annToMask(theirs.anns[one["id"]]).sum() == one["area"]


def test_what_is_written_reads_back(place, found):
    table = pd.read_csv(place / "out/boxes.csv", keep_default_na=False)
    for form, root in (("csv", "boxes.csv"), ("coco", "coco.json")):
        (place / "set").mkdir(exist_ok=True)
        (place / "set" / root).write_bytes((place / "out" / root).read_bytes())
        if not (place / "set/images").exists():
            (place / "set/images").symlink_to(place / "photos")
        data = read_dataset(form, place / "set" / root, "val")
        assert data.problems == []
        assert sum(len(record.boxes) for record in data.records) == len(table)
        assert len(data.records) == 8
    assert data.records[0].read_mask()[0].shape == (40, 60)
    (place / "out/images").symlink_to(place / "photos")
    data = read_dataset("yolo", place / "out", "val")
    (place / "out/images").unlink()
    boxes = sorted(tuple(map(round, box)) for record in data.records for box in record.boxes.tolist())
    assert boxes == sorted(map(tuple, table[["x0", "y0", "x1", "y1"]].to_numpy().tolist()))
    assert (data.problems, data.class_names) == ([], ("first", "second", "third"))


def test_of_one_region_the_table_is_as_ever(place):
    assert call(place, "--no-overlays", "--overwrite")[0] == 0
    plain = rows(place)
    assert call(place, "--no-overlays", "--overwrite", "--regions", "1", "--min-area", "0")[0] == 0
    assert rows(place) == plain
    assert "region" not in plain[0]
    assert call(place, "--no-overlays", "--overwrite", "--regions", "3")[0] == 0
    several = rows(place)
    first = [{key: value for key, value in row.items() if key != "region"} for row in several if row["region"] == "1"]
    assert first == plain
    assert max(int(row["region"]) for row in several) == 3
    status, out, _ = call(place, "--no-overlays", "--overwrite", "--min-area", "1")
    assert status == 0
    assert "4 boxes (4 of them empty" in out


def test_a_run_of_regions_and_masks_goes_on(place):
    assert call(place, *GOING_ON, "--overwrite")[0] == 0
    whole = {path.name: path.read_bytes() for path in (place / "out").glob("*.*") if path.name != "run.json"}
    journal = place / "out/.camkit-journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]))
    status, _, error = call(place, *GOING_ON, "--resume")
    assert status == 0, error
    for name in ("boxes.csv", "coco.json", "boxes.jsonl"):
        assert (place / "out" / name).read_bytes() == whole[name]
    status, _, error = call(place, *GOING_ON[2:], "--resume")
    assert (status, "regions" in error) == (2, True)


def test_views_are_said(place):
    status, out, _ = call(place, "--no-overlays", "--overwrite", "--views", "flip,scales=0.5:1")
    assert status == 0
    assert (
        "class maps are the mean of 4 views (flip,scales=0.5:1), 4 forward passes an image: they are no longer" in out
    )
    facts = json.loads((place / "out/run.json").read_text())
    assert facts["settings"]["views"] == "flip,scales=0.5:1"
    assert facts["completeness"] is None
    status, told, _ = run("inspect", "--model", f"{place}/net.py:build", "--views", "flip")
    assert (status, "they add up to no logit" in told, "the mean of 2 views (flip)" in told) == (0, True, True)
    status, _, error = call(place, "--overwrite", "--views", "scales=2")
    assert (status, "scale 1 is missing" in error) == (2, True)
    assert call(place, "--overwrite", "--regions", "0")[0] == 2


def test_run_lengths_are_those_of_pycocotools():
    coco = pytest.importorskip("pycocotools.mask", reason="the second opinion is pycocotools'")
    rng = np.random.default_rng(0)
    for height, width, share in ((1, 1, 1), (1, 1, 0), (3, 2, 0.5), (40, 60, 0.5), (300, 200, 0.01), (30, 500, 0.99)):
        mask = rng.random((height, width)) < share
        counts = counts_of_mask(mask)
        assert np.array_equal(mask_from_counts(counts, (height, width)), mask)
        theirs = coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        assert encode_counts(counts) == theirs
        assert decode_counts(theirs) == counts
