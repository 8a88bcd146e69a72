import re

import numpy as np
import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

SPLIT = {
    "meta/val/image_ids.txt": "a/1.png\na/2.png\nb/3.png\n",
    "meta/val/class_labels.txt": "a/1.png,0\na/2.png,0\nb/3.png,7\n",
    "meta/val/image_sizes.txt": "a/1.png,20,10\na/2.png,20,10\nb/3.png,8,9\n",
    "meta/val/localization.txt": "a/1.png,2,3,19,9\na/2.png,0,0,0,0\nb/3.png,1,2,3,4\na/2.png,5,1,6,3\n",
    "meta/images/a/1.png": (20, 10),
    "meta/images/a/2.png": (20, 10),
    "meta/images/b/3.png": (8, 9),
}


def test_corners_are_inclusive_and_count_from_0(tree, summary):
    data = read_dataset("wsol", tree(SPLIT) / "meta", "val")
    assert summary(data) == [
        ("a/1.png", 0, [[2, 3, 20, 10]]),  # to the last pixels, 19 and 9
        ("a/2.png", 0, [[0, 0, 1, 1], [5, 1, 7, 4]]),  # one pixel; 2 x 3 pixels
        ("b/3.png", 7, [[1, 2, 4, 5]]),
    ]
    assert [record.size for record in data.records] == [(10, 20), (10, 20), (9, 8)]
    assert (data.name, data.split, data.class_names, data.problems, data.upright) == ("wsol", "val", None, [], False)
    assert all(record.boxes.dtype == np.float64 and record.read_mask is None for record in data.records)


def test_images_where_the_public_code_has_them(tree, zipped, summary):
    files = {name.replace("meta/images", "dataset/CUB"): content for name, content in SPLIT.items()}
    files = {name.replace("meta/", "metadata/CUB/"): content for name, content in files.items()}
    root = tree(files)
    before = summary(read_dataset("wsol", root / "metadata/CUB", "val"))
    zipped(root / "dataset/CUB", "CUB/")
    data = read_dataset("wsol", root / "metadata/CUB", "val")
    assert summary(data) == before
    assert data.records[0].read()[:4] == b"\x89PNG"


@pytest.mark.parametrize("text", [None, "", "\n"])
def test_without_localization_or_with_an_empty_one_there_are_labels_alone(tree, summary, text):
    root = tree(SPLIT) / "meta"
    (root / "val/localization.txt").unlink()
    if text is not None:
        (root / "val/localization.txt").write_text(text)
    assert summary(read_dataset("wsol", root, "val")) == [("a/1.png", 0, []), ("a/2.png", 0, []), ("b/3.png", 7, [])]


