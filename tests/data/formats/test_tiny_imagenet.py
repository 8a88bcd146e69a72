import re
from collections import Counter

import pytest

from camkit.data import read_dataset, read_image
from camkit.errors import CamkitError

TABLE = {
    "boxes.csv": "split,image,label,wnid,x0,y0,x1,y1\n"
    "train,n2/n2_0.JPEG,1,n2,0,10,63,58\nval,n1/n1_3.JPEG,0,n1,5,6,5,7\n",
    "classes.csv": 'label,wnid,imagenet_label,name\n0,n1,25,"fire salamander, Salamandra"\n1,n2,1,goldfish\n',
    "train/n2/n2_0.JPEG": (64, 64, "JPEG"),
    "val/n1/n1_3.JPEG": (64, 64, "JPEG"),
}
OFFICIAL = {
    "wnids.txt": "n2\nn1\n",
    "val/val_annotations.txt": "val_0.JPEG\tn2\t0\t0\t63\t63\nval_1.JPEG\tn1\t5\t6\t5\t7\n",
    "val/images/val_0.JPEG": (64, 64, "JPEG"),
    "val/images/val_1.JPEG": (64, 64, "JPEG"),
    "train/n1/n1_boxes.txt": "n1_0.JPEG\t0\t1\t2\t3\n",
    "train/n1/images/n1_0.JPEG": (64, 64, "JPEG"),
    "train/n2/n2_boxes.txt": "n2_0.JPEG\t4\t5\t6\t7\n",
    "train/n2/images/n2_0.JPEG": (64, 64, "JPEG"),
}


def test_the_table_counts_from_0_and_is_inclusive(tree, zipped, summary):
    root = tree(TABLE)
    zipped(root / "val")
    data = read_dataset("tiny-imagenet", root, "val")
    assert summary(data) == [("n1/n1_3.JPEG", 0, [[5, 6, 6, 8]])]  # 1 x 2 pixels
    assert data.class_names == ("fire salamander, Salamandra", "goldfish")
    assert (data.imagenet_labels, data.wnids, data.problems) == ((25, 1), ("n1", "n2"), [])
    assert summary(read_dataset("tiny-imagenet", root, "train")) == [("n2/n2_0.JPEG", 1, [[0, 10, 64, 59]])]


def test_the_official_layout_counts_from_0_and_is_inclusive(tree, zipped, summary):
    root = tree(OFFICIAL)
    zipped(root / "val/images")
    data = read_dataset("tiny-imagenet", root, "val")
    assert summary(data) == [("val_0.JPEG", 1, [[0, 0, 64, 64]]), ("val_1.JPEG", 0, [[5, 6, 6, 8]])]
    assert (data.class_names, data.wnids) == (("n1", "n2"), ("n1", "n2"))
    assert (data.imagenet_labels, data.problems) == (None, [])
    assert summary(read_dataset("tiny-imagenet", root, "train")) == [
        ("n1/images/n1_0.JPEG", 0, [[0, 1, 3, 4]]),
        ("n2/images/n2_0.JPEG", 1, [[4, 5, 7, 8]]),
    ]


def test_words_name_the_classes(tree):
    words = "n0\tentity\nn1\tcrane\nn2\tgoldfish, Carassius auratus\nn3\tcrane\n"
    data = read_dataset("tiny-imagenet", tree({**OFFICIAL, "wnids.txt": "n2\nn1\nn3\nn4\n", "words.txt": words}), "val")
    assert data.class_names == ("crane (n1)", "goldfish, Carassius auratus", "crane (n3)", "n4")
    assert data.wnids == ("n1", "n2", "n3", "n4")
    assert [data.class_names[record.label] for record in data.records] == ["goldfish, Carassius auratus", "crane (n1)"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("val_1.JPEG\tn3\t1\t2\t3\t4\n", r"val_annotations\.txt, line 3: 'n3' is none of the 2 classes"),
        ("val_1.JPEG\tn1\t1\t2\t3\n", "line 3: it has 5 fields where 6 belong"),
        ("val_1.JPEG\tn1\t1\t2\t0\t4\n", "line 3: the box .* is empty"),
        ("val_0.JPEG\tn2\t1\t1\t2\t2\n", "line 3: 'val_0.JPEG' is listed a second time"),
        ("../wnids.txt\tn2\t1\t1\t2\t2\n", "line 3: .* leads out of"),
        ("val_7.JPEG\tn2\t1\t1\t2\t2\n", "line 3: .* there is no file 'val_7.JPEG'"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, summary, lines, problem):
    text = "val_0.JPEG\tn2\t0\t0\t63\t63\n\n" + lines
    data = read_dataset("tiny-imagenet", tree({**OFFICIAL, "val/val_annotations.txt": text}), "val")
    [line] = data.problems
    assert re.search(problem, line), line
    assert summary(data) == [("val_0.JPEG", 1, [[0, 0, 64, 64]])]


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("boxes.csv", "split,image,label,wnid,x0,y0,x1,y1\n", "lists no image of the split 'val'"),
        (
            "classes.csv",
            "label,wnid,imagenet_label,name\n0,n1,x,a\n",
            r"line 2: 'x' is not a whole number",
        ),
        (
            "classes.csv",
            "label,wnid,imagenet_label,name\n0,n1,1,a\n0,n2,2,b\n",
            r"line 3: a second class 0",
        ),
        ("classes.csv", "label,wnid,imagenet_label,name\n1,n1,1,a\n", "its labels do not count from 0"),
        (
            "classes.csv",
            "label,wnid,imagenet_label,name\n0,n1\n",
            r"line 2: it has 2 fields where 4 belong",
        ),
    ],
)
def test_what_spoils_the_split_is_an_error(tree, file, text, error):
    with pytest.raises(CamkitError, match=error):
        read_dataset("tiny-imagenet", tree({**TABLE, file: text}), "val")


def test_a_label_out_of_range_and_a_line_that_is_cut(tree):
    text = TABLE["boxes.csv"] + "val,n1/n1_4.JPEG,2,n1,5,6,5,7\nval,n1/n1_5.JPEG,0,n1,5"
    data = read_dataset("tiny-imagenet", tree({**TABLE, "boxes.csv": text}), "val")
    assert [problem.split("boxes.csv, ")[1] for problem in data.problems] == [
        "line 4: label 2 is none of the 2 classes, which count from 0; mend it or take it out",
        "line 5: it has 5 fields where 8 belong; it may be cut off",
    ]


def test_real_photographs(real):
    data = read_dataset("tiny-imagenet", real / "tiny-imagenet", "val")
    assert (len(data.records), data.problems) == (2500, [])
    assert Counter(record.label for record in data.records) == dict.fromkeys(range(100), 25)
    assert data.class_names[0].startswith("goldfish")
    assert data.imagenet_labels[:3] == (1, 25, 30)
    for record in data.records[::500]:
        assert read_image(record.read()).shape == (3, 64, 64)
        assert 0 <= record.boxes.min() < record.boxes.max() <= 64
