"""Files broken at random: only the errors that are meant, and nothing else in the file suffers from one line."""

import json
import random
import re

import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError

EACH = 450  # mutations of one entry, for each set; and half as many of whole files
WILD = 225
NASTY = (
    "", " ", "0", "-1", "1.0", "3a", "1e999", "nan", "-inf", "1e400", "9" * 30, "9" * 5000, "0.5", "None", "null",
    "x" * 3000, "é", "²", "١", "../a.png", "/a.png", "a\\b.png", "C:/a.png", "a\0b", '"', "'", "<!DOCTYPE a>", "&x;",
    "\u2028", "%s",
)  # fmt: skip
NODES = (
    None, True, 0, -1, 1, 1.0, 2, 0.5, 1e300, 10**400, float("nan"), float("-inf"), "", "1", "01", "z", "b.png", "../x",
    "\0", "\ud800", "9" * 5000, [], [[]], [None], [1, 2, 3, 4], [[1, 1, 3]], {},
    {"size": [6, 8], "counts": "P"}, [[[[0]]]],
)  # fmt: skip
XML = (
    "<annotation><filename>{}.png</filename><size><width>8</width><height>6</height></size><object><name>{}</name><bndbox>"
    "<xmin>{}</xmin><ymin>1</ymin><xmax>7</xmax><ymax>5</ymax></bndbox></object></annotation>"
)
OBJECTS = {
    "images": [{"id": n, "file_name": f"{i}.png", "width": 8, "height": 6} for n, i in enumerate("abc", 1)],
    "categories": [{"id": 4, "name": "cat"}, {"id": 5, "name": "dog"}],
    "annotations": [
        {"id": 7, "image_id": 1, "category_id": 4, "bbox": [0, 0, 8, 6], "segmentation": [[0, 0, 8, 0, 8, 6]]},
        {"id": 8, "image_id": 2, "category_id": 5, "bbox": [1, 1, 2, 2], "iscrowd": 0},
        {"id": 9, "image_id": 3, "category_id": 4, "bbox": [2, 2, 2, 2]},
    ],
}
XMLS = {
    f"Annotations/{i}.xml": XML.format(i, name, n)
    for n, (i, name) in enumerate(zip("abc", ("dog", "cat", "dog"), strict=True), 1)
}
# Files of entries, one a line after the header; each image's key is in its first fields. The other files tell classes.
SETS = {
    "csv": ("csv", "val", "val.csv", {"val.csv": "image,label,x0,y0,x1,y1\na,1,0,0,8,6\nb,0,1,1,2,2\nc,1,2,2,4,4\n"}),
    "csv of names": (
        "csv",
        "val",
        "val.csv",
        {"val.csv": "image,name,x0,y0,x1,y1\na,z,0,0,8,6\nb,y,1,1,2,2\nc,z,2,2,4,4\n"},
    ),
    "wsol": (
        "wsol",
        "val",
        "val/image_ids.txt val/class_labels.txt val/image_sizes.txt val/localization.txt",
        {
            "val/image_ids.txt": "a\nb\nc\n",
            "val/class_labels.txt": "a,1\nb,0\nc,1\n",
            "val/image_sizes.txt": "a,8,6\nb,8,6\nc,0,0\n",
            "val/localization.txt": "a,0,0,7,5\nb,1,1,2,2\nc,2,2,3,3\n",
        },
    ),
    "cub": (
        "cub",
        "test",
        "images.txt train_test_split.txt image_class_labels.txt bounding_boxes.txt",
        {
            "images.txt": "a a\nb b\nc c\n",
            "train_test_split.txt": "a 0\nb 0\nc 0\n",
            "classes.txt": "1 auk\n2 ani\n",
            "image_class_labels.txt": "a 2\nb 1\nc 2\n",
            "bounding_boxes.txt": "a 0.0 0.0 7.0 5.0\nb 1.0 1.0 1.0 1.0\nc 2.0 2.0 1.0 1.0\n",
        },
    ),
    "tiny-imagenet": (
        "tiny-imagenet",
        "val",
        "boxes.csv",
        {
            "classes.csv": "label,wnid,imagenet_label,name\n0,n1,7,cat\n1,n2,3,dog\n",
            "boxes.csv": "image,split,label,x0,y0,x1,y1\na,val,1,0,0,7,5\nb,val,0,1,1,2,2\nc,val,1,2,2,3,3\n",
        },
    ),
    "tiny-imagenet, official": (
        "tiny-imagenet",
        "val",
        "val/val_annotations.txt",
        {
            "wnids.txt": "n2\nn1\n",
            "words.txt": "n1\tcat\nn2\tdog\n",
            "val/val_annotations.txt": "a\tn2\t0\t0\t7\t5\nb\tn1\t1\t1\t2\t2\nc\tn2\t2\t2\t3\t3\n",
        },
    ),
    "ilsvrc": (
        "ilsvrc",
        "val",
        "LOC_val_solution.csv",
        {
            "LOC_synset_mapping.txt": "n1 cat\nn2 dog\n",
            "LOC_val_solution.csv": "ImageId,PredictionString\na,n2 0 0 7 5\nb,n1 1 1 2 2\nc,n2 2 2 3 3\n",
        },
    ),
    "voc": ("voc", "val", "ImageSets/Main/val.txt", {"ImageSets/Main/val.txt": "a\nb\nc\n", **XMLS}),
    "voc, a folder": ("voc", "val", "", XMLS),
    "coco": ("coco", "val", "", {"val.json": json.dumps(OBJECTS)}),
    "tensorflow-csv": (
        "tensorflow-csv",
        "val",
        "val.csv",
        {
            "val.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\na,8,6,z,0,0,8,6\nb,8,6,y,1,1,2,2\n"
            "c,8,6,z,2,2,4,4\n"
        },
    ),
    "openimages-csv": (
        "openimages-csv",
        "val",
        "val.csv",
        {"val.csv": "ImageID,LabelName,XMin,XMax,YMin,YMax\na,z,0,1,0,1\nb,y,0.1,0.5,0.2,0.5\nc,z,0.5,1,0,0.5\n"},
    ),
    "fgvc-aircraft": (
        "fgvc-aircraft",
        "val",
        "images_variant_val.txt images_box.txt",
        {
            "variants.txt": "auk\nani\n",
            "images_variant_val.txt": "a auk\nb ani\nc auk\n",
            "images_box.txt": "a 1 1 8 6\nb 2 2 3 3\nc 3 3 4 4\n",
        },
    ),
    "nabirds": (
        "nabirds",
        "test",
        "train_test_split.txt image_class_labels.txt bounding_boxes.txt sizes.txt",
        {
            "images.txt": "a a\nb b\nc c\n",
            "train_test_split.txt": "a 0\nb 0\nc 0\n",
            "classes.txt": "1 auk\n2 ani\n",
            "image_class_labels.txt": "a 2\nb 1\nc 2\n",
            "bounding_boxes.txt": "a 0 0 8 6\nb 1 1 2 2\nc 2 2 1 1\n",
            "sizes.txt": "a 8 6\nb 8 6\nc 8 6\n",
        },
    ),
    "imagefolder": (
        "imagefolder",
        "val",
        "",
        {
            "metadata.jsonl": "".join(
                json.dumps({"file_name": f"{i}.png", "objects": {"bbox": [[1, 1, 4, 4]], "category": [n]}}) + "\n"
                for n, i in enumerate("abc")
            )
        },
    ),
    "createml": ("createml", "val", "", {"val.json": json.dumps([{"image": f"{i}.png", "annotations": [
        {"label": i, "coordinates": {"x": 4, "y": 3, "width": 2, "height": 2}}]} for i in "abc"])}),
    "via": ("via", "val", "", {"val.json": json.dumps({i: {"filename": f"{i}.png", "regions": [
        {"shape_attributes": {"name": "rect", "x": 1, "y": 1, "width": 3, "height": 2},
         "region_attributes": {"class": i}}]} for i in "abc"})}),
    "yolo": ("yolo", "val", "", {"data.yaml": "val: .\nnames: [z, y]\n", "a.txt": "0 0.5 0.5 1 1\n",
                                 "b.txt": "1 0.5 0.5 1 1\n", "c.txt": "0 0.5 0.5 0.25 0.25\n"}),
}  # fmt: skip
IMAGES = {
    "openimages-csv": "val/{}.jpg",
    "fgvc-aircraft": "images/{}.jpg",
    "nabirds": "images/{}",
    "tensorflow-csv": "{}",
    "cub": "images/{}",
    "tiny-imagenet, official": "val/images/{}",
    "tiny-imagenet": "val/{}",
    "ilsvrc": "val/{}.png",
}


