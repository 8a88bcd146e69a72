import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.data import read_dataset, read_splits
from camkit.data.formats.counts import decode_counts
from camkit.data.formats.rle import mask_from_counts
from camkit.errors import CamkitError


def annotation(image, category, bbox, **more):
    return {
        "id": 900 + image if isinstance(image, int) else 900,
        "image_id": image,
        "category_id": category,
        "bbox": bbox,
        **more,
    }


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
    assert (summary(data), data.class_names, data.problems) == (expected, ("person", "dog"), [])
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
        ([[1, 1, 3]], "annotation 901: a polygon is not three or more pairs of numbers x, y; mend"),
        ([["a", 1, 3, 3]], "a polygon is not three or more pairs of numbers"),
        ([[1, 1, 3, 3]], "a polygon is not three or more pairs of numbers"),
        ([[1, 1, 3, 1, 3, 1e999]], "a polygon is not three or more pairs of numbers"),
        ([[1, 1, 3, 1, 3, 1e9]], "a polygon reaches far outside the image of 6 x 4 pixels"),
        ([7], "a polygon is not three or more pairs of numbers"),
        ("none", "the segmentation 'none' is neither polygons nor run lengths"),
        ({"counts": [24]}, "the run lengths' size None is not height and width"),
        ({"size": [4, 6], "counts": ["24"]}, "the run lengths .'24'. are neither numbers nor COCO's text"),
        ({"size": [10**9, 10**9], "counts": [24]}, "a mask of 1000000000 x 1000000000 pixels is not drawn"),
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
        (annotation(2, 7, [0, 0, 1, 1]), "annotation 902: category 7 is none of those listed; mend either"),
        (annotation(2, None, [0, 0, 1, 1]), "annotation 902: it has no category_id; add it"),
        (annotation(2, 18, [0, 0, 1]), "annotation 902: bbox .0, 0, 1. is not four numbers"),
        (annotation(2, 18, [0, 0, "x", 1]), "annotation 902: in bbox, 'x' is no finite number"),
        (annotation(2, 18, [0, 0, 0, 1]), "annotation 902: bbox .0, 0, 0, 1. has no width or no height, .* empty"),
        (annotation(2, 18, [5, 0, -4, 1]), "annotation 902: bbox .5, 0, -4, 1. has no width or no height"),
        (annotation(2, 18, [0, 0, float("nan"), 1]), "annotation 902: in bbox, nan is no finite number"),
        (annotation(2, 18, [0, 0, float("inf"), 1]), "annotation 902: in bbox, inf is no finite number"),
        (annotation(2, 18, [0, 0, 10**400, 1]), "annotation 902: in bbox, 1000.*[.]{3} is no finite number"),
        (annotation(2, 18, "0 0 1 1"), "annotation 902: bbox '0 0 1 1' is not four numbers"),
        (annotation(2, 18, []), "annotation 902: it has neither bbox nor segmentation"),
        (annotation(2, 18, None, segmentation={"size": [4, 6], "counts": [24]}), "annotation 902: the box .* is empty"),
        (annotation(2, 18, [0, 0, 1, 1], iscrowd="no"), "annotation 902: iscrowd 'no' is neither 0 nor 1"),
        (
            annotation(2, 18, [3, 0, 5, 1]),
            "image 2: 'b.png': the box .* reaches outside the image of 6 x 4.*width, height",
        ),
        (annotation(2, 18, [0, 0, 1, 1], iscrowd=1), "image 2: 'b.png': all its objects are crowds"),
        (GOOD, "image 2: 'b.png': it has no object"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, thing, problem):
    data = read_dataset("coco", tree(coco(GOOD, thing)), "val")
    [line] = data.problems
    assert re.search(problem, line), line
    assert len(line) < 500
    assert "; " in line, "what to do"
    assert {record.image for record in data.records} == {"a.png"}


def test_a_name_stays_below_the_root(tree):
    for name in ("../b.png", "x/../../b.png"):
        files = coco(GOOD, annotation(2, 18, [0, 0, 1, 1]), images={1: "a.png", 2: name})
        [problem] = read_dataset("coco", tree(files), "val").problems
        assert f"image 2: {name!r}: {name!r} leads out of" in problem


def listed(*images, annotations=(), folder="val", **more):
    """A split of images (id, name) with one annotation each, all of 6 x 4 pixels, and one file a.png."""
    rows = [{"id": number, "file_name": name} for number, name in images]
    objects = [annotation(number, 18, [0, 0, 6, 4], id=k) for k, (number, _) in enumerate(images)]
    files = coco(*objects, *annotations, **more)
    content = json.loads(files["annotations/instances_val.json"]) | {"images": rows}
    return {"val.json": json.dumps(content), f"{folder}/a.png": (6, 4)}


