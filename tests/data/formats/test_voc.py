import re

import pytest

from camkit.data import read_dataset
from camkit.errors import CamkitError


def thing(name, *corners, difficult=0):
    tags = ("xmin", "ymin", "xmax", "ymax")
    box = "".join(f"<{tag}>{corner}</{tag}>" for tag, corner in zip(tags, corners, strict=True))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"


def xml(*things, size=(8, 6)):
    width, height = size
    head = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{head}{''.join(things)}</annotation>"


def voc(*images):
    files = {"ImageSets/Main/val.txt": "".join(f"{index}\n" for index in range(len(images)))}
    for index, content in enumerate(images):
        files[f"Annotations/{index}.xml"] = content
        files[f"JPEGImages/{index}.jpg"] = (8, 6, "JPEG")
    return files


GOOD = xml(thing("dog", 1, 1, 8, 6))


def test_corners_count_from_1_and_are_inclusive(tree, zipped, summary):
    root = tree(voc(xml(thing("sofa", 1, 1, 8, 6), thing("dog", 3, 2, 3, 2), thing("sofa", 2, 2, 4, 3)), GOOD))
    expected = [
        ("0.jpg", 11, [[2, 1, 3, 2]]),  # one pixel
        ("0.jpg", 17, [[0, 0, 8, 6], [1, 1, 4, 3]]),  # all of 8 x 6 pixels; 3 x 2
        ("1.jpg", 11, [[0, 0, 8, 6]]),
    ]
    data = read_dataset("voc", root, "val")
    assert summary(data) == expected
    assert [data.class_names[record.label] for record in data.records] == ["dog", "sofa", "dog"]
    assert (len(data.class_names), data.numbered) == (20, True)
    assert [record.size for record in data.records] == [(6, 8)] * 3
    zipped(root / "JPEGImages")
    assert summary(read_dataset("voc", root, "val")) == expected


def test_other_names_are_numbered_in_sorted_order(tree, summary):
    data = read_dataset("voc", tree(voc(xml(thing("zebra", 1, 1, 2, 2), thing("dog", 1, 1, 3, 3)))), "val")
    assert (data.class_names, data.numbered) == (("dog", "zebra"), False)
    assert [label for _, label, _ in summary(data)] == [0, 1]


def test_difficult_objects_are_left_out(tree, summary):
    hard = thing("cat", 1, 1, 2, 2, difficult=1)
    data = read_dataset("voc", tree(voc(xml(hard, thing("dog", 1, 1, 8, 6)), xml(hard))), "val")
    assert summary(data) == [("0.jpg", 11, [[0, 0, 8, 6]])]
    [problem] = data.problems
    assert problem.endswith("1.xml: all its objects are flagged difficult; take the image out")


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">]>'
    "<annotation><object><name>&y;</name></object></annotation>"
)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (BOMB, r"1\.xml: it has a document type declaration"),
        (GOOD[:-20], r"1\.xml: no well-formed XML: .*line 1, column"),
        (xml(), "line 2: '1.jpg': it has no object"),
        (xml(thing("dog", 1, 1, "x", 6)), r"1\.xml, object 1: bndbox/xmax is 'x', no number of pixels"),
        (xml(thing("dog", 1, 1, "1e999", 6)), r"1\.xml, object 1: bndbox/xmax is '1e999', no number of pixels"),
        (xml(thing("", 1, 1, 2, 2)), r"1\.xml, object 1: it has no name"),
        (xml("<object><name>dog</name></object>"), r"1\.xml, object 1: it has no bndbox; export"),
        (xml(thing("dog", 5, 1, 4, 6)), "the box .* is empty"),
        (xml(thing("dog", 1, 1, 10, 6)), "the box .* reaches outside the image of 8 x 6"),
        (xml(thing("dog", 1, 1, 8, 6), size=(-8, 6)), r"1\.xml: there is no image of -8 x 6 pixels"),
        (xml(thing("dog", 1, 1, 8, 6), size=(10**9, 10**9)), r"1\.xml: there is no image of 1e\+09 x 1e\+09 pixels"),
        (xml(thing("dog", 1, 1, 8, 6), size=("wide", 6)), r"1\.xml: size/width is 'wide', no number"),
        (xml(thing("dog", "1,5", 1, 8, 6)), r"object 1: bndbox/xmin is '1,5', no number of pixels"),
        (
            xml("<object><name>a</name><robndbox><cx>2</cx></robndbox></object>"),
            "object 1: it has no bndbox but a robndbox",
        ),
    ],
)
def test_what_is_wrong_with_an_image_is_one_line_and_the_others_stay(tree, content, problem):
    data = read_dataset("voc", tree(voc(GOOD, content)), "val")
    [line] = data.problems
    assert re.search(r"val\.txt, line 2", line)
    assert re.search(problem, line), line
    assert [record.image for record in data.records] == ["0.jpg"]