@pytest.fixture
def made(tree, request):
    """A set's reader, split, root, entry files and all files; its images are a, b and c of 8 x 6 pixels."""
    name, split, entries, files = SETS[request.param]
    place = IMAGES.get(
        request.param, {"csv": "{}", "wsol": "images/{}", "voc": "JPEGImages/{}.png"}.get(name, "{}.png")
    )
    root = tree({**files, **{place.format(image): (8, 6) for image in "abc"}})
    return name, split, root, entries.split(), files


def values(data):
    """What is said of each image a, b, c: names of classes, and boxes; numbers where there are no names."""
    said = {}
    for record in data.records:
        label = record.label if data.class_names is None or record.label is None else data.class_names[record.label]
        key = record.image.rpartition("/")[2].partition(".")[0]
        said.setdefault(key, []).append((label, record.boxes.tolist(), record.size))
    return said


def read(made):
    name, split, root, *_ = made
    data = read_dataset(name, root, split)
    for problem in data.problems:
        assert problem.isprintable(), problem
        assert len(problem) < 2000
        assert re.search(r", line \d+|\.xml|annotation|image|category|'[abc].png'", problem), problem
        assert "; " in problem, f"it does not say what to do: {problem}"
    for record in data.records:
        assert record.boxes.shape[1] == 4
        assert (record.boxes[:, 2:] > record.boxes[:, :2]).all()
    return data


