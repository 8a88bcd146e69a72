"""camkit localize --formats yolo: the boxes of boxes.csv, one file an image, and nobody else's files touched."""

import pytest
from commands import call, make_place, rows
from PIL import Image


@pytest.fixture
def place(tmp_path):
    return make_place(tmp_path)


def boxes_in(folder):
    """From the labels back to pixels of images of 60 x 40."""
    found = {}
    for file in sorted(folder.rglob("*.txt")):
        for line in file.read_text().splitlines():
            label, *shares = line.split()
            xc, yc, w, h = map(float, shares)
            corners = (60 * (xc - w / 2), 40 * (yc - h / 2), 60 * (xc + w / 2), 40 * (yc + h / 2))
            found[file.relative_to(folder).as_posix(), label] = [round(corner) for corner in corners]
    return found


def test_labels_are_the_boxes(place):
    assert call(place, "--topk", "2", "--formats", "csv,yolo", "--no-overlays")[0] == 0
    out, table = place / "out", [row for row in rows(place) if row["x1"] > "0"]
    expected = {}
    for row in table:
        name = row["image"].replace("./", "").rpartition(".")[0]
        expected[f"{name}.txt", row["label"]] = [int(row[side]) for side in ("x0", "y0", "x1", "y1")]
    assert len(expected) > 4
    assert boxes_in(out / "labels") == expected
    text = (out / "data.yaml").read_text()
    assert all(f'  {number}: "{name}"\n' in text for number, name in enumerate(("first", "second", "third")))


def test_files_of_others_stay_and_ours_go(place):
    out = place / "out"
    assert call(place, "--formats", "yolo", "--no-overlays")[0] == 0
    (out / "labels/mine.txt").write_text("mine")
    assert call(place, "--formats", "csv", "--no-overlays", "--overwrite")[0] == 0
    assert [path.name for path in out.rglob("*.txt")] == ["mine.txt"]
    assert not (out / "data.yaml").exists()
    status, _, error = call(place, "--formats", "csv,yolo", "--no-overlays", "--resume")
    assert (status, "holds labels/" in error) == (2, True)
    (out / "labels/mine.txt").unlink()
    assert call(place, "--formats", "csv,yolo", "--no-overlays", "--resume")[0] == 0
    assert len(boxes_in(out / "labels")) == sum(row["x1"] > "0" for row in rows(place))


def test_two_images_of_one_name_are_refused_before_anything_is_done(place):
    Image.open(place / "photos/a.png").save(place / "photos/a.jpg")
    status, _, error = call(place, "--formats", "yolo")
    assert (status, "would both have 'labels/a.txt'" in error) == (2, True)
    assert not (place / "out").exists()
