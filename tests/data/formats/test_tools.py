"""What annotation tools export: what each form means, and that every entry is a record or a problem of its own."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from camkit.data import read_dataset
from camkit.data.formats.polygons import mask_from_polygon, polygon_points
from camkit.errors import CamkitError

PHOTO = (8, 6)


def told(data, root):
    """Problems without the folder, and where they are."""
    return [problem.replace(f"{root}/", "").partition(": ") for problem in data.problems]


def turned(width, height):
    """A JPEG that is stored on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.new("RGB", (width, height)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def yolo(tree, labels, yaml="val: images\nnames: [ape, cat]\n", **more):
    files = {f"labels/{name}.txt": text for name, text in labels.items()}
    return tree({"data.yaml": yaml, **{f"images/{name}.png": PHOTO for name in labels}, **files, **more})


def test_yolo_boxes_polygons_and_turned_boxes(tree, summary):
    polygon = [0.125, 1 / 3, 0.625, 1 / 3, 0.625, 0.5, 0.125, 2 / 3]
    root = yolo(tree, {"a": f"1 {' '.join(map(str, polygon))}\n", "b": "0 0.5 0.5 1.0 1.0\n0 0.25 0.25 0.5 0.5\n"})
    data = read_dataset("yolo", root, "val")
    assert [(image, label, np.round(boxes, 6).tolist()) for image, label, boxes in summary(data)] == [
        ("a.png", 1, [[1, 2, 5, 4]]),
        ("b.png", 0, [[0, 0, 8, 6], [0, 0, 4, 3]]),
    ]
    pixels = np.array(polygon).reshape(-1, 2) * PHOTO
    mask, ignore = data.records[0].read_mask()
    assert mask.tolist() == mask_from_polygon(polygon_points(pixels.ravel()), (6, 8)).tolist()
    assert mask.any()
    assert not ignore.any()
    assert data.records[1].read_mask is None
    assert (data.upright, data.class_names, data.numbered) == (True, ("ape", "cat"), True)


def test_yolo_of_an_image_on_its_side(tree, summary):
    root = yolo(tree, {"a": "0 0.5 0.25 1 0.5\n"})
    (root / "images/a.png").write_bytes(turned(8, 6))  # upright it is 6 wide and 8 high
    data = read_dataset("yolo", root, "val")
    assert summary(data) == [("a.png", 0, [[0, 0, 6, 4]])]
    assert data.records[0].size == (8, 6)


def test_yolo_an_object_within_the_first_pixel_is_one(tree):
    data = read_dataset("yolo", yolo(tree, {"a": "0 0.0625 0.0625 0.0625 0.125\n"}), "val")
    np.testing.assert_allclose(data.records[0].boxes, [[0.25, 0, 0.75, 0.75]], atol=1e-9)


def test_yolo_key_points_follow_the_box(tree, summary):
    yaml = "val: images\nnames: {0: ape}\nkpt_shape: [2, 2]\n"
    root = yolo(tree, {"a": "0 0.5 0.5 1 1 0.1 0.1 0.9 0.9\n"}, yaml)
    assert summary(read_dataset("yolo", root, "val")) == [("a.png", 0, [[0, 0, 8, 6]])]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("2 0.5 0.5 1 1", "class 2 is none of the 2 in data.yaml; "),
        ("x 0.5 0.5 1 1", "'x' is not a whole number; "),
        ("0 4 3 8 6", "4 does not lie between 0 and 1, as shares of the image's sides do; divide"),
        ("0 0.5 0.5 0 1", "the box .* is empty; "),
        ("0 0.5 0.5 1 1 0.9", "6 fields are neither class xc yc width height nor .*; it may be cut off"),
        ("0 0.5 0.5", "3 fields are neither"),
        ("0 0.5 nan 1 1", "'nan' is not a number"),
    ],
)
def test_yolo_a_broken_line_is_its_own_problem(tree, summary, line, problem):
    root = yolo(tree, {"a": f"0 0.5 0.5 1 1\n{line}\n", "b": "1 0.5 0.5 1 1\n"})
    data = read_dataset("yolo", root, "val")
    assert summary(data) == [("a.png", 0, [[0, 0, 8, 6]]), ("b.png", 1, [[0, 0, 8, 6]])]
    [(where, _, said)] = told(data, root)
    assert where == "labels/a.txt, line 2"
    assert re.match(problem, said), said