def edited(line, rng):
    """A line with one of its fields, or some of its characters, replaced, taken out or added."""
    kind = rng.randrange(6)
    if kind == 0:
        return line[: rng.randrange(len(line))]
    if kind == 1:
        at = rng.randrange(len(line))
        return line[:at] + rng.choice(NASTY) + line[at + rng.randrange(3) :]
    parts = re.split(r"([,\s<>]+)", line)
    at = rng.randrange(0, len(parts), 2)
    if kind == 2:
        del parts[at : at + 2]
    elif kind == 3:
        parts[at:at] = [parts[at], parts[1] if len(parts) > 1 else ","]
    else:
        parts[at] = rng.choice(NASTY)
    return "".join(parts)


def keys(line):
    return {part for part in re.split(r"[^\w]+", line) if part in ("a", "b", "c")}


TABLES = [name for name, (_, _, entries, _) in SETS.items() if entries]


@pytest.mark.parametrize("made", TABLES, indirect=True)
def test_one_line_is_its_own_problem(made):
    *_, root, entries, files = made
    whole = values(read(made))
    assert set(whole) == {"a", "b", "c"}
    rng = random.Random(0)
    for _ in range(EACH):
        file = rng.choice(entries)
        header = file.endswith(".csv")
        lines = files[file].splitlines()
        number = rng.randrange(header, len(lines))
        new = edited(lines[number], rng)
        touched = keys(lines[number]) | keys(new)
        changed = "\n".join([*lines[:number], new, *lines[number + 1 :]]) + "\n"
        (root / file).write_bytes(changed.encode())
        data = read(made)  # one line never spoils the others
        said = values(data)
        for image in {"a", "b", "c"} - touched:
            assert said.get(image) == whole[image], (file, new)
        lost = [image for image in touched if image not in said]
        boxes = sum(len(box) for each in said.values() for _, box, _ in each)
        if new.strip() and "\n" not in new and new != lines[number]:  # an empty line is no entry
            named = [p for p in data.problems if f"{file}, line {number + 1}" in p]
            assert named or boxes == 3 or data.problems, (file, new)
        for image in lost:
            listed = ["a", "b", "c"].index(image) + 1 + header
            where = rf", line ({listed}|{number + 1})\b|'{image}"
            gone = file == entries[0] and image not in keys(new)
            assert gone or any(re.search(where, problem) for problem in data.problems), (file, new, data.problems)
        (root / file).write_text(files[file])