WHOLE = [("a.png", 1, [[0, 0, 6, 4]])]


def test_ids_may_be_written_in_several_ways(tree, summary):
    for image_id, category_id in ((1, 18), (1.0, "18"), ("1", 18.0), ("1.0", "18.0"), ("01", "018"), (" 1 ", " 18")):
        for listed_as in (1, 1.0, "1", "001"):
            files = listed((listed_as, "a.png"))
            content = json.loads(files["val.json"])
            content["annotations"] = [{**GOOD, "image_id": image_id, "category_id": category_id}]
            data = read_dataset("coco", tree({**files, "val.json": json.dumps(content)}), "val")
            assert (summary(data), data.problems) == (WHOLE, [])


def test_an_id_that_is_another_one_s_too_is_only_itself(tree, summary):
    files = listed((1, "a.png"), ("1", "b.png"), ("guid-3", "c.png"))
    data = read_dataset("coco", tree({**files, "val/b.png": (6, 4), "val/c.png": (6, 4)}), "val")
    assert [image for image, _, _ in summary(data)] == ["a.png", "b.png", "c.png"]
    stray = annotation("1.0", 18, [0, 0, 1, 1])
    data = read_dataset("coco", tree({**listed((1, "a.png"), ("1", "b.png"), annotations=[stray])}), "val")
    assert "annotation 0" not in data.problems[-1]
    assert "image '1.0' is none of those listed" in data.problems[-1]


def test_an_id_of_two_files_names_neither(tree):
    files = {**listed((1, "a.png"), (1, "b.png"), (2, "c.png")), "val/b.png": (6, 4), "val/c.png": (6, 4)}
    data = read_dataset("coco", tree(files), "val")
    assert [record.image for record in data.records] == ["c.png"]
    assert len(data.problems) == 2
    assert all("image 1: 'a.png' and 'b.png' have the same id; mend it" in p for p in data.problems[:1])


def test_two_entries_for_one_file_are_one_image(tree, summary):
    data = read_dataset("coco", tree(listed((1, "a.png"), (2, "a.png"))), "val")
    assert summary(data) == [("a.png", 1, [[0, 0, 6, 4]] * 2)]
    [problem] = data.problems
    assert "image 2: 'a.png' is listed a second time (first in " in problem


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("a.png", "val"),
        ("./a.png", "val"),
        ("val/a.png", "val"),
        ("images/a.png", "images"),
        ("images/val/a.png", "images/val"),
        ("val/a.png", "images/val"),
        ("sub/a.png", "val/sub"),
        ("sub\\a.png", "val/sub"),
        ("images\\a.png", "images"),
        ("/data/x/val/a.png", "val"),
        ("/data/x/a.png", "images"),
        ("C:\\data\\x\\a.png", "images"),
        ("http://images.cocodataset.org/val2017/a.png", "images"),
        ("http://images.cocodataset.org/val2017/a.png", "val2017"),
        ("a.png", "data"),
    ],
)
def test_where_an_image_lies(tree, name, folder):
    data = read_dataset("coco", tree(listed((1, name), folder=folder)), "val")
    assert data.problems == []
    assert data.records[0].read()[:4] == b"\x89PNG"
    assert f"{folder}/a.png".endswith(data.records[0].image)


def test_another_folder_s_image_is_not_taken_for_one(tree):
    """Folder train is not there: its image 1.png is not the one of folder val."""
    files = listed((1, "train/a.png"), (2, "val/a.png"))
    data = read_dataset("coco", tree(files), "val")
    assert [record.image for record in data.records] == ["val/a.png"]
    assert "image 1: 'train/a.png': there is no file 'train/a.png'" in data.problems[0]
    files = listed((1, "/x/train/a.png"), (2, "/x/val/a.png"), (3, "b.png"))  # here it cannot be told
    data = read_dataset("coco", tree({**files, "images/a.png": (6, 4), "val/b.png": (6, 4)}), "val")
    assert [record.image for record in data.records] == ["b.png"]
    assert ["a.png' is also that of" in problem for problem in data.problems] == [True, True]


def test_lvis_has_urls_in_place_of_names(tree, summary):
    content = json.loads(listed((1, "a.png"))["val.json"])
    content["images"] = [{"id": 1, "coco_url": "http://images.cocodataset.org/val2017/a.png"}, {"id": 2}]
    data = read_dataset("coco", tree({"val.json": json.dumps(content), "val2017/a.png": (6, 4)}), "val")
    assert summary(data) == [("val2017/a.png", 1, [[0, 0, 6, 4]])]
    assert "image 2: it has no file_name; add it" in data.problems[0]