def test_yolo_images_without_labels_and_labels_without_images(tree, summary):
    root = yolo(tree, {"a": "0 0.5 0.5 1 1\n"}, **{"images/b.png": PHOTO, "labels/c.txt": "0 0.5 0.5 1 1\n",
                                                    "labels/classes.txt": "ape\ncat\n"})  # fmt: skip
    (root / "images/d.png").write_bytes(b"no image")
    data = read_dataset("yolo", root, "val")
    assert [image for image, _, _ in summary(data)] == ["a.png"]
    assert [(where, said[:24]) for where, _, said in told(data, root)] == [
        (f"{root}/images"[len(str(root)) + 1 :], "'b.png': it has no objec"),
        ("images", "'d.png': cannot read 'd."),
        ("labels/c.txt", "no image has its name; a"),
    ]


def test_yolo_lists_several_places_and_path(tree, summary):
    files = {"set/a/images/x.png": PHOTO, "set/a/labels/x.txt": "0 0.5 0.5 1 1\n", "set/b/images/x.png": PHOTO,
             "set/b/labels/x.txt": "1 0.5 0.5 1 1\n", "set/val.txt": "./b/images/x.png\nb/images/y.png\n",
             "data.yaml": "path: set\ntrain: [a/images, b/images]\nval: val.txt\n"
                          "names:\n  0: ape\n  1: cat\n"}  # fmt: skip
    root = tree(files)
    assert summary(read_dataset("yolo", root, "train")) == [
        ("a/images/x.png", 0, [[0, 0, 8, 6]]),
        ("b/images/x.png", 1, [[0, 0, 8, 6]]),
    ]
    data = read_dataset("yolo", root, "val")
    assert summary(data) == [("b/images/x.png", 1, [[0, 0, 8, 6]])]
    assert [(where, "y.png" in said) for where, _, said in told(data, root)] == [("set/val.txt, line 2", True)]


@pytest.mark.parametrize(
    ("yaml", "reason"),
    [
        ("val: images\n", "has no names of classes"),
        ("val: images\nnames: {0: ape, 2: cat}\n", "the name of class 1 is missing, so its classes are not numbered"),
        ("val: images\nnames: {0: ape, 0: cat}\n", "line 2: no YAML: the key '0' is there twice"),
        ("val: images\nnames: {0: ape, 1: [cat]}\n", "one of its names is no text"),
        ("val: pictures\nnames: [ape]\n", "'pictures' is neither a folder nor a list of images"),
        ("names: [ape]\ntrain: images\n", "names no images of the split 'val'; there are train"),
        ("val: images\nnames: [ape\n", "no YAML: "),
        ("- ape\n", "is no table of names and splits"),
        ("val: images\nnames: &a [*a]\n", "no YAML|is no text"),
    ],
)
def test_yolo_what_spoils_the_split_is_one_line(tree, yaml, reason):
    with pytest.raises(CamkitError, match=reason) as raised:
        read_dataset("yolo", yolo(tree, {"a": "0 0.5 0.5 1 1\n"}, yaml), "val")
    assert "\n" not in str(raised.value)


def test_tensorflow_csv_one_line_is_its_own_problem(tree, summary):
    rows = ["a.png,8,6,cat,0,0,8,6", "a.png,8,6,ape,4,4,2,2", "b.png,8,6,,0,0,2,2", "c.png,9,6,cat,0,0,2,2",
            "c.png,8,6,cat,0,0,2,2", "a.png,8,6,cat,1,1,12,3", "d.png,8,6,cat,0,0,2"]  # fmt: skip
    text = "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", *rows[:5], rows[6]])
    root = tree({"train/_annotations.csv": text, **{f"train/{name}.png": PHOTO for name in "abcd"}})
    data = read_dataset("tensorflow-csv", root, "train")
    assert (summary(data), data.class_names) == ([("a.png", 1, [[0, 0, 8, 6]])], ("ape", "cat"))
    places = [where.removeprefix("train/_annotations.csv, ") for where, _, _ in told(data, root)]
    assert places == ["line 3", "line 4", "line 6", "line 7"]
    (root / "train/_annotations.csv").write_text(
        "\n".join(["filename,width,height,class,xmin,ymin,xmax,ymax", rows[5]])
    )
    with pytest.raises(CamkitError, match="reaches outside the image of 8 x 6 pixels"):
        read_dataset("tensorflow-csv", root, "train")


