import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.data import read_dataset
from camkit.data.formats.rle import decode_counts, mask_from_counts
from camkit.errors import CamkitError


def annotation(image, category, bbox, **more):
    return {"id": 900 + image, "image_id": image, "category_id": category, "bbox": bbox, **more}


def coco(*annotations, images=None, **more):
    shapes = {1: "a.png", 2: "b.png"} if images is None else images
    content = {
        "images": [{"id": number, "file_name": name, "width": 6, "height": 4} for number, name in shapes.items()],
        "categories": [{"id": 18, "name": "dog"}, {"id": 1, "name": "person"}],
        "annotations": list(annotations),
        **more,
    }
    return {"annotations/instances_val.json": json.dumps(content), "val/a.png": (6, 4), "val/b.png": (6, 4)}


GOOD = annotation(1, 18, [0, 0, 6, 4])


def test_boxes_are_half_open_from_0_and_one_record_a_class(tree, zipped, summary):
    dogs = annotation(2, 18, [1, 1, 2, 3]), annotation(2, 18, [0, 0, 1, 1])
    root = tree(coco(dogs[0], annotation(2, 1, [0.5, 0, 1.25, 2]), dogs[1], GOOD))
    expected = [
        ("a.png", 1, [[0, 0, 6, 4]]),  # all of 6 x 4 pixels
        ("b.png", 0, [[0.5, 0, 1.75, 2]]),
        ("b.png", 1, [[1, 1, 3, 4], [0, 0, 1, 1]]),
    ]
    data = read_dataset("coco", root, "val")
    assert (summary(data), data.labels, data.problems) == (expected, ("person", "dog"), [])
    assert [(record.size, record.read_mask) for record in data.records] == [((4, 6), None)] * 3
    zipped(root / "val", "val/")
    assert summary(read_dataset("coco", root, "val")) == expected


def test_masks_of_polygons_and_run_lengths(tree):
    square = [1, 1, 3, 1, 3, 3, 1, 3]  # the pixels 1 and 2 in x and in y
    corner = {"size": [4, 6], "counts": [20, 4]}  # the last column
    crowd = {"size": [4, 6], "counts": "T14"}  # 36 and 4 do not fit: see below
    root = tree(
        coco(
            annotation(1, 18, [1, 1, 2, 2], segmentation=[square]),
            annotation(1, 18, [5, 0, 1, 4], segmentation=corner),
            annotation(1, 18, [0, 0, 6, 1], segmentation={"size": [4, 6], "counts": [0, 24]}, iscrowd=1),
            annotation(2, 18, [5, 0, 1, 4], segmentation=crowd),
        )
    )
    first, second = read_dataset("coco", root, "val").records
    mask, ignore = pickle.loads(pickle.dumps(first.read_mask))()
    assert first.boxes.tolist() == [[1, 1, 3, 3], [5, 0, 6, 4]]
    assert mask.astype(int).tolist() == [[0, 0, 0, 0, 0, 1], [0, 1, 1, 0, 0, 1], [0, 1, 1, 0, 0, 1], [0, 0, 0, 0, 0, 1]]
    assert (ignore == ~mask).all()
    with pytest.raises(CamkitError, match="add up to 40 pixels, not to 6 x 4"):
        second.read_mask()


@pytest.mark.parametrize(
    ("segmentation", "error"),
    [
        ([[1, 1, 3]], "neither polygons nor run lengths"),
        ([["a", 1, 3, 3]], "neither polygons nor run lengths"),
        ({"counts": [24]}, "neither polygons nor run lengths"),
        ({"size": [6, 4], "counts": [24]}, "a mask of .6, 4. .height, width. in an image of .4, 6."),
        ({"size": [4, 6], "counts": [30, -6]}, "add up to 24"),
        ({"size": [4, 6], "counts": "\x00"}, "no part of a number"),
        ({"size": [4, 6], "counts": "P"}, "cut off"),
    ],
)
def test_a_broken_segmentation_is_said_when_it_is_drawn(tree, segmentation, error):
    files = coco({**GOOD, "segmentation": segmentation}, images={1: "a.png"})
    [record] = read_dataset("coco", tree(files), "val").records
    with pytest.raises(CamkitError, match=error):
        record.read_mask()