LAYOUTS = {
    "Roboflow": ("val/_annotations.coco.json", "val/a.png"),
    "FiftyOne": ("labels.json", "data/a.png"),
    "FiftyOne, by split": ("val/labels.json", "val/data/a.png"),
    "Label Studio": ("result.json", "images/a.png"),
    "CVAT": ("annotations/instances_default.json", "images/a.png"),
    "COCO": ("annotations/instances_val.json", "images/val/a.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tree, zipped, summary, layout):
    listing, image = LAYOUTS[layout]
    root = tree({listing: listed((1, "a.png"))["val.json"], image: (6, 4)})
    for split_root in (root, root / listing):
        data = read_dataset("coco", split_root, "val")
        assert (summary(data), data.problems) == (WHOLE, [])
        assert data.records[0].read()[:4] == b"\x89PNG"
    if not listing.startswith("val/"):
        zipped((root / image).parent)
        assert summary(read_dataset("coco", root, "val")) == WHOLE


def test_an_undivided_data_set_is_no_validation_of_itself(tree):
    root = tree({"labels.json": listed((1, "a.png"))["val.json"], "data/a.png": (6, 4)})
    with pytest.raises(CamkitError, match=r"'train' and 'val' are the same images.*use holdout:10"):
        read_splits("coco", root, "train", "val")


def test_a_split_that_is_not_there_is_told_from_those_that_are(tree):
    root = tree({"valid/_annotations.coco.json": listed((1, "a.png"))["val.json"]})
    with pytest.raises(CamkitError, match=r"instances_val.json: cannot be read: .*; there are valid/_annotations.coco"):
        read_dataset("coco", root, "val")


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (6, 4, (4, 6)),
        ("6", "4", (4, 6)),
        (6.0, "4.0", (4, 6)),
        (None, None, None),
        (0, 0, None),
        ("", "", None),
        (0, 4, None),
    ],
)
def test_sizes(tree, width, height, size):
    square = [[1, 1, 3, 1, 3, 3, 1, 3]]
    content = json.loads(coco(annotation(1, 18, [1, 1, 2, 2], segmentation=square))["annotations/instances_val.json"])
    content["images"] = [{"id": 1, "file_name": "a.png", "width": width, "height": height}]
    [record] = read_dataset("coco", tree({"val.json": json.dumps(content), "val/a.png": (6, 4)}), "val").records
    assert record.size == size
    mask, _ = pickle.loads(pickle.dumps(record.read_mask))()  # of the image's own size where none is stated
    assert mask.astype(int).tolist() == [[0] * 6, [0, 1, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0] * 6]


@pytest.mark.parametrize(
    ("width", "height", "problem"),
    [
        (10**9, 10**9, "image 1: there is no image of 1e[+]09 x 1e[+]09 pixels; mend"),
        (-6, 4, "image 1: there is no image of -6 x 4 pixels"),
        (6.5, 4, "image 1: there is no image of 6.5 x 4 pixels"),
        ("wide", 4, "image 1: width 'wide' is no finite number"),
        (float("nan"), 4, "image 1: width nan is no finite number"),
        ([6], 4, "image 1: width .6. is no finite number"),
        ("9" * 5000, 4, "image 1: width '999.*[.]{3} is no finite number"),
    ],
)
def test_a_size_that_no_image_has_is_its_entrys_problem(tree, width, height, problem):
    content = json.loads(listed((1, "a.png"), (2, "b.png"))["val.json"])
    content["images"][0] |= {"width": width, "height": height}
    data = read_dataset(
        "coco", tree({"val.json": json.dumps(content), "val/a.png": (6, 4), "val/b.png": (6, 4)}), "val"
    )
    assert [record.image for record in data.records] == ["b.png"]
    assert re.search(problem, data.problems[0]), data.problems


def test_numbers_of_thousands_of_digits_are_their_entrys_problem(tree):
    text = listed((1, "a.png"), (2, "b.png"))["val.json"].replace('"bbox": [0, 0, 6, 4]', '"bbox": [0, 0, %s, 4]', 1)
    assert "%s" in text
    data = read_dataset(
        "coco", tree({"val.json": text % ("9" * 5000), "val/a.png": (6, 4), "val/b.png": (6, 4)}), "val"
    )
    assert [record.image for record in data.records] == ["b.png"]
    assert re.search("annotation 0: in bbox, '9+[.]{3} is no finite number", data.problems[0])


