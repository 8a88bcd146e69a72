import re

import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError


def thing(name, *corners, difficult=0):
    tags = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{tag}>{corner}</{tag}>" for tag, corner in zip(tags, corners, strict=True))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"


def xml(*things, size=(8, 6)):
    width, height = size
    head = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{head}{''.join(things)}</annotation>"


def voc(*images):
    files = {"ImageSets/Main/val.txt": "".join(f"{index}\n" for index in range(len(images)))}
    for index, content in enumerate(images):
        files[f"Annotations/{index}.xml"] = content
        files[f"JPEGImages/{index}.jpg"] = (8, 6, "JPEG")
    return files


GOOD = xml(thing("dog", 1, 1, 8, 6))


def test_corners_count_from_1_and_are_inclusive(tree, zipped, summary):
    root = tree(voc(xml(thing("sofa", 1, 1, 8, 6), thing("dog", 3, 2, 3, 2), thing("sofa", 2, 2, 4, 3)), GOOD))
    expected = [
        ("0.jpg", 11, [[2, 1, 3, 2]]),  # one pixel
        ("0.jpg", 17, [[0, 0, 8, 6], [1, 1, 4, 3]]),  # all of 8 x 6 pixels; 3 x 2
        ("1.jpg", 11, [[0, 0, 8, 6]]),
    ]
    data = read_dataset("voc", root, "val")
    assert summary(data) == expected
    assert [data.labels[record.label] for record in data.records] == ["dog", "sofa", "dog"]
    assert len(data.labels) == 20
    assert [record.size for record in data.records] == [(6, 8)] * 3
    zipped(root / "JPEGImages")
    assert summary(read_dataset("voc", root, "val")) == expected


def test_other_names_are_numbered_in_sorted_order(tree, summary):
    data = read_dataset("voc", tree(voc(xml(thing("zebra", 1, 1, 2, 2), thing("dog", 1, 1, 3, 3)))), "val")
    assert data.labels == ("dog", "zebra")
    assert [label for _, label, _ in summary(data)] == [0, 1]


def test_difficult_objects_are_left_out(tree, summary):
    hard = thing("cat", 1, 1, 2, 2, difficult=1)
    data = read_dataset("voc", tree(voc(xml(hard, thing("dog", 1, 1, 8, 6)), xml(hard))), "val")
    assert summary(data) == [("0.jpg", 11, [[0, 0, 8, 6]])]
    [problem] = data.problems
    assert problem.endswith("1.xml: all its objects are flagged difficult")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">]>'
    "<annotation><object><name>&y;</name></object></annotation>"
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, r"1\.xml: it has a document type declaration"),
        (GOOD[:-20], r"1\.xml: no well-formed XML: .*line 1, column"),
        (xml(), "line 2: '1.jpg': it has no object"),
        (xml(thing("dog", 1, 1, "x", 6)), r"1\.xml: bndbox/xmax is 'x', no number of pixels"),
        (xml(thing("dog", 1, 1, "1e999", 6)), r"1\.xml: bndbox/xmax is '1e999', no number of pixels"),
        (xml(thing("", 1, 1, 2, 2)), r"1\.xml: <object> has no name"),
        (xml("<object><name>dog</name></object>"), r"1\.xml: <object> has no bndbox/xmin"),
        (xml(thing("dog", 5, 1, 4, 6)), "the box .* is empty"),
        (xml(thing("dog", 1, 1, 10, 6)), "the box .* reaches outside the image of 8 x 6"),
        (xml(thing("dog", 1, 1, 8, 6), size=(0, 6)), "an image of 0 x 6 pixels has none"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, content, problem):
    data = read_dataset("voc", tree(voc(GOOD, content)), "val")
    [line] = data.problems
    assert re.search(r"val\.txt, line 2", line)
    assert re.search(problem, line), line
    assert [record.image for record in data.records] == ["0.jpg"]


def test_ids_and_files(tree):
    root = tree({**voc(GOOD), "ImageSets/Main/val.txt": "0\n../0\n/0\n7\n0\n"})
    problems = read_dataset("voc", root, "val").problems
    assert [problem.split("val.txt, ")[1][:30] for problem in problems] == [
        "line 2: '../0' leads out of th",
        "line 3: '/0' leads out of the ",
        f"line 4, {root}"[:30],
        "line 5: '0' is listed a second",
    ]
    with pytest.raises(CamkitError, match=r"test\.txt: cannot be read"):
        read_dataset("voc", root, "test")
    tree({"ImageSets/Main/val.txt": "\n"})
    with pytest.raises(CamkitError, match="lists no image of the split 'val'"):
        read_dataset("voc", root, "val")