def test_ids_and_files(tree):
    root = tree({**voc(GOOD), "ImageSets/Main/val.txt": "0\n../0\n/0\n7\n0\n"})
    problems = read_dataset("voc", root, "val").problems
    assert [problem.split("val.txt, ")[1][:36] for problem in problems] == [
        "line 2: '../0' leads out of the data",
        "line 3: '/0' leads out of the data s",
        f"line 4, {root}"[:36],
        "line 5: '0' is listed a second time ",
    ]
    with pytest.raises(CamkitError, match=r"test\.txt: cannot be read"):
        read_dataset("voc", root, "test")
    tree({"ImageSets/Main/val.txt": "\n"})
    with pytest.raises(CamkitError, match="lists no image of the split 'val'"):
        read_dataset("voc", root, "val")


DOG = xml(thing("dog", 1, 1, 8, 6))
BOX = [[0, 0, 8, 6]]


@pytest.mark.parametrize("ending", [".JPG", ".jpeg", ".png", ".PNG", ".bmp", ".webp"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_image_of_any_kind_belongs_to_its_xml(tree, zipped, summary, ending, packed):
    kind = {".JPG": "JPEG", ".jpeg": "JPEG"}.get(ending, ending[1:].upper())
    root = tree({"ImageSets/Main/val.txt": "a\n", "Annotations/a.xml": DOG, f"JPEGImages/a{ending}": (8, 6, kind)})
    if packed:
        zipped(root / "JPEGImages", "JPEGImages/")
    data = read_dataset("voc", root, "val")
    assert (summary(data), data.problems) == ([(f"a{ending}", 11, BOX)], [])
    assert data.records[0].read()


def named(filename):
    return DOG.replace("<annotation>", f"<annotation><filename>{filename}</filename>")


@pytest.mark.parametrize(
    ("filename", "images", "meant"),
    [
        ("b.png", ["a.png", "b.png"], "a.png"),  # the XML's own name counts
        ("b.png", ["b.png"], "b.png"),  # nothing has it
        (r"C:\photos\b.png", ["b.png"], "b.png"),
        ("a.png", ["a.bmp", "a.png"], "a.png"),
        ("", ["a.bmp", "a.jpg"], "a.jpg"),
        ("", ["a.bmp", "a.png"], None),
        ("../../b.png", ["a.bmp"], "a.bmp"),
    ],
)
def test_filename_counts_where_the_name_leaves_it_open(tree, summary, filename, images, meant):
    files = {f"JPEGImages/{image}": (8, 6) for image in images}
    text = named(filename)
    root = tree({**files, "JPEGImages/c.png": (8, 6), "ImageSets/Main/val.txt": "a\nc\n"})
    tree({"Annotations/a.xml": text, "Annotations/c.xml": DOG})
    data = read_dataset("voc", root, "val")
    if meant is None:
        assert "'a.bmp' and 'a.png' both have its name; take one out" in data.problems[0]
    else:
        assert (summary(data)[0], data.problems) == ((meant, 11, BOX), [])


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size></size>",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>8</width></size>",
        "<size><width></width><height> </height></size>",
    ],
)
def test_a_size_that_is_not_stated_is_not_known(tree, size):
    text = f"<annotation>{size}{thing('dog', 1, 1, 8, 6)}</annotation>"
    data = read_dataset("voc", tree(voc(text)), "val")
    assert ([record.size for record in data.records], data.problems) == ([None], [])