@pytest.mark.parametrize("made", ["voc", "voc, a folder"], indirect=True)
def test_one_xml_file_is_its_own_problem(made):
    *_, root, _, files = made
    whole = values(read(made))
    rng = random.Random(0)
    for _ in range(EACH):
        file = rng.choice(list(XMLS))
        text = files[file]
        for _ in range(rng.randrange(1, 4)):
            text = edited(text or "x", rng)
        (root / file).write_bytes(text.encode())
        data = read(made)
        said = values(data)
        image = file[-5]
        for other in {"a", "b", "c"} - {image}:
            assert [(box, size) for _, box, size in said[other]] == [(box, size) for _, box, size in whole[other]]
            assert said[other][0][0] == whole[other][0][0]
        named = rf"{image}\.xml|val\.txt, line {'abc'.index(image) + 1}\b"
        assert image in said or any(re.search(named, problem) for problem in data.problems), text
        (root / file).write_text(files[file])


def replaced(content, rng, lists):
    """A copy with one value below an entry of some lists replaced, taken out, or doubled; and the images touched."""
    content = json.loads(json.dumps(content))
    name = rng.choice(lists)
    place = rng.randrange(len(content[name]))
    before = json.dumps(content[name][place])
    node, key = content[name], place
    while isinstance(node[key], list | dict) and node[key] and rng.random() < 0.85:
        node = node[key]
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
    kind = rng.randrange(4)
    if kind == 0:
        del node[key]
    elif kind == 1 and isinstance(node, list):
        node.insert(key, json.loads(json.dumps(node[key])))
    else:
        node[key] = rng.choice(NODES)
    after = json.dumps(content[name][place]) if place < len(content[name]) else ""
    return content, name, before + after


@pytest.mark.parametrize("made", ["coco"], indirect=True)
def test_one_entry_of_json_is_its_own_problem(made):
    *_, root, _, _ = made
    whole = values(read(made))
    rng = random.Random(0)
    for _ in range(3 * EACH):
        content, _, seen = replaced(OBJECTS, rng, ["images", "annotations"])
        (root / "val.json").write_text(json.dumps(content))
        data = read(made)
        said = values(data)
        # The images that the entry names, before or after, by file or by number.
        touched = {
            i for n, i in enumerate("abc", 1) if f"{i}.png" in seen or re.search(rf'[a-z_]*id": "?0?{n}\b', seen)
        }
        for image in {"a", "b", "c"} - touched:
            assert said.get(image) == whole[image], content
        boxes = sum(len(box) for each in said.values() for _, box, _ in each)
        crowds = sum(isinstance(a, dict) and a.get("iscrowd") in (1, "1", True) for a in content["annotations"])
        refused = sum(image not in said for image in "abc")
        assert boxes + crowds + refused + len(data.problems) >= max(3, len(content["annotations"])), content
        for image in set("abc") - set(said):
            still = any(isinstance(row, dict) and row.get("file_name") == f"{image}.png" for row in content["images"])
            assert data.problems or not still
        for record in data.records:
            if record.read_mask is not None:
                try:
                    mask, ignore = record.read_mask()
                except CamkitError as error:
                    said_of_mask = str(error)
                else:
                    said_of_mask = ""
                    assert mask.shape == ignore.shape == (6, 8)
                assert "\n" not in said_of_mask


@pytest.mark.parametrize("made", SETS, indirect=True)
def test_whatever_is_broken_only_meant_errors_are_raised(made):
    *_, root, _, files = made
    rng = random.Random(0)
    refused = 0
    for _ in range(WILD):
        file = rng.choice(list(files))
        content = files[file].encode()
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(content) + 1)
            piece = rng.choice(
                [rng.choice(NASTY).encode(), rng.randbytes(3), b"\xff\xfe", b"\n", b'"', b"[" * 2000, b"\0"]
            )
            content = content[:at] + piece + content[at + rng.choice((0, 0, 1, 2, len(content))) :]
        (root / file).write_bytes(content)
        reason = ""
        try:
            read(made)
        except CamkitError as error:
            reason = str(error)
            refused += 1
        assert reason.isprintable()
        assert len(reason) < 3000
        (root / file).write_bytes(files[file].encode())
    assert refused < WILD