def test_orphans_are_problems_of_their_own(tree, summary):
    strays = annotation(9, 18, [0, 0, 1, 1]), annotation(None, 18, [0, 0, 1, 1]), 7, annotation([1], 18, [0, 0, 1, 1])
    data = read_dataset("coco", tree(coco(GOOD, *strays, images={1: "a.png"})), "val")
    assert summary(data) == WHOLE
    assert [problem.split("instances_val.json, ")[1] for problem in data.problems] == [
        "annotation 909: image 9 is none of those listed; mend either",
        "annotation 900: it has no image_id; add it",
        "annotations entry 4: it has no image_id; add it",
        "annotation 900: id [1] is no finite number; mend it",
    ]


def test_a_bad_annotation_does_not_take_the_others_with_it(tree, summary):
    square = [[1, 1, 3, 1, 3, 3, 1, 3]]
    empty = annotation(1, 18, [2, 2, 0, 1], segmentation=square)
    data = read_dataset(
        "coco",
        tree(
            coco(
                annotation(1, 18, [1, 1, 2, 2], segmentation=square),
                empty,
                annotation(1, 1, [0, 0, 6, 4], segmentation=square),
                images={1: "a.png"},
            )
        ),
        "val",
    )
    assert summary(data) == [("a.png", 0, [[0, 0, 6, 4]]), ("a.png", 1, [[1, 1, 3, 3]])]
    [problem] = data.problems
    assert "annotation 901: bbox [2, 2, 0, 1] has no width" in problem
    assert data.records[0].read_mask()[0].sum() == 4
    with pytest.raises(CamkitError, match=r"the mask lacks an object: .*annotation 901"):
        data.records[1].read_mask()  # its pixels would be called background


def test_a_box_is_read_off_the_segmentation_where_there_is_none(tree, summary):
    polygon = [[2, 1, 5.5, 1, 5.5, 3, 2, 3], [0, 0, 1, 0, 1, 1]]
    runs = {"size": [4, 6], "counts": [5, 2, 2, 2, 13]}  # rows 1 and 2 of columns 1 and 2
    for missing in ({}, {"bbox": None}, {"bbox": []}):
        whole = [annotation(1, 18, 0, segmentation=s) for s in (polygon, polygon[0], runs)]
        objects = [{key: thing[key] for key in thing if key != "bbox"} | missing for thing in whole]
        data = read_dataset("coco", tree(coco(*objects, images={1: "a.png"})), "val")
        assert (summary(data), data.problems) == ([("a.png", 1, [[0, 0, 5.5, 3], [2, 1, 5.5, 3], [1, 1, 3, 3]])], [])


@pytest.mark.parametrize("nothing", [None, [], [[]]])
def test_without_a_segmentation_there_is_no_mask(tree, nothing):
    [record] = read_dataset("coco", tree(coco({**GOOD, "segmentation": nothing}, images={1: "a.png"})), "val").records
    assert record.read_mask is None


@pytest.mark.parametrize("more", [{"annotations": []}, {"annotations": None}, None])
def test_a_test_split_has_images_alone(tree, summary, more):
    content = json.loads(coco()["annotations/instances_val.json"])
    content = {k: v for k, v in content.items() if k != "annotations"} if more is None else content | more
    data = read_dataset("coco", tree({**coco(), "annotations/instances_val.json": json.dumps(content)}), "val")
    assert (summary(data), data.problems) == ([("a.png", None, []), ("b.png", None, [])], [])


def test_labels_are_what_the_file_says(tree, summary):
    names = [{"id": 0, "name": "animals"}, {"id": 18, "name": "dog"}, {"id": 3, "name": "dog"}, {"id": 9}]
    data = read_dataset("coco", tree(coco(GOOD, images={1: "a.png"}, categories=names)), "val")
    assert (summary(data), data.class_names) == ([("a.png", 3, [[0, 0, 6, 4]])], ("animals", "dog", "9", "dog"))
    assert "category 9: it has no name; add it; until then it is called 9" in data.problems[0]
    names = [{"id": "wolf", "name": "Wolf"}, {"id": "18", "name": "dog"}, {"id": "ape", "name": "Ape"}]
    data = read_dataset("coco", tree(coco(GOOD, images={1: "a.png"}, categories=names)), "val")
    assert (summary(data), data.class_names, data.problems) == (WHOLE, ("Wolf", "dog", "Ape"), [])


