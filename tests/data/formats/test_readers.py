import json
import pickle
import unicodedata
import zipfile

import numpy as np
import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

IMAGES = {"a.png": (8, 6)}
XML = (
    "<annotation><size><width>8</width><height>6</height></size><object><name>{}</name><bndbox>"
    "<xmin>1</xmin><ymin>1</ymin><xmax>7</xmax><ymax>5</ymax></bndbox></object></annotation>"
)
# Two images each, and every file that is read as text.
SETS = {
    "wsol": {
        "val/image_ids.txt": "a.png\nb.png\n",
        "val/class_labels.txt": "a.png,0\nb.png,1\n",
        "val/image_sizes.txt": "a.png,8,6\nb.png,8,6\n",
        "val/localization.txt": "a.png,0,0,7,5\nb.png,1,1,2,2\n",
    },
    "cub": {
        "images.txt": "1 a.png\n2 b.png\n",
        "train_test_split.txt": "1 0\n2 0\n",
        "classes.txt": "1 auk\n2 ani\n",
        "image_class_labels.txt": "1 1\n2 2\n",
        "bounding_boxes.txt": "1 0.0 0.0 7.0 5.0\n2 1.0 1.0 1.0 1.0\n",
    },
    "csv": {"val.csv": 'image,label,x0,y0,x1,y1\na.png,"cat, big",0,0,8,6\nb.png,dog,1,1,2,2\n'},
    "voc": {
        "ImageSets/Main/val.txt": "a\nb\n",
        "Annotations/a.xml": XML.format("dog"),
        "Annotations/b.xml": XML.format("cat"),
    },
    "coco": {
        "val.json": '{"images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}], '
        '"categories": [{"id": 5, "name": "cat"}], "annotations": [{"image_id": 1, "category_id": 5, '
        '"bbox": [0, 0, 8, 6]}, {"image_id": 2, "category_id": 5, "bbox": [1, 1, 1, 1]}]}'
    },
    "tiny-imagenet": {
        "classes.csv": "label,wnid,imagenet_label,name\n0,n1,7,cat\n1,n2,3,dog\n",
        "boxes.csv": "split,image,label,x0,y0,x1,y1\nval,a.png,0,0,0,7,5\nval,b.png,1,1,1,2,2\n",
    },
    "ilsvrc": {
        "LOC_synset_mapping.txt": "n1 cat\nn2 dog\n",
        "LOC_val_solution.csv": "ImageId,PredictionString\na,n1 0 0 7 5 \nb,n2 1 1 2 2 \n",
    },
}
PLACES = {"wsol": "images", "cub": "images", "voc": "JPEGImages"}


@pytest.mark.parametrize(
    ("name", "split", "error"),
    [
        ("imagenet", "val", "data set 'imagenet' is unknown: use one of coco, createml, csv, cub"),
        ("csv", "../val", "split '../val' is no name"),
        ("csv", "", "split '' is no name"),
        ("csv", "test", r"test\.csv: cannot be read: No such file"),
    ],
)
def test_names_and_splits(tree, name, split, error):
    with pytest.raises(CamkitError, match=error):
        read_dataset(name, tree(IMAGES), split)


def test_a_root_that_is_not_there(tmp_path):
    with pytest.raises(CamkitError, match="there is no such folder; check --root"):
        read_dataset("csv", tmp_path / "x", "val")


@pytest.mark.parametrize("name", SETS)
def test_wherever_a_file_is_cut_nothing_is_lost_in_silence(tree, name):
    suffix, split = ".jpg" if name == "voc" else ".png", "test" if name == "cub" else "val"
    images = {f"{PLACES.get(name, 'val')}/{image}{suffix}": (8, 6) for image in "ab"}
    if name == "csv":
        images = {"images/a.png": (8, 6), "images/b.png": (8, 6)}
    root = tree({**SETS[name], **images})
    whole = read_dataset(name, root, split)
    assert (len(whole.records), whole.problems) == (2, [])
    refused = partly = 0
    lines = {0}
    for file, text in SETS[name].items():
        for end in range(len(text)):
            (root / file).write_text(text[:end])
            try:
                data = read_dataset(name, root, split)
            except CamkitError as error:
                refused += 1
                lines.add(str(error).count("\n"))
                continue
            used = {record.image for record in data.records}
            # A listing that is cut lists less; nothing else may take an image away.
            listing = file in ("val/image_ids.txt", "val.csv", "ImageSets/Main/val.txt", "boxes.csv", "images.txt")
            assert len(used) + len(data.problems) >= 2 or listing
            assert used <= {record.image for record in whole.records}
            for record in data.records:
                [other] = (each for each in whole.records if each.image == record.image)
                at_the_end = text[:end].rpartition("\n")[2]  # the line that is cut may have lost digits
                assert record.label == other.label or file == "val.csv" or at_the_end
            partly += bool(data.problems)
        (root / file).write_text(text)
    assert refused
    assert lines == {0}
    assert partly or name == "coco"


