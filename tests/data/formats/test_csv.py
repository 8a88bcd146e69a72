import re

import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

HEADER = "image,label,x0,y0,x1,y1\n"
IMAGES = {"images/a.png": (8, 6), "images/b, c.png": (8, 6)}


def test_boxes_are_half_open_from_0(tree, zipped, summary):
    text = HEADER + 'a.png,3,0,0,8,6\n"b, c.png",0,1.5,2,2,3\na.png,3,4,5,5,6\n'
    root = tree({"val.csv": text, **IMAGES})
    expected = [("a.png", 3, [[0, 0, 8, 6], [4, 5, 5, 6]]), ("b, c.png", 0, [[1.5, 2, 2, 3]])]
    data = read_dataset("csv", root, "val")
    assert (summary(data), data.labels, data.problems, data.upright) == (expected, None, [], True)
    zipped(root / "images")
    assert summary(read_dataset("csv", root, "val")) == expected


def test_other_columns_and_names(tree, summary):
    text = "score,y1,x1,y0,x0,label,image\n1,6,8,0,0,dog,a.png\n1,6,8,0,0,cat,a2.png\n1,2,2,1,1,dog,a.png\n"
    data = read_dataset("csv", tree({"val.csv": text, "a.png": (8, 6), "a2.png": (8, 6)}), "val")
    assert data.labels == ("cat", "dog")
    assert summary(data) == [("a.png", 1, [[0, 0, 8, 6], [1, 1, 2, 2]]), ("a2.png", 0, [[0, 0, 8, 6]])]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("../b.png,0,1,1,2,2", r"val\.csv, line 3: '../b.png': .* leads out of"),
        ("/etc/passwd,0,1,1,2,2", "line 3: .* leads out of"),
        ("c.png,0,1,1,2,2", "line 3: 'c.png': there is no file 'c.png'"),
        ("c.png,0,1,1", "line 3: it has 4 fields where 6 belong"),
        ("c.png,0,1,1,2,2,", "line 3: it has 7 fields where 6 belong"),
        ("c.png,0,1,1,2,", "line 3: '' is not a number"),
        ("c.png,0,2,1,2,2", "line 3: the box .* is empty"),
        ("c.png,,0,1,2,2", "line 3: it has no label"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, line, problem):
    data = read_dataset("csv", tree({"val.csv": f"{HEADER}a.png,0,0,0,8,6\n{line}\n", **IMAGES}), "val")
    assert [record.image for record in data.records] == ["a.png"]
    [said] = data.problems
    assert re.search(problem, said), said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (HEADER, r"val\.csv: lists no image of the split 'val'"),
        ("", r"val\.csv, line 1: the column 'image' is missing"),
        ("image,label,x0,y0,x1\n", r"val\.csv, line 1: the column 'y1' is missing"),
        (HEADER + 'a.png,0,0,0,8,"6\n', r"val\.csv, line 2: cannot be read as CSV"),
        (HEADER + "a.png,0,9,0,8,6\n", "none of the 1 images can be used; the first: .* is empty"),
    ],
)
def test_what_spoils_the_split_is_an_error(tree, text, error):
    with pytest.raises(CamkitError, match=error) as raised:
        read_dataset("csv", tree({"val.csv": text, **IMAGES}), "val")
    assert "\n" not in str(raised.value)


def test_bytes_that_are_no_text(tree):
    root = tree(IMAGES)
    (root / "val.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CamkitError, match="it is not UTF-8 text"):
        read_dataset("csv", root, "val")
