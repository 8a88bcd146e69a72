"""YOLO labels: numbers by hand, boxes that come back to the pixel, names that YAML reads as they are written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from camkit.data import read_dataset
from camkit.errors import CamkitError
from camkit.output.tables import COLUMNS
from camkit.output.yolo import check_names, data_yaml, label_file, labels, write_yolo


def row(image, label, size, box):
    (height, width), (x0, y0, x1, y1) = size, box
    return dict(zip(COLUMNS, (image, width, height, 1, label, "n", 0.5, x0, y0, x1, y1, 0.1), strict=True))


def test_by_hand():
    rows = [
        row("a/cat.jpg", 2, (100, 200), (20, 10, 60, 90)),
        row("a/cat.jpg", 0, (100, 200), (0, 0, 200, 100)),
        row("b.png", 1, (10, 10), (0, 0, 0, 0)),
        row("c", 1, (10, 10), (9, 9, 10, 10)),
    ]
    assert dict(labels(rows)) == {
        "labels/a/cat.txt": "2 0.20000000 0.50000000 0.20000000 0.80000000\n"
        "0 0.50000000 0.50000000 1.00000000 1.00000000\n",
        "labels/c.txt": "1 0.95000000 0.95000000 0.10000000 0.10000000\n",
    }


@given(st.data())
@settings(deadline=None)
def test_boxes_come_back_to_the_pixel(data):
    height, width = data.draw(st.tuples(st.integers(1, 65535), st.integers(1, 65535)))
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    ((_, line),) = labels([row("a.png", 7, (height, width), (x0, y0, x1, y1))])
    label, *shares = line.split()
    xc, yc, w, h = map(float, shares)
    assert label == "7"
    assert all(0 <= share <= 1 for share in (xc, yc, w, h))
    corners = (xc - w / 2) * width, (yc - h / 2) * height, (xc + w / 2) * width, (yc + h / 2) * height
    assert [round(corner) for corner in corners] == [x0, y0, x1, y1]


def test_two_images_of_one_file_of_labels_are_refused():
    check_names(["a/cat.jpg", "b/cat.jpg", "cat.b.jpg", "cat.jpg"])
    with pytest.raises(CamkitError, match=r"a/cat\.jpg and a/cat\.png would both have 'labels/a/cat\.txt'"):
        check_names(["a/cat.jpg", "b/cat.jpg", "a/cat.png"])
    assert label_file("a.b/c") == "labels/a.b/c.txt"


@settings(deadline=None)
@given(st.lists(st.text(st.characters(codec=None, categories=None), max_size=8), min_size=1, max_size=5))
def test_names_are_yaml(names):
    yaml = pytest.importorskip("yaml")
    read = yaml.safe_load(data_yaml(names))
    assert [read["names"][number] for number in range(len(names))] == names
    assert (read["train"], read["val"]) == ("images", "images")


HOSTILE = [
    "=SUM(A1)", "a\\nb", "a\nb", " leading", "trailing ", "\udcff", "\ud83d\ude00", "\U0001f600", "no", "007", "",
    '"quoted"', "\x00\x1b\x7f\x85", "\u2028\ufeff\ufffe\uffff", "- # : {}", "\\u0041",
]  # fmt: skip


def test_hostile_names_of_classes_and_images_come_back(tmp_path):
    images = ["=a.png", "b\nc.png", "d\\n.png", "e\udcff.png", " f .png", "-g/h.png"]
    rows = [row(image, label, (10, 10), (1, 2, 5, 9)) for label, image in enumerate(images)]
    write_yolo(tmp_path, rows, HOSTILE)
    for image in images:
        (tmp_path / "images" / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 10)).save(tmp_path / "images" / image)
    found = read_dataset("yolo", tmp_path, "val")
    assert (list(found.class_names), found.problems) == (HOSTILE, [])
    assert {record.image: record.label for record in found.records} == {image: n for n, image in enumerate(images)}
    assert {str(record.boxes.round(6).tolist()) for record in found.records} == {"[[1.0, 2.0, 5.0, 9.0]]"}


def test_files(tmp_path):
    write_yolo(tmp_path, [row("a/cat\udcff.jpg", 1, (10, 10), (0, 0, 5, 5))], ["x", "y"])
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "data.yaml",
        "labels/a/cat\udcff.txt",
    ]
