import os
import re
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from camkit.data import read_dataset, read_splits
from camkit.data.names import read_path, read_text
from camkit.errors import CamkitError
from camkit.output import whole
from camkit.output.tables import write_csv

HEADER = "image,label,x0,y0,x1,y1\n"
IMAGES = {"images/a.png": (8, 6), "images/b, c.png": (8, 6)}


def test_boxes_are_half_open_from_0(tree, zipped, summary):
    text = HEADER + 'a.png,3,0,0,8,6\n"b, c.png",0,1.5,2,2,3\na.png,3,4,5,5,6\n'
    root = tree({"val.csv": text, **IMAGES})
    expected = [("a.png", 3, [[0, 0, 8, 6], [4, 5, 5, 6]]), ("b, c.png", 0, [[1.5, 2, 2, 3]])]
    data = read_dataset("csv", root, "val")
    assert (summary(data), data.class_names, data.problems, data.upright) == (expected, None, [], True)
    zipped(root / "images")
    assert summary(read_dataset("csv", root, "val")) == expected


def test_other_columns_and_names(tree, summary):
    text = "score,y1,x1,y0,x0,label,image\n1,6,8,0,0,dog,a.png\n1,6,8,0,0,cat,a2.png\n1,2,2,1,1,dog,a.png\n"
    data = read_dataset("csv", tree({"val.csv": text, "a.png": (8, 6), "a2.png": (8, 6)}), "val")
    assert data.class_names == ("cat", "dog")
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
    assert "; " in said, "what to do"
    assert re.search(problem, said), said


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (HEADER, r"val\.csv: lists no image of the split 'val'"),
        ("", r"val\.csv, line 1: the column 'image' is missing"),
        ("image,label,x0,y0,x1\n", r"val\.csv, line 1: the column 'y1' is missing"),
        (HEADER + 'a.png,0,0,0,8,"6\n', r"val\.csv, line 2: cannot be read as CSV"),
        (HEADER.replace(",", ";") + "a.png;0;0;0;8;6\n", r"line 1: its columns are separated by semicolons"),
        (HEADER.replace(",", "\t") + "a.png\t0\t0\t0\t8\t6\n", r"line 1: its columns are separated by tabs"),
        ("image,label,x0,y0,x1,y1,x0\n", "line 1: the column 'x0' is there twice"),
        (HEADER + "a.png,0,0.1,0.2,0.9,1\n", "all 1 boxes lie between 0 and 1, .*multiply x by the image's width"),
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


@pytest.mark.parametrize("label", ["{}", "{}.0", "{}.", " {} "])
def test_labels_that_pandas_wrote_as_fractions_are_whole_numbers(tree, label):
    text = HEADER + "".join(f"{n}.png,{label.format(n)},0,0,8,6\n" for n in range(12))
    data = read_dataset("csv", tree({"val.csv": text, **{f"{n}.png": (8, 6) for n in range(12)}}), "val")
    assert ([record.label for record in data.records], data.class_names) == (list(range(12)), None)


@pytest.mark.parametrize("bad", ["3a", "-1", "", "2.5", "nan", "1e3", "7" * 5000, "cat", "²"])
def test_one_bad_label_among_numbers_is_its_lines_problem(tree, bad):
    text = HEADER + f"a.png,1,0,0,8,6\nb.png,{bad},0,0,8,6\nc.png,10,0,0,8,6\n"
    data = read_dataset("csv", tree({"val.csv": text, **{f"{n}.png": (8, 6) for n in "abc"}}), "val")
    assert [(record.image, record.label) for record in data.records] == [("a.png", 1), ("c.png", 10)]
    [problem] = data.problems
    assert re.search(r"val\.csv, line 3: (label .* is not a whole number; mend it, or call|it has no label)", problem)
    assert len(problem) < 500