def test_openimages_csv_one_line_is_its_own_problem(tree, summary):
    header = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
    rows = ["a,/m/1,0,1,0,1,0", "a,/m/1,0.5,0.5,0,1,0", "a,/m/1,0,8,0,6,0", "b,/m/2,0,1,0,1,1", "c,/m/1,0,1,0,1,0",
            "a,,0,1,0,1,0", "a,/m/1,0,1,0,1,7", "a,/m/2,0.5,1,0.5,1,-1"]  # fmt: skip
    root = tree({"test-annotations-bbox.csv": header + "\n".join(rows), "test/a.jpg": PHOTO, "test/b.jpg": PHOTO})
    data = read_dataset("openimages-csv", root, "test")
    assert summary(data) == [("a.jpg", 0, [[0, 0, 8, 6]]), ("a.jpg", 1, [[4, 3, 8, 6]])]
    said = [(where.rpartition(", ")[2], reason) for where, _, reason in told(data, root)]
    assert [where for where, _ in said] == ["line 3", "line 4", "line 7", "line 8", "line 5", "line 6"]
    assert "all its objects are crowds" in said[4][1]
    assert "there is no file 'c.jpg'" in said[5][1]
    assert (data.class_names, data.numbered) == (("/m/1", "/m/2"), False)


def test_openimages_csv_two_classes_of_one_name_stay_two(tree):
    root = tree({"v.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,0,1,0,1\na,/m/2,0,1,0,1\n", "v/a.jpg": PHOTO,
                 "oidv7-class-descriptions.csv": "LabelName,DisplayName\n/m/1,Bat\n/m/2,Bat\n"})  # fmt: skip
    assert read_dataset("openimages-csv", root, "v").class_names == ("Bat (/m/1)", "Bat (/m/2)")


def via(tree, *regions, project=False, name="a.png"):
    images = {f"{name}1": {"filename": name, "size": 1, "regions": list(regions)}}
    content = {"_via_settings": {}, "_via_img_metadata": images} if project else images
    return tree({"via_project_7.json": json.dumps(content), "a.png": PHOTO})


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes or {"class": "cat"}}


RECT = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 2}
CIRCLE = {"name": "circle", "cx": 4, "cy": 3, "r": 2}
ELLIPSE = {"name": "ellipse", "cx": 4, "cy": 3, "rx": 2, "ry": 1, "theta": np.pi / 2}


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize(("shape", "box"), [(RECT, [1, 2, 4, 4]), (CIRCLE, [2, 1, 6, 5]), (ELLIPSE, [3, 1, 5, 5])])
def test_via_shapes(tree, shape, box, project):
    data = read_dataset("via", via(tree, region(shape), project=project), "val")
    np.testing.assert_allclose(data.records[0].boxes, [box], atol=1e-9)
    if shape is RECT:
        assert data.records[0].read_mask is None
    else:
        mask, _ = data.records[0].read_mask()
        y, x = np.mgrid[:6, :8] + 0.5
        rx, ry = (2, 2) if shape is CIRCLE else (1, 2)
        assert (mask != (((x - 4) / rx) ** 2 + ((y - 3) / ry) ** 2 <= 1)).sum() <= 2  # the outline's own pixels


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (region({"name": "point", "cx": 1, "cy": 1}), "its shape 'point' encloses no pixels; draw"),
        (region({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}), "a polygon is not three or more"),
        (region({"name": "polygon", "all_points_x": [1], "all_points_y": [1, 2]}), "are not two lists of one length"),
        (region({**RECT, "width": 0}), "the box .* is empty"),
        (region({**RECT, "x": "left"}), "x 'left' is no finite number"),
        (region(RECT, **{"class": ""}), "its class is no class; fill it in"),
        (region(RECT, **{"class": {"cat": True, "dog": True}}), "its class is no class"),
        ([], "its class is no class"),
        (region({**CIRCLE, "r": 0}), "a circle of radius 0 encloses no pixels"),
    ],
)
def test_via_a_broken_region_is_its_own_problem(tree, summary, bad, problem):
    root = via(tree, region(RECT), bad)
    data = read_dataset("via", root, "val")
    assert summary(data) == [("a.png", 0, [[1, 2, 4, 4]])]
    [(where, _, said)] = told(data, root)
    assert where == "via_project_7.json, image 'a.png1', region 1"
    assert re.search(problem, said), said


