"""A data set in one zip archive is the data set in the folder."""

import zipfile

import numpy as np
import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

CSV = "image,label,x0,y0,x1,y1\nb/2.png,1,0,0,5,5\na.png,0,1,1,9,9\nnone.png,0,1,1,9,9\n"
VOC = (
    "<annotation><size><width>20</width><height>10</height><depth>3</depth></size><object><name>dog</name>"
    "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>"
)


def same(folder, archive, name, split, summary):
    expected, found = read_dataset(name, folder, split), read_dataset(name, archive, split)
    assert summary(found) == summary(expected)
    assert [record.read() for record in found.records] == [record.read() for record in expected.records]
    assert found.class_names == expected.class_names
    assert [
        problem.replace(f"{archive}/another", str(archive)).replace(str(archive), "") for problem in found.problems
    ] == [problem.replace(str(folder), "") for problem in expected.problems]
    return found


def packed(folder, archive, top):
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, f"{top}{path.relative_to(folder).as_posix()}")
        file.writestr("__MACOSX/._a.png", "resource fork")


@pytest.mark.parametrize("top", ["", "val/", "another/"])
@pytest.mark.parametrize("images", ["images/", ""])
def test_csv(tree, summary, top, images):
    root = tree({"set/val.csv": CSV, f"set/{images}b/2.png": (20, 10), f"set/{images}a.png": (20, 10)}) / "set"
    packed(root, root.parent / "val.zip", top)
    found = same(root, root.parent / "val.zip", "csv", "val", summary)
    assert len(found.records) == 2
    assert ("val.zip" in found.problems[0]) == ("set" not in found.problems[0])


@pytest.mark.parametrize("top", ["", "VOC2012/"])
def test_voc(tree, summary, top):
    root = tree({"set/ImageSets/Main/val.txt": "a\n", "set/Annotations/a.xml": VOC}) / "set"
    tree({"set/JPEGImages/a.jpg": (20, 10, "JPEG")})
    packed(root, root.parent / "voc.zip", top)
    (record,) = same(root, root.parent / "voc.zip", "voc", "val", summary).records
    np.testing.assert_array_equal(record.boxes, [[1, 1, 9, 9]])


def test_what_is_wrong_is_said_of_the_archive(tree):
    root = tree({"set/train.csv": CSV, "plain.zip": "no archive"})
    packed(root / "set", root / "val.zip", "")
    with pytest.raises(CamkitError, match=r"val\.zip/val\.csv"):
        read_dataset("csv", root / "val.zip", "val")
    with pytest.raises(CamkitError, match=r"plain\.zip: it is a file"):
        read_dataset("cub", root / "plain.zip", "val")
    with zipfile.ZipFile(root / "bad.zip", "w") as file:
        file.writestr("../val.csv", CSV)
    with pytest.raises(CamkitError, match="leads out"):
        read_dataset("csv", root / "bad.zip", "val")
    assert not (root / "val.csv").exists()