def test_one_number_among_names_is_its_lines_problem_unless_the_column_is_called_name(tree):
    lines = "image,{},x0,y0,x1,y1\na.png,cat,0,0,8,6\nb.png,7,0,0,8,6\nc.png,auk,0,0,8,6\n"
    images = {f"{n}.png": (8, 6) for n in "abc"}
    data = read_dataset("csv", tree({"val.csv": lines.format("label"), **images}), "val")
    assert ([record.label for record in data.records], data.class_names) == ([1, 0], ("auk", "cat"))
    assert "line 3: label '7' is a number among names; mend it, or call the column 'name'" in data.problems[0]
    data = read_dataset("csv", tree({"val.csv": lines.format("name")}), "val")
    assert ([record.label for record in data.records], data.class_names) == ([2, 0, 1], ("7", "auk", "cat"))
    assert (data.problems, data.numbered) == ([], False)


def test_class_names_that_are_numbers_are_names_where_the_column_says_so(tree):
    text = "image,name,x0,y0,x1,y1\na.png,10,0,0,8,6\nb.png,9,0,0,8,6\n"
    data = read_dataset("csv", tree({"val.csv": text, "a.png": (8, 6), "b.png": (8, 6)}), "val")
    assert ([record.label for record in data.records], data.class_names) == ([0, 1], ("10", "9"))


def test_a_bad_line_does_not_take_the_image_s_other_lines_with_it(tree, summary):
    text = HEADER + "a.png,3,0,0,8,6\na.png,3a,1,1,2,2\na.png,3,4,4,4,5\na.png,3,4,4,5,5\n"
    data = read_dataset("csv", tree({"val.csv": text, **IMAGES}), "val")
    assert summary(data) == [("a.png", 3, [[0, 0, 8, 6], [4, 4, 5, 5]])]
    assert [problem.split("val.csv, ")[1][:9] for problem in data.problems] == ["line 3: l", "line 4: t"]
    text = HEADER + "a.png,3,0,0,8,6\na.png,4,1,1,2,2\nb.png,3,0,0,8,6\n"  # but two labels leave neither
    data = read_dataset("csv", tree({"val.csv": text, "images/b.png": (8, 6)}), "val")
    assert [record.image for record in data.records] == ["b.png"]
    assert "line 3: a second label: 4 after 3" in data.problems[0]


def test_the_csv_itself_as_root(tree, summary):
    files = {"d/birds.csv": HEADER + "a.png,1,0,0,8,6\n", "d/a.png": (8, 6)}
    root = tree(files)
    for split in ("val", "train"):
        assert summary(read_dataset("csv", root / "d/birds.csv", split)) == [("a.png", 1, [[0, 0, 8, 6]])]
    with pytest.raises(CamkitError, match=r"none\.csv: there is no such folder"):
        read_dataset("csv", root / "d/none.csv", "val")
    with pytest.raises(CamkitError, match=r"birds\.csv: it is a file, and voc is read from a folder"):
        read_dataset("voc", root / "d/birds.csv", "val")
    with pytest.raises(CamkitError, match="'train' and 'val' are the same images"):
        read_splits("csv", root / "d/birds.csv", "train", "val")


def test_a_line_that_is_no_csv_or_no_utf8_is_its_own_problem(tree):
    root = tree(IMAGES)
    lines = [
        b"image,label,x0,y0,x1,y1",
        b"a.png,1,0,0,8,6",
        b'"a.png"x,1,0,0,8,6',
        b"a\xe9.png,1,0,0,8,6",
        b'"a.png,1,0,0',
    ]
    for newline in (b"\n", b"\r\n", b"\r"):
        (root / "val.csv").write_bytes(b"\xef\xbb\xbf" + newline.join([*lines, b"a.png,1,1,1,2,2"]) + newline)
        data = read_dataset("csv", root, "val")
        assert [record.boxes.tolist() for record in data.records] == [[[0, 0, 8, 6], [1, 1, 2, 2]]]
        assert [problem.split("val.csv, ")[1][:35] for problem in data.problems] == [
            "line 3: cannot be read as CSV: ',' ",
            "line 4: it holds bytes that are not",
            "line 5: cannot be read as CSV: unex",
        ]
        assert all(problem.isprintable() for problem in data.problems)


def test_a_name_with_a_line_break_counts_lines_as_an_editor_does(tree):
    text = HEADER + '"a\nb.png",1,0,0,8,6\nc.png,x,0,0,8,6\nd.png,2,0,0,8,6\n'
    data = read_dataset("csv", tree({"val.csv": text, "a\nb.png": (8, 6), "d.png": (8, 6)}), "val")
    assert [record.image for record in data.records] == ["a\nb.png", "d.png"]
    assert "line 4: label 'x'" in data.problems[0]