def test_via_which_attribute_is_the_class(tree):
    several = [region(RECT, name="balloon", type="unknown", label="cat"), region(RECT, label={"dog": True})]
    assert read_dataset("via", via(tree, *several), "val").class_names == ("cat", "dog")
    with pytest.raises(CamkitError, match="attributes name, type; call the one that is the class 'class'"):
        read_dataset("via", via(tree, region(RECT, name="balloon", type="unknown")), "val")
    with pytest.raises(CamkitError, match="no region has an attribute that names its class"):
        read_dataset("via", via(tree, {"shape_attributes": RECT}), "val")
    three = tree({"via_3.json": json.dumps({"project": {}, "metadata": {}, "file": {}})})
    with pytest.raises(CamkitError, match="it is a project of VIA 3"):
        read_dataset("via", three / "via_3.json", "val")


@pytest.mark.parametrize(
    ("written", "name"),
    [(3, "3"), (3.0, "3"), (0.5, "0.5"), (1234567, "1234567"), (1234567.0, "1234567"), (10**400, f"1{400 * '0'}"),
     (" cat ", "cat")],
)  # fmt: skip
def test_via_numbers_as_classes(tree, written, name):
    data = read_dataset("via", via(tree, region(RECT, label="dog"), region(RECT, label=written)), "val")
    assert set(data.class_names) == {"dog", name}


def test_createml_one_entry_is_its_own_problem(tree, summary):
    good = {"label": "cat", "coordinates": {"x": 4, "y": 3, "width": 8, "height": 6}}
    empty = {"label": "ape", "coordinates": {"x": 1, "y": 1, "width": 0, "height": 1}}
    bad = [{"label": "", "coordinates": {}}, {"label": "ape"}, empty, 7]
    content = [{"image": "a.png", "annotations": [good, *bad]}, {"annotations": [good]}, 5,
               {"imagefilename": "b.png", "annotation": [good]}, {"image": "c.png", "annotations": []}]  # fmt: skip
    root = tree({"val.json": json.dumps(content), "val/a.png": PHOTO, "val/b.png": PHOTO, "val/c.png": PHOTO})
    data = read_dataset("createml", root, "val")
    assert summary(data) == [("a.png", 1, [[0, 0, 8, 6]]), ("b.png", 1, [[0, 0, 8, 6]])]
    places = [where.removeprefix("val.json, ") for where, _, _ in told(data, root)]
    assert places == [*(f"image 1, object {n}" for n in (2, 3, 4, 5)), "image 5", "image 2", "image 3"]
    assert data.class_names == ("ape", "cat")  # a broken box does not renumber


def folder(tree, *rows):
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    return tree({"val/metadata.jsonl": text, **{f"val/{name}.png": PHOTO for name in "abcd"}})


def test_imagefolder_forms(tree, summary):
    rows = [
        {"file_name": "a.png", "objects": {"bbox": [[0, 0, 8, 6], [1, 2, 3, 3]], "category": ["cat", "ape"]}},
        {"file_name": "b.png", "objects": [{"bbox": [1, 2, 3, 3], "label": "cat",
                                            "segmentation": [[1, 2, 4, 2, 4, 5, 1, 5]]}]},
        {"file_name": "c.png", "label": "ape"},
    ]  # fmt: skip
    data = read_dataset("imagefolder", folder(tree, *rows), "val")
    assert summary(data) == [
        ("a.png", 0, [[1, 2, 4, 5]]), ("a.png", 1, [[0, 0, 8, 6]]), ("b.png", 1, [[1, 2, 4, 5]]), ("c.png", 0, [])
    ]  # fmt: skip
    assert (data.class_names, data.numbered, data.problems) == (("ape", "cat"), False, [])
    assert data.records[2].read_mask()[0].sum() == 9