@pytest.mark.parametrize(
    ("settings", "split", "error"),
    [
        ("n=2.5", "val", "shapes does not know 'n=2.5'"),
        ("n=-1", "val", "shapes does not know 'n=-1'"),
        ("size", "val", "shapes does not know 'size'"),
        ("n=1,colour=3", "val", "shapes does not know 'colour=3'"),
        ("n=1", "valid", "shapes has no split 'valid': use one of train, val, test"),
    ],
)
def test_settings_of_shapes(settings, split, error):
    with pytest.raises(CamkitError, match=error):
        read_dataset("shapes", settings, split)


def test_shapes_are_drawn_as_asked_and_splits_differ():
    data = read_dataset("shapes", "n=6,size=48,classes=3,seed=5", "val")
    assert [record.label for record in data.records] == [0, 1, 2, 0, 1, 2]
    assert (len(data.class_names), data.problems) == (3, [])
    record = pickle.loads(pickle.dumps(data.records[4]))
    mask, ignore = record.read_mask()
    rows, columns = np.nonzero(mask)
    assert mask.shape == record.size == (48, 48)
    assert record.boxes.tolist() == [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
    assert not ignore.any()
    others = [read_dataset("shapes", "n=6,size=48,classes=3,seed=5", split).records for split in ("train", "test")]
    assert len({records[4].read() for records in (data.records, *others)}) == 3


@pytest.mark.parametrize("name", ["csv", "coco", "voc"])
def test_a_name_in_another_unicode_form_or_with_backslashes_is_found(tree, name):
    composed, apart = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    for listed, lies in ((composed, apart), (apart, composed)):
        files = {
            "csv": {"val.csv": f"image,label,x0,y0,x1,y1\nsub\\{listed}.png,1,0,0,8,6\n"},
            "coco": {
                "val.json": json.dumps(
                    {
                        "images": [{"id": 1, "file_name": f"sub\\{listed}.png"}],
                        "categories": [{"id": 1, "name": "cat"}],
                        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 8, 6]}],
                    }
                )
            },
            "voc": {"ImageSets/Main/val.txt": f"sub/{listed}\n", f"Annotations/sub/{listed}.xml": XML.format("dog")},
        }[name]
        root = tree({f"{lies}/{file}": text for file, text in files.items()}) / lies
        tree({f"{lies}/{'JPEGImages/' if name == 'voc' else ''}sub/{lies}.png": (8, 6)})
        data = read_dataset(name, root, "val")
        assert data.problems == []
        assert data.records[0].read()[:4] == b"\x89PNG"


@pytest.mark.parametrize("litter", [["__MACOSX/JPEGImages/._a.jpg", "JPEGImages/.DS_Store"], []])
@pytest.mark.parametrize("top", ["JPEGImages/", "photos/", ""])
def test_an_archive_as_file_managers_pack_it(tree, zipped, top, litter):
    root = tree({"ImageSets/Main/val.txt": "a\n", "Annotations/a.xml": XML.format("dog"), "x/a.jpg": (8, 6, "JPEG")})
    with zipfile.ZipFile(root / "JPEGImages.zip", "w") as archive:
        archive.write(root / "x/a.jpg", f"{top}a.jpg")
        for name in litter:
            archive.writestr(name, b"x")
    data = read_dataset("voc", root, "val")
    assert data.problems == []
    assert data.records[0].read()[:2] == b"\xff\xd8"
