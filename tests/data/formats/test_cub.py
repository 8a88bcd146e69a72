import re

import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

FOLDER = {
    "CUB/images.txt": "1 001.Albatross/a.png\n2 001.Albatross/b.png\n3 002.Auk/c.png\n4 002.Auk/d.png\n",
    "CUB/train_test_split.txt": "1 0\n2 1\n3 0\n4 1\n",
    "CUB/classes.txt": "1 001.Albatross\n2 002.Auk\n",
    "CUB/image_class_labels.txt": "1 1\n2 1\n3 2\n4 2\n",
    "CUB/bounding_boxes.txt": "1 0.0 0.0 4.0 2.0\n2 1.0 1.0 2.0 1.0\n3 2.0 1.0 1.0 0.0\n4 0.0 0.0 1.0 1.0\n",
    **{f"CUB/images/{name}.png": (5, 3) for name in ("001.Albatross/a", "001.Albatross/b", "002.Auk/c", "002.Auk/d")},
}
VOTES = [[0, 51, 102, 153, 255], [0, 0, 127, 128, 0], [0, 0, 0, 0, 0]]


def test_corners_count_from_0_and_the_far_one_is_inside(tree, summary):
    root = tree(FOLDER) / "CUB"
    data = read_dataset("cub", root, "test")
    assert summary(data) == [
        ("001.Albatross/a.png", 0, [[0, 0, 5, 3]]),  # all of the 5 x 3 pixels
        ("002.Auk/c.png", 1, [[2, 1, 4, 2]]),  # 2 x 1 pixels
    ]
    assert (data.class_names, data.problems) == (("001.Albatross", "002.Auk"), [])
    assert all(record.read_mask is None for record in data.records)
    assert summary(read_dataset("cub", root, "train")) == [
        ("001.Albatross/b.png", 0, [[1, 1, 4, 3]]),
        ("002.Auk/d.png", 1, [[0, 0, 2, 2]]),
    ]


def test_a_box_that_ends_past_its_image_is_clipped_as_in_the_public_lists(tree, summary):
    # As line 272 of the official file: of 500 x 375 pixels, written 0 0 500 375, in the public lists 0 0 499 374.
    boxes = "1 0.0 0.0 5.0 3.0\n2 1.0 1.0 2.0 1.0\n3 2.0 1.0 9.0 1.0\n4 0.0 0.0 1.0 1.0\n"
    data = read_dataset("cub", tree({**FOLDER, "CUB/bounding_boxes.txt": boxes}) / "CUB", "test")
    assert summary(data) == [("001.Albatross/a.png", 0, [[0, 0, 5, 3]]), ("002.Auk/c.png", 1, [[2, 1, 5, 3]])]
    assert ([record.size for record in data.records], data.problems) == ([(3, 5)] * 2, [])


def test_an_annotation_of_no_image_is_a_problem_of_its_own(tree):
    boxes = FOLDER["CUB/bounding_boxes.txt"] + "9 1 1 1 1\n"
    root = tree({**FOLDER, "CUB/bounding_boxes.txt": boxes}) / "CUB"
    data = read_dataset("cub", root, "test")
    assert len(data.records) == 2
    assert [problem.split(" that ")[0] for problem in data.problems] == [
        f"{root}/bounding_boxes.txt, line 5: '9' is none of the images"
    ]


