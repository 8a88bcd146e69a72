import re

import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

COLUMNS = "ImageId,PredictionString\n"


def xml(wnid, *corners):
    tags = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{tag}>{corner}</{tag}>" for tag, corner in zip(tags, corners, strict=True))
    size = "<size><width>10</width><height>8</height></size>"
    return f"<annotation>{size}<object><name>{wnid}</name><bndbox>{box}</bndbox></object></annotation>"


KAGGLE = {
    "LOC_synset_mapping.txt": "n01 tench, Tinca tinca\nn02 goldfish\nn03 shark\n",
    "LOC_val_solution.csv": COLUMNS + "val_2,n03 1 2 3 4 \nval_1,n02 0 0 9 7 n02 5 5 5 5 \n",
    "ILSVRC/Data/CLS-LOC/val/val_1.JPEG": (10, 8, "JPEG"),
    "ILSVRC/Data/CLS-LOC/val/val_2.JPEG": (10, 8, "JPEG"),
}
TORCHVISION = {
    "val/n01/val_1.JPEG": (10, 8, "JPEG"),
    "val/n03/val_2.JPEG": (10, 8, "JPEG"),
    "Annotations/CLS-LOC/val/val_1.xml": xml("n01", 0, 0, 9, 7),
    "Annotations/CLS-LOC/val/val_2.xml": xml("n03", 1, 2, 3, 4),
}


def test_kaggle_corners_count_from_0_and_are_inclusive(tree, zipped, summary):
    root = tree(KAGGLE)
    expected = [("val_1.JPEG", 1, [[0, 0, 10, 8], [5, 5, 6, 6]]), ("val_2.JPEG", 2, [[1, 2, 4, 5]])]
    data = read_dataset("ilsvrc", root, "val")
    assert (summary(data), data.class_names, data.problems) == (expected, ("n01", "n02", "n03"), [])
    zipped(root / "ILSVRC/Data/CLS-LOC/val")
    assert summary(read_dataset("ilsvrc", root, "val")) == expected
    (root / "LOC_synset_mapping.txt").unlink()  # then only the classes of the split are known
    assert read_dataset("ilsvrc", root, "val").class_names == ("n02", "n03")


def test_kaggle_xml_where_there_is_no_csv(tree, summary):
    root = tree(
        {
            **KAGGLE,
            "ILSVRC/Annotations/CLS-LOC/val/val_1.xml": xml("n02", 0, 0, 9, 7),
            "ILSVRC/Annotations/CLS-LOC/val/val_2.xml": xml("n04", 1, 2, 3, 4),
        }
    )
    (root / "LOC_val_solution.csv").unlink()
    data = read_dataset("ilsvrc", root, "val")
    assert summary(data) == [("val_1.JPEG", 1, [[0, 0, 10, 8]])]
    assert data.records[0].size == (8, 10)
    [problem] = data.problems
    assert problem.startswith(
        f"{root}/ILSVRC/Annotations/CLS-LOC/val/val_2.xml, object 1: 'n04' is none of the 3 classes;"
    )