def test_a_size_of_0_is_not_known_and_one_line_does_not_make_boxes_of_masks(tree, summary):
    files = {**SPLIT, "meta/val/image_sizes.txt": "a/1.png,0,0\na/2.png,20.0,10\nb/3.png,8,0\n"}
    files["meta/val/localization.txt"] = "a/1.png,m.png,\n" + SPLIT["meta/val/localization.txt"]
    data = read_dataset("wsol", tree(files) / "meta", "val")
    assert [record.size for record in data.records] == [None, (10, 20), None]
    assert summary(data)[0] == ("a/1.png", 0, [[2, 3, 20, 10]])
    [problem] = data.problems
    assert "localization.txt, line 1: it has 3 fields where 5 belong" in problem


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("image_ids.txt", "b/3.png\n", "b/3.png\n../x.png\n", r"image_ids.txt, line 4: '../x.png': .*leads out of"),
        ("image_ids.txt", "b/3.png\n", "b/3.png\n/x.png\n", r"image_ids.txt, line 4: '/x.png': .*leads out of"),
        ("image_ids.txt", "b/3.png\n", "b/3.png\na/1.png\n", r"image_ids.txt, line 4: 'a/1.png' is listed a second"),
        ("image_ids.txt", "b/3.png\n", "b/3.png\nb/4.png\n", r"image_ids.txt, line 4: 'b/4.png': there is no file"),
        ("class_labels.txt", "b/3.png,7", "b/3.png,seven", r"class_labels.txt, line 3: 'seven' is not a whole number"),
        ("class_labels.txt", "b/3.png,7", "b/3.png,-1", r"class_labels.txt, line 3: '-1' is not a whole number"),
        ("class_labels.txt", "b/3.png,7", "b/3.png", r"class_labels.txt, line 3: it has 1 fields where 2 belong"),
        ("class_labels.txt", "b/3.png,7\n", "", r"image_ids.txt, line 3: 'b/3.png': it has no label"),
        ("class_labels.txt", "b/3.png,7", "b/3.png,7\nb/3.png,8", r"class_labels.txt, line 4: a second label: 8"),
        ("image_sizes.txt", "b/3.png,8,9", "b/3.png,8,x", r"image_sizes.txt, line 3: 'x' is not a whole number"),
        (
            "image_sizes.txt",
            "b/3.png,8,9",
            "b/3.png,999999999,999999999",
            r"line 3: there is no image of 1e\+09 x 1e\+09",
        ),
        ("image_sizes.txt", "b/3.png,8,9", "b/3.png,8,9\nb/3.png,9,9", r"line 4: a second size: 9 x 9 after 8 x 9"),
        ("class_labels.txt", "b/3.png,7", "b/3.png," + "7" * 5000, r"line 3: '777.*\.\.\. is not a whole number"),
        (
            "localization.txt",
            "b/3.png,1,2,3,4",
            "b/3.png,1,2,3,4\nc/1.png,1,2,3,4",
            r"localization.txt, line 4: 'c/1.png' is none of the im",
        ),
        (
            "class_labels.txt",
            "b/3.png,7",
            "b/3.png,7\nc/1.png,1",
            r"class_labels.txt, line 4: 'c/1.png' is none of the im",
        ),
        ("localization.txt", "b/3.png,1,2,3,4\n", "", r"image_ids.txt, line 3: 'b/3.png': it has no box"),
        ("localization.txt", "b/3.png,1,2,3,4", "b/3.png,1,2", r"localization.txt, line 3: it has 3 fields where 5"),
        ("localization.txt", "b/3.png,1,2,3,4", "b/3.png,1,2,3,x", r"localization.txt, line 3: 'x' is not a number"),
        ("localization.txt", "b/3.png,1,2,3,4", "b/3.png,1,2,3,nan", r"line 3: 'nan' is not a number"),
        ("localization.txt", "b/3.png,1,2,3,4", "b/3.png,3,2,2,4", r"localization.txt, line 3: the box .* is empty"),
        ("localization.txt", "b/3.png,1,2,3,4", "b/3.png,1,2,9,4", r"line 3: 'b/3.png': the box .* reaches outside"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, file, old, new, problem):
    text = SPLIT[f"meta/val/{file}"]
    assert old in text
    root = tree({**SPLIT, f"meta/val/{file}": text.replace(old, new)}) / "meta"
    data = read_dataset("wsol", root, "val")
    [line] = data.problems
    assert "\n" not in line
    assert re.search(problem, line), line
    assert "; " in line, "what to do"
    listed = set((root / "val/image_ids.txt").read_text().split())
    assert {record.image for record in data.records} >= {"a/1.png", "a/2.png"}
    if "c/1.png" not in line and "second time" not in line:
        assert len(data.records) + len(data.problems) == len(listed)


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("image_ids.txt", "", "lists no image of the split 'val'"),
        ("localization.txt", "a/1.png\n", r"localization.txt: no line is id,x0,y0,x1,y1 or id,mask_path,ignore_path"),
        (
            "localization.txt",
            "a/1.png,0,0,0,0\na/2.png,0,0.5,1,1\n",
            "all 2 boxes lie between 0 and 1, .* multiply x by",
        ),
        ("class_labels.txt", "a/1.png,x\na/2.png,x\nb/3.png,x\n", "none of the 3 images can be used; the first: .*'x'"),
    ],
)
def test_what_spoils_the_split_is_an_error(tree, file, text, error):
    files = {**SPLIT, f"meta/val/{file}": text}
    if file == "image_ids.txt":
        files = {name: "" if name.endswith(".txt") else content for name, content in files.items()}
    root = tree(files)
    with pytest.raises(CamkitError, match=error) as raised:
        read_dataset("wsol", root / "meta", "val")
    assert "\n" not in str(raised.value)


def test_masks_are_united_and_ignore_gives_way_to_them(tree):
    root = tree(
        {
            "oi/test/image_ids.txt": "test/x/1.png\ntest/x/2.png\ntest/x/3.png\ntest/x/4.png\n",
            "oi/test/class_labels.txt": "".join(f"test/x/{n}.png,3\n" for n in (1, 2, 3, 4)),
            "oi/test/localization.txt": (
                "test/x/1.png,test/x/1_a.png,test/x/1_ignore.png\n"
                "test/x/1.png,test/x/1_b.png,\n"
                "test/x/2.png,test/x/2_a.png,\n"
                "test/x/4.png,test/x/none.png,\n"
            ),
            **{f"oi/images/test/x/{n}.png": (3, 2) for n in (1, 2, 3, 4)},
            "oi/masks/test/x/1_a.png": [[255, 0, 0], [0, 0, 0]],
            "oi/masks/test/x/1_b.png": [[0, 1, 0], [0, 0, 0]],
            "oi/masks/test/x/1_ignore.png": [[255, 255, 255], [0, 0, 255]],
            "oi/masks/test/x/2_a.png": [[0, 0, 0], [0, 255, 0]],
        }
    )
    data = read_dataset("openimages", root / "oi", "test")
    first, second = data.records
    mask, ignore = first.read_mask()
    assert mask.tolist() == [[True, True, False], [False, False, False]]
    assert ignore.tolist() == [[False, False, True], [False, False, True]]
    mask, ignore = second.read_mask()
    assert mask.tolist() == [[False, False, False], [False, True, False]]
    assert not ignore.any()
    assert [problem.split(": ", 1)[1] for problem in data.problems] == [
        "'test/x/3.png': it has no mask; mend it or take it out",
        f"there is no file 'test/x/none.png' in {root / 'oi/masks'}; mend it or take it out",
    ]
    tree({"oi/masks/test/x/1_b.png": [[0, 1], [0, 0]]})
    with pytest.raises(CamkitError, match="another of the same image"):
        first.read_mask()
    tree({"oi/masks/test/x/1_b.png": "no image"})
    with pytest.raises(CamkitError, match="cannot read the mask"):
        first.read_mask()