def test_a_bad_object_does_not_take_the_others_with_it_nor_renumber_the_classes(tree, summary):
    text = xml(thing("bee", 5, 5, 4, 6), thing("dog", 1, 1, 8, 6), thing("", 1, 1, 2, 2), thing("cat", 2, 2, 3, 3))
    data = read_dataset("voc", tree(voc(text)), "val")
    assert (summary(data), data.class_names) == (
        [("0.jpg", 1, [[1, 1, 3, 3]]), ("0.jpg", 2, BOX)],
        ("bee", "cat", "dog"),
    )
    assert [problem.split("0.xml, ")[1] for problem in data.problems] == [
        "object 1: the box from 5, 5 to 4, 6 is empty; mend it or take it out",
        "object 3: it has no name; add it",
    ]


LAYOUTS = {
    "val in one folder (Roboflow)": ("val", {"val/a.xml": DOG, "val/a.jpg": (8, 6, "JPEG"), "train/b.xml": DOG}),
    "val in two folders": ("val", {"val/Annotations/a.xml": DOG, "val/images/a.jpg": (8, 6, "JPEG")}),
    "two folders": ("val", {"Annotations/a.xml": DOG, "JPEGImages/a.jpg": (8, 6, "JPEG")}),
    "images": ("val", {"Annotations/a.xml": DOG, "images/a.jpg": (8, 6, "JPEG")}),
    "one folder": ("any", {"a.xml": DOG, "a.jpg": (8, 6, "JPEG")}),
    "a list with endings": (
        "val",
        {"ImageSets/Main/val.txt": "a.jpg\n", "Annotations/a.xml": DOG, "JPEGImages/a.jpg": (8, 6, "JPEG")},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tree, summary, layout):
    split, files = LAYOUTS[layout]
    data = read_dataset("voc", tree(files), split)
    assert (summary(data), data.problems) == ([("a.jpg", 11, BOX)], [])


def test_in_a_folder_images_without_xml_and_xml_without_image_are_problems(tree):
    root = tree({"a.xml": DOG, "b.xml": DOG, "c.xml": DOG.replace("<size>", "<_>").replace("</size>", "</_>")})
    tree({"a.png": (8, 6), "d.png": (8, 6), "d.txt": ""})
    data = read_dataset("voc", root, "val")
    assert [record.image for record in data.records] == ["a.png", "b.jpg"]  # maps can do without the image b
    assert [problem.removeprefix(str(root))[:44] for problem in data.problems] == [
        "/c.xml: 'c.jpg': there is no file 'c.jpg' in"[:44],
        "/d.xml: the annotation cannot be read: No su"[:44],
    ]


def test_splits_that_are_not_there_are_told_from_those_that_are(tree):
    root = tree({**voc(DOG), "ImageSets/Main/train.txt": "0\n"})
    with pytest.raises(CamkitError, match=r"no folder 'test' of XML files in .*; there are train, val; check"):
        read_dataset("voc", root, "test")
    with pytest.raises(CamkitError, match=r"no folder 'test' of XML files in .*; there are train, val; check"):
        read_dataset("voc", tree({"r/train/a.xml": DOG, "r/val/a.xml": DOG}) / "r", "test")


def test_encodings_of_several_bytes(tree):
    root = tree(voc(DOG, DOG, DOG))
    text = xml(thing("犬", 1, 1, 8, 6))
    (root / "Annotations/0.xml").write_bytes(('<?xml version="1.0" encoding="gb2312"?>' + text).encode("gb2312"))
    (root / "Annotations/1.xml").write_bytes(('<?xml version="1.0" encoding="UTF-16"?>' + text).encode("utf-16"))
    (root / "Annotations/2.xml").write_bytes(b'<?xml version="1.0" encoding="none"?>' + text.encode())
    data = read_dataset("voc", root, "val")
    assert ([record.label for record in data.records], data.class_names) == ([0, 0], ("犬",))
    assert "2.xml: no well-formed XML: " in data.problems[0]


def test_normalised_corners_are_refused(tree):
    with pytest.raises(CamkitError, match=r"all 2 boxes lie between 0 and 1, .*multiply x by the image's width"):
        read_dataset("voc", tree(voc(xml(thing("dog", 0.1, 0.2, 0.5, 1)), xml(thing("dog", 0, 0, 1, 1)))), "val")