def test_a_box_in_shares_among_boxes_in_pixels_is_its_images_problem(tree, summary):
    text = HEADER + "a.png,3,0,0,8,6\nb.png,0,0.25,0.5,0.75,1\nc.png,0,0,0,1,1\n"
    data = read_dataset("csv", tree({"val.csv": text, "a.png": (8, 6), "b.png": (8, 6), "c.png": (8, 6)}), "val")
    assert [record[0] for record in summary(data)] == ["a.png", "c.png"]
    (problem,) = data.problems
    assert "val.csv, line 3" in problem
    assert "in a fraction of the first pixel, as shares of the image's sides do" in problem


def test_a_corner_a_pixel_before_the_image_is_its_first_pixel(tree, summary):
    data = read_dataset("csv", tree({"val.csv": HEADER + "a.png,3,-1,-0.5,8,6\n", "a.png": (8, 6)}), "val")
    assert summary(data) == [("a.png", 3, [[0, 0, 8, 6]])]


# what a file can be called: any bytes but a slash and zero
BYTES = st.binary(min_size=1, max_size=24) | st.lists(
    st.sampled_from([bytes([byte]) for byte in b'=+-@\\\n\r n.",\xff'] + [b"u0020", b"\xc3\xa9"]),
    min_size=1,
    max_size=8,
).map(b"".join)
# a backslash may be another system's slash, a: its drive: no name may lead out of its folder by one
FILES = BYTES.filter(
    lambda name: (
        not {*b"/\0"} & set(name) and name[1:2] != b":" and not {b"", b".", b".."} & set(name.split(b"\\"))
    )
).map(os.fsdecode)  # fmt: skip
NAMES = st.text(st.characters(codec=None, categories=None) | st.sampled_from("=+-@ \\\n\r\u3000\ud800"), min_size=1)


@given(st.lists(st.tuples(FILES, NAMES), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
@example([("\udcff=\r\n.png", " =\r\nname\t "), ("=a\\u0041", "\u2028"), ("-\\r", "+1")])
@settings(max_examples=60, deadline=None)
def test_what_camkit_writes_is_read_back(pairs):
    """By ``--dataset csv`` and by pandas: files by their names, byte for byte, and classes by theirs."""
    rows = [{"image": image, "name": name, "x0": 1, "y0": 2, "x1": 5, "y1": 7} for image, name in pairs]
    with tempfile.TemporaryDirectory() as folder:
        for image, _ in pairs:
            (Path(folder) / image).write_bytes(b"of no matter here")
        path = Path(folder) / "boxes here.csv"
        with whole(path) as file:
            write_csv(file, ("image", "name", "x0", "y0", "x1", "y1"), rows)
        table = pd.read_csv(path, dtype={"image": str, "name": str}, keep_default_na=False)
        assert [(read_path(one.image), read_text(one.name)) for one in table.itertuples(index=False)] == pairs
        found = read_dataset("csv", path, "any")
        assert found.problems == []
        assert [(record.image, found.class_names[record.label]) for record in found.records] == pairs
        assert all(record.boxes.tolist() == [[1, 2, 5, 7]] for record in found.records)
        assert all(record.read() == b"of no matter here" for record in found.records)


def test_line_ends_in_a_quoted_name_are_the_names_own(tmp_path):
    for image in ("a\r.png", "b\r\n.png", "c\n.png"):
        (tmp_path / image).write_bytes(b"")
    lines = ["image,label,x0,y0,x1,y1", '"a\r.png",1,0,0,4,4', '"b\r\n.png",1,0,0,4,4', '"c\n.png",1,0,0,4,4', ""]
    for end in ("\n", "\r\n", "\r"):
        (tmp_path / "val.csv").write_bytes(end.join(lines).encode())
        found = read_dataset("csv", tmp_path, "val")
        assert [record.image for record in found.records] == ["a\r.png", "b\r\n.png", "c\n.png"]
        assert found.problems == []