@pytest.mark.parametrize("place", ["CUB/segmentations", "segmentations"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_object_is_where_more_than_half_voted_for_it(tree, zipped, place, packed):
    root = tree({**FOLDER, f"{place}/001.Albatross/a.png": VOTES})
    if packed:
        zipped(root / place, "segmentations/")
        zipped(root / "CUB/images")
    data = read_dataset("cub", root / "CUB", "test")
    [record] = data.records
    mask, ignore = record.read_mask()
    assert mask.nonzero()[0].tolist() == [0, 0, 1]
    assert mask.nonzero()[1].tolist() == [3, 4, 3]
    assert not ignore.any()
    [problem] = data.problems
    assert re.search(r"images.txt, line 3: '002.Auk/c.png': there is no file '002.Auk/c.png'", problem)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("images.txt", "002.Auk/c.png", "../c.png", r"images.txt, line 3: '../c.png': .*leads out of"),
        ("images.txt", "3 002.Auk/c.png", "3", r"images.txt, line 3: it has 1 fields where 2 belong"),
        ("image_class_labels.txt", "3 2", "3 3", r"image_class_labels.txt, line 3: class 3 is none of the 2"),
        ("image_class_labels.txt", "3 2", "3 0", r"image_class_labels.txt, line 3: class 0 is none of the 2"),
        ("image_class_labels.txt", "3 2\n", "", r"images.txt, line 3: '002.Auk/c.png': it has no label"),
        ("bounding_boxes.txt", "3 2.0 1.0 1.0 0.0", "3 2.0 1.0", r"bounding_boxes.txt, line 3: it has 3 fields"),
        (
            "bounding_boxes.txt",
            "3 2.0 1.0 1.0 0.0",
            "3 2.0 1.0 -1 0.0",
            r"bounding_boxes.txt, line 3: the box .* empty",
        ),
        ("bounding_boxes.txt", "3 2.0 1.0 1.0 0.0\n", "3 2 1 1 0\n3 2 1 1 0\n", r"boxes.txt, line 4: a second box"),
        ("bounding_boxes.txt", "3 2.0 1.0 1.0 0.0\n", "", r"images.txt, line 3: '002.Auk/c.png': it has no box"),
        (
            "bounding_boxes.txt",
            "3 2.0 1.0 1.0 0.0\n",
            "3 5 1 1 0\n",
            r"line 3: .* its box lies outside the image of 5 x 3",
        ),
        (
            "train_test_split.txt",
            "3 0",
            "3",
            r"images.txt, line 3: .*split.txt, line 3: it has 1 fields where 2 belong",
        ),
        ("train_test_split.txt", "3 0", "3 2", r"images.txt, line 3: .*split.txt, line 3: '2' is neither 1 nor 0"),
        ("train_test_split.txt", "3 0", "3 0\n3 1", r"split.txt, line 4: the image is in the other split already"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, file, old, new, problem):
    assert old in FOLDER[f"CUB/{file}"]
    data = read_dataset("cub", tree({**FOLDER, f"CUB/{file}": FOLDER[f"CUB/{file}"].replace(old, new)}) / "CUB", "test")
    [line] = data.problems
    assert re.search(problem, line), line
    assert [record.image for record in data.records] == ["001.Albatross/a.png"]


def test_an_image_of_no_split_is_a_problem_of_each(tree):
    root = tree({**FOLDER, "CUB/images.txt": FOLDER["CUB/images.txt"] + "5 x.png\n"}) / "CUB"
    for split in ("train", "test"):
        data = read_dataset("cub", root, split)
        assert len(data.records) == 2
        assert data.problems == [
            f"{root}/images.txt, line 5: train_test_split.txt does not name the image; add it there"
        ]


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("train_test_split.txt", "1 1\n2 1\n3 1\n4 1\n", "lists no image of the split 'test'"),
        ("classes.txt", "1 a\n3 b\n", "classes.txt: its classes are not numbered from 1"),
        ("classes.txt", "1 a\n2\n", "classes.txt, line 2: it has 1 fields where 2 belong"),
        ("bounding_boxes.txt", "1 0 0 0.5 1\n3 0.1 0.1 0.5 0.5\n", "all 2 boxes lie between 0 and 1"),
    ],
)
def test_what_spoils_the_split_is_an_error(tree, file, text, error):
    with pytest.raises(CamkitError, match=error) as raised:
        read_dataset("cub", tree({**FOLDER, f"CUB/{file}": text}) / "CUB", "test")
    assert "\n" not in str(raised.value)


def test_what_is_missing_is_named(tree):
    root = tree(FOLDER) / "CUB"
    with pytest.raises(CamkitError, match="no split 'val': use train or test"):
        read_dataset("cub", root, "val")
    (root / "bounding_boxes.txt").unlink()
    with pytest.raises(CamkitError, match=r"bounding_boxes\.txt: cannot be read: No such file"):
        read_dataset("cub", root, "test")