def compress(counts):
    """COCO's compression, written out: 5 bits a character; the fourth run and later as differences."""
    text = ""
    for index, count in enumerate(counts):
        number = count - counts[index - 2] if index > 2 else count
        while True:
            low, number = number & 31, number >> 5
            last = number == (-1 if low & 16 else 0)
            text += chr(48 + low + (0 if last else 32))
            if last:
                break
    return text


@settings(deadline=None, max_examples=50)
@given(arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_give_the_mask_back(mask):
    counts, current = [0], False
    for value in mask.T.ravel():  # column by column
        if value == current:
            counts[-1] += 1
        else:
            counts.append(1)
            current = value
    assert decode_counts(compress(counts)) == counts
    assert np.array_equal(mask_from_counts(counts, mask.shape), mask)


def test_compressed_counts_by_hand():
    assert compress([36, 4]) == "T14"
    # 36 = 4 + 32 * 1: 'T' is 48 + 32 + 4, '1' is 48 + 1. The fourth number is -1: 31 without "more", 'O'.
    assert decode_counts("T144O") == [36, 4, 4, 3]


@pytest.mark.parametrize(
    ("thing", "problem"),
    [
        (annotation(2, 7, [0, 0, 1, 1]), "annotation 902: category 7 is none of the 2"),
        (annotation(2, 18, [0, 0, 1]), "annotation 902: bbox .0, 0, 1. is not four numbers"),
        (annotation(2, 18, [0, 0, "x", 1]), "annotation 902: bbox .* is not four numbers"),
        (annotation(2, 18, [0, 0, 0, 1]), "annotation 902: the box .* is empty"),
        (annotation(2, 18, [0, 0, float("nan"), 1]), "annotation 902: the box .* is empty"),
        (annotation(2, 18, [3, 0, 5, 1]), "image 2: 'b.png': the box .* reaches outside the image of 6 x 4"),
        (annotation(2, 18, [0, 0, 1, 1], iscrowd=1), "image 2: 'b.png': all its objects are crowds"),
        (GOOD, "image 2: 'b.png': it has no object"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, thing, problem):
    data = read_dataset("coco", tree(coco(GOOD, thing)), "val")
    [line] = data.problems
    assert re.search(problem, line), line
    assert {record.image for record in data.records} == {"a.png"}


def test_names_and_duplicates(tree):
    files = coco(GOOD, annotation(2, 18, [0, 0, 1, 1]), images={1: "a.png", 2: "../b.png"})
    [problem] = read_dataset("coco", tree(files), "val").problems
    assert "leads out of" in problem
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]
    content = json.loads(coco(GOOD)["annotations/instances_val.json"]) | {"images": images}
    data = read_dataset("coco", tree({"annotations/instances_val.json": json.dumps(content)}), "val")
    assert [record.image for record in data.records] == ["a.png"]
    assert "image 1: '1' is listed a second time" in data.problems[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"images": [\n{"id": 1,', r"instances_val.json, line 2: no JSON, or cut off"),
        ("[1]", "it has no list 'categories'"),
        (json.dumps({"categories": [{"id": 1}]}), "categories entry 1 lacks one of id, name"),
        (
            json.dumps({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}),
            "two categories have the same id",
        ),
        ("[" * 100_000, "instances_val.json: no JSON"),
        (coco(images={})["annotations/instances_val.json"], "lists no image of the split 'val'"),
        (coco(annotation(3, 18, [0, 0, 1, 1]))["annotations/instances_val.json"], "image 3 is none of those listed"),
    ],
)
def test_what_spoils_the_split_is_an_error(tree, text, error):
    with pytest.raises(CamkitError, match=error) as raised:
        read_dataset("coco", tree({**coco(GOOD), "annotations/instances_val.json": text}), "val")
    assert "\n" not in str(raised.value)