@pytest.mark.parametrize("by_class", [False, True])
def test_torchvision_with_xml_and_without(tree, zipped, summary, by_class):
    files = dict(TORCHVISION)
    if by_class:
        files = {re.sub(r"val/val_1\.xml", "val/n01/val_1.xml", name): text for name, text in files.items()}
    root = tree(files)
    expected = [("n01/val_1.JPEG", 0, [[0, 0, 10, 8]]), ("n03/val_2.JPEG", 1, [[1, 2, 4, 5]])]
    data = read_dataset("ilsvrc", root, "val")
    assert (summary(data), data.class_names, data.problems) == (expected, ("n01", "n03"), [])
    (root / "Annotations").rename(root / "elsewhere")
    zipped(root / "val", "val/")
    assert summary(read_dataset("ilsvrc", root, "val")) == [(image, label, []) for image, label, _ in expected]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("val_1,n02 0 0 9 7\nval_2,n03 1 2 3\n", "line 3: 4 fields are no groups of wnid xmin ymin xmax ymax"),
        ("val_1,n02 0 0 9 7\nval_2,n09 1 2 3 4\n", "line 3, object 1: 'n09' is none of the 3 classes"),
        ("val_1,n02 0 0 9 7\nval_2,n03 1 2 3 x\n", "line 3, object 1: 'x' is not a number"),
        ("val_1,n02 0 0 9 7\nval_2,n03 5 2 3 4\n", "line 3, object 1: the box .* is empty"),
        ("val_1,n02 0 0 9 7\nval_2,n03 1 2 3 4 n02 1 2 3 4\n", "line 3, object 2: a second label: 1 after 2"),
        ("val_1,n02 0 0 9 7\nval_2\n", "line 3: it has 1 fields where 2 belong"),
        ("val_1,n02 0 0 9 7\n", "'val_2.JPEG': it has no box"),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, lines, problem):
    data = read_dataset("ilsvrc", tree({**KAGGLE, "LOC_val_solution.csv": COLUMNS + lines}), "val")
    [line] = data.problems
    assert re.search(problem, line), line
    assert [record.image for record in data.records] == ["val_1.JPEG"]


def test_what_spoils_the_split_is_an_error(tree):
    root = tree({**KAGGLE, "LOC_val_solution.csv": COLUMNS + "val_3,n02 0 0 9 7\n"})
    with pytest.raises(
        CamkitError, match=r"none of the 2 images can be used; the first: .*'val_1.JPEG': it has no box"
    ):
        read_dataset("ilsvrc", root, "val")
    with pytest.raises(CamkitError, match="no images: there is no folder"):
        read_dataset("ilsvrc", root, "train")
    tree({"LOC_val_solution.csv": "Image,Prediction\n"})
    with pytest.raises(CamkitError, match="line 1: the column 'ImageId' is missing"):
        read_dataset("ilsvrc", root, "val")
    (root / "ILSVRC/Data/CLS-LOC/train").mkdir()
    with pytest.raises(CamkitError, match="lists no image of the split 'train'"):
        read_dataset("ilsvrc", root, "train")


def test_an_empty_class_folder_would_renumber_the_classes(tree):
    root = tree(TORCHVISION)
    (root / "val" / "n02").mkdir()
    with pytest.raises(CamkitError, match="n02: the class folder holds no image"):
        read_dataset("ilsvrc", root, "val")
    (root / "LOC_synset_mapping.txt").write_text("n01 tench\nn02 goldfish\nn03 shark\n")
    assert read_dataset("ilsvrc", root, "val").class_names == ("n01", "n02", "n03")


def test_a_bad_object_does_not_take_the_others_with_it(tree, summary):
    lines = "val_2,n03 1 2 3 4 n03 5 5 4 4\nval_1,n02 0 0 9 7\nval_9,n02 0 0 9 7\n"
    data = read_dataset("ilsvrc", tree({**KAGGLE, "LOC_val_solution.csv": COLUMNS + lines}), "val")
    assert summary(data) == [("val_1.JPEG", 1, [[0, 0, 10, 8]]), ("val_2.JPEG", 2, [[1, 2, 4, 5]])]
    assert data.wnids == data.class_names
    bad, stray = data.problems
    assert "line 2, object 2: the box from 5, 5 to 4, 4 is empty" in bad
    assert "line 4: 'val_9' is none of the images" in stray


def test_a_line_that_is_cut_names_no_class(tree):
    root = tree({**KAGGLE, "LOC_val_solution.csv": COLUMNS + "val_1,n0x 1 2 3 4\nval_2,n03 1 2 3 4\n"})
    (root / "LOC_synset_mapping.txt").unlink()
    assert read_dataset("ilsvrc", root, "val").class_names == ("n03",)


def test_a_size_of_0_in_xml_is_not_known(tree):
    text = xml("n01", 0, 0, 9, 7).replace("<width>10</width><height>8</height>", "<width>0</width><height>0</height>")
    data = read_dataset("ilsvrc", tree({**TORCHVISION, "Annotations/CLS-LOC/val/val_1.xml": text}), "val")
    assert ([record.size for record in data.records], data.problems) == ([None, (8, 10)], [])