def test_normalised_boxes_are_refused(tree):
    boxes = annotation(1, 18, [0.1, 0.1, 0.5, 0.9]), annotation(2, 1, [0, 0, 1, 1])
    with pytest.raises(CamkitError, match=r"all 2 boxes lie between 0 and 1, .* multiply x by the image's width"):
        read_dataset("coco", tree(coco(*boxes)), "val")
    data = read_dataset("coco", tree(coco(*boxes, annotation(2, 1, [0, 0, 2, 3]))), "val")
    assert [record.image for record in data.records] == ["b.png"]
    assert "its box 0.1, 0.1, 0.6, 1 lies in a fraction of the first pixel" in data.problems[0]


@pytest.mark.parametrize(("axis", "box"), [("x", [0.1, 2, 0.4, 9]), ("y", [2, 0.1, 9, 0.4])])
def test_boxes_normalised_along_one_axis_are_refused(tree, axis, box):
    with pytest.raises(CamkitError, match=f"all 2 boxes lie between 0 and 1 along {axis}, as shares"):
        read_dataset("coco", tree(coco(annotation(1, 18, box), annotation(2, 1, box))), "val")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"images": [\n{"id": 1,', r"instances_val.json, line 2: no JSON, or cut off"),
        ("[1]", "it has no list 'categories'"),
        (json.dumps({"categories": [{"id": 1}]}), "it has no list 'images'"),
        (json.dumps({"categories": []}), "its list of categories is empty"),
        (
            json.dumps({"categories": [{"name": "a"}]}),
            "categories entry 1: it has no id; add it; labels cannot be numbered",
        ),
        (
            json.dumps({"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}),
            "two categories have the same id",
        ),
        ("[" * 100_000, "instances_val.json: no JSON"),
        (coco(images={})["annotations/instances_val.json"], "lists no image of the split 'val'"),
        (coco(annotation(3, 18, [0, 0, 1, 1]))["annotations/instances_val.json"], "none of the 2 images can be used"),
    ],
)
def test_what_spoils_the_split_is_an_error(tree, text, error):
    with pytest.raises(CamkitError, match=error) as raised:
        read_dataset("coco", tree({**coco(GOOD), "annotations/instances_val.json": text}), "val")
    assert "\n" not in str(raised.value)


SQUARE = [1, 1, 3, 1, 3, 3, 1, 3]


@pytest.mark.parametrize(
    ("bbox", "polygon", "more", "problem"),
    [
        ([1, 1, 4, 2], [0.2, 0.25, 0.8, 0.25, 0.8, 0.75], {}, "lies between 0 and 1, .*, as its bbox"),
        ([1, 1, 4, 2], [0.2, 0.25, 0.8, 0.25, 0.8, 0.75], {"iscrowd": 1}, "lies between 0 and 1"),
        ([], [0.2, 0.25, 0.8, 0.25, 0.8, 0.75], {"iscrowd": 1}, "lies between 0 and 1"),
        ([5, 3, 1, 1], SQUARE, {}, "around 1, 1, 3, 3, lies outside its bbox"),
    ],
)
def test_a_segmentation_on_another_scale_than_its_bbox_is_named(tree, bbox, polygon, more, problem):
    """The annotation is left out with the reason: its mask would be empty, or of other pixels."""
    odd = annotation(2, 18, bbox, segmentation=[polygon], **more)
    data = read_dataset("coco", tree(coco(GOOD, odd, annotation(2, 1, [0, 0, 2, 2]))), "val")
    assert [(record.image, record.label) for record in data.records] == [("a.png", 1), ("b.png", 0)]
    (told,) = data.problems
    assert re.search(f"annotation.*{problem}", told)


def test_a_segmentation_in_pixels_beside_its_bbox_is_taken(tree):
    """Also where it is loose by a pixel, or an object lies in the first pixel."""
    small = [0, 0, 1, 0, 1, 0.75, 0, 0.75]
    for bbox, polygon in (([1, 1, 2, 2], SQUARE), ([3.5, 3, 1, 1], SQUARE), ([0, 0, 1, 1], small)):
        data = read_dataset("coco", tree(coco(GOOD, annotation(2, 18, bbox, segmentation=[polygon]))), "val")
        assert data.problems == []
        assert len(data.records) == 2


def test_a_mask_without_a_pixel_is_refused_and_not_taken_for_background(tree):
    nothing = {"size": [4, 6], "counts": [24]}
    root = tree(coco(GOOD, annotation(2, 18, [1, 1, 2, 2], segmentation=nothing)))
    _, record = read_dataset("coco", root, "val").records
    with pytest.raises(CamkitError, match="the mask has no pixel"):
        record.read_mask()