def test_imagefolder_one_line_is_its_own_problem(tree, summary):
    good = {"file_name": "a.png", "objects": {"bbox": [[0, 0, 8, 6]], "categories": [3]}}
    rows = [
        good, "{cut", {"objects": []}, {**good, "file_name": "z.png"},
        {"file_name": "b.png", "objects": {"bbox": [[0, 0, 8, 6]], "categories": [1, 2]}},
        {"file_name": "c.png", "objects": {"bbox": [[0, 0, 8, 6], [1, 1, 2], [1, 1, 2, 2]],
                                           "categories": ["4.0", 1, "x"]}},
        {"file_name": "d.png", "objects": {"bbox": [], "categories": []}},
    ]  # fmt: skip
    root = folder(tree, *rows)
    data = read_dataset("imagefolder", root, "val")
    assert summary(data) == [("a.png", 3, [[0, 0, 8, 6]]), ("c.png", 4, [[0, 0, 8, 6]])]
    places = [where.removeprefix("val/metadata.jsonl, ") for where, _, _ in told(data, root)]
    assert sorted(places) == ["line 2", "line 3", "line 4", "line 5", "line 6, object 2", "line 6, object 3", "line 7"]
    assert data.class_names is None


def test_boxes_csv_with_several_classes_an_image_reads_back(tree, summary):
    text = ("image,width,height,rank,label,name,score,x0,y0,x1,y1,tau\na.png,8,6,1,3,cat,0.9,0,0,8,6,0.1\n"
            "a.png,8,6,2,1,ape,0.1,1,2,4,5,0.1\na.png,8,6,1,3,cat,0.9,4,4,8,6,0.1\n"
            "b.png,8,6,1,0,bee,0.9,0,0,0,0,0\n")  # fmt: skip
    root = tree({"boxes.csv": text, "images/a.png": PHOTO, "images/b.png": PHOTO})
    data = read_dataset("csv", root / "boxes.csv", "val")
    assert summary(data) == [("a.png", 1, [[1, 2, 4, 5]]), ("a.png", 3, [[0, 0, 8, 6], [4, 4, 8, 6]])]
    [problem] = data.problems
    assert "boxes.csv, line 5: the box from 0, 0 to 0, 0 is empty; " in problem


def test_train_of_ilsvrc_has_images_with_boxes_and_without(tree, summary):
    solution = "ImageId,PredictionString\nn01_1,n01 0 0 7 5 \n"
    files = {f"ILSVRC/Data/CLS-LOC/train/{wnid}/{wnid}_{n}.JPEG": PHOTO for wnid in ("n01", "n02") for n in (1, 2)}
    root = tree({"LOC_train_solution.csv": solution, **files})
    expected = [("n01/n01_1.JPEG", 0, [[0, 0, 8, 6]]), ("n01/n01_2.JPEG", 0, []), ("n02/n02_1.JPEG", 1, []),
                ("n02/n02_2.JPEG", 1, [])]  # fmt: skip
    data = read_dataset("ilsvrc", root, "train")
    assert (summary(data), data.problems) == (expected, [])
    box = "<bndbox><xmin>0</xmin><ymin>0</ymin><xmax>7</xmax><ymax>5</ymax></bndbox>"
    annotation = f"<annotation><object><name>n01</name>{box}</object></annotation>"
    (root / "LOC_train_solution.csv").unlink()
    tree({"ILSVRC/Annotations/CLS-LOC/train/n01/n01_1.xml": annotation})
    assert summary(read_dataset("ilsvrc", root, "train")) == expected
    broken = annotation.replace("<xmax>7", "<xmax>-7")
    tree({"ILSVRC/Annotations/CLS-LOC/train/n01/n01_1.xml": broken})
    data = read_dataset("ilsvrc", root, "train")
    assert len(data.records) == 4
    assert [problem.partition(": ")[0].rpartition("/")[2] for problem in data.problems] == ["n01_1.xml, object 1"]
