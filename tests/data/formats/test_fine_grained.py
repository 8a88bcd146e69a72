"""Fine-grained sets and ImageNet-S: every entry is a record or a named problem, and what spoils a set is one line."""

import numpy as np
import pytest
from data_examples import EXAMPLES, PHOTO, cells, encoded, structs, write, xml

from camkit.data import read_dataset
from camkit.errors import CamkitError, UnreadableImage


def example(tmp_path, name, **changed):
    return write(tmp_path, EXAMPLES[name][1] | {key.replace("__", "/"): value for key, value in changed.items()})


def accounts(data):
    """How many images gave records, and the files that problems name."""
    return len({record.image for record in data.records}), [
        p.partition(": ")[0].rpartition("/")[2] for p in data.problems
    ]


def test_pets(tmp_path):
    listed = (
        "american_bulldog_9 2 2 1\nAbyssinian_100 2 1 1\nBengal_7 1 1 1\nAbyssinian_100 1 1\nAbyssinian_100 x 1 1\n"
    )
    root = example(tmp_path, "oxford-iiit-pet", **{"annotations/test.txt": listed})
    found, problems = accounts(read_dataset("oxford-iiit-pet", root, "test"))
    assert (found, problems) == (1, ["test.txt, line 2", "test.txt, line 3", "test.txt, line 4", "test.txt, line 5"])
    (root / "annotations/list.txt").write_text("a_1 1 1 1\nb_1 1 1 1\n")
    with pytest.raises(CamkitError, match=r"list.txt, line 2: class 1 is a already, not 'b'; mend the line"):
        read_dataset("oxford-iiit-pet", root, "test")
    (root / "annotations/list.txt").write_text("a_1 2 1 1\n")
    with pytest.raises(CamkitError, match="its classes are not numbered from 1 without a gap"):
        read_dataset("oxford-iiit-pet", root, "test")


@pytest.mark.parametrize(
    ("trimap", "reason"),
    [([[2, 2], [2, 3]], "has no pixel of 1"), ([[1, 0], [2, 3]], r"holds 0, which is none of \(1, 2, 3\)"),
     ("no png", "cannot read the mask"), (np.zeros((2, 2, 3)), "its pixels are RGB, not one number each")],
)  # fmt: skip
def test_a_trimap_that_is_none(tmp_path, trimap, reason):
    root = example(tmp_path, "oxford-iiit-pet", **{"annotations/trimaps/american_bulldog_9.png": trimap})
    [record] = read_dataset("oxford-iiit-pet", root, "test").records
    with pytest.raises(UnreadableImage, match=reason):
        record.read_mask()


def test_pets_without_a_trimap(tmp_path):
    root = example(
        tmp_path, "oxford-iiit-pet", **{"annotations/test.txt": "american_bulldog_9 2 2 1\nAbyssinian_100 1 1 1\n"}
    )
    (root / "annotations/trimaps/Abyssinian_100.png").unlink()
    assert accounts(read_dataset("oxford-iiit-pet", root, "test")) == (1, ["test.txt, line 2"])


def cars(tmp_path, **columns):
    told = {"bbox_x1": [1, 2], "bbox_y1": [1, 3], "bbox_x2": [8, 4], "bbox_y2": [6, 5], "class": [2, 1],
            "fname": ["00001.jpg", "00002.jpg"], **columns}  # fmt: skip
    content = {"annotations": structs(2, **{name: values for name, values in told.items() if values})}
    return example(tmp_path, "stanford-cars", **{"cars_test_annos_withlabels.mat": content})


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("class", 3, "class 3 is none of the 2 in cars_meta.mat, which count from 1"), ("class", 0, "class 0 is none"),
     ("class", 1.5, "class 1.5 is none"), ("bbox_x2", 1, "the box from 2, 3 to 1, 5 is empty"),
     ("bbox_x2", float("nan"), "nan is not a number|is not a number"), ("fname", 7, "fname 7 is no image's name"),
     ("fname", "00001.jpg", "is listed a second time"), ("fname", "9.jpg", "there is no file '9.jpg'")],
)  # fmt: skip
def test_cars_one_row_is_its_own_problem(tmp_path, name, value, reason):
    first = {"bbox_x1": 1, "bbox_x2": 8, "class": 2, "fname": "00001.jpg"}[name]
    data = read_dataset("stanford-cars", cars(tmp_path, **{name: [first, value]}), "test")
    assert [record.image for record in data.records] == ["00001.jpg"]
    [problem] = data.problems
    assert "cars_test_annos_withlabels.mat, image 2: " in problem
    assert np.any([part in problem for part in reason.split("|")]), problem


def test_cars_without_labels_or_broken_is_refused(tmp_path):
    with pytest.raises(CamkitError, match="have no class; those with labels are wanted"):
        read_dataset("stanford-cars", cars(tmp_path, **{"class": None}), "test")
    root = example(tmp_path, "stanford-cars", **{"cars_test_annos_withlabels.mat": "no mat"})
    with pytest.raises(CamkitError, match=r"cannot be read as a .mat file \(.*\); fetch it again") as raised:
        read_dataset("stanford-cars", root, "test")
    assert "\n" not in str(raised.value)


def test_cars_in_one_file(tmp_path):
    rows = structs(3, relative_im_path=[f"car_ims/00000{n}.jpg" for n in (1, 2, 3)], bbox_x1=[1, 2, 1],
                   bbox_y1=[1, 3, 1], bbox_x2=[8, 4, 2], bbox_y2=[6, 5, 2], test=[1, 0, 5],
                   **{"class": [2, 1, 1]})  # fmt: skip
    root = write(tmp_path, {"cars_annos.mat": {"annotations": rows, "class_names": cells("a", "b").T},
                            **{f"car_ims/00000{n}.jpg": PHOTO for n in (1, 2, 3)}})  # fmt: skip
    test, train = (read_dataset("stanford-cars", root, split) for split in ("test", "train"))
    assert [(r.image, r.label, r.boxes.tolist()) for r in test.records] == [("000001.jpg", 1, [[0, 0, 8, 6]])]
    assert [(r.image, r.label, r.boxes.tolist()) for r in train.records] == [("000002.jpg", 0, [[1, 2, 4, 5]])]
    assert [len(data.problems) for data in (test, train)] == [1, 1]
    assert "image 3: test 5 is neither 0 nor 1" in test.problems[0]


def test_dogs_one_image_is_its_own_problem(tmp_path):
    names = [f"n02085620-Chihuahua/{name}.jpg" for name in "acdef"]
    root = example(
        tmp_path,
        "stanford-dogs",
        **{"test_list.mat": {"file_list": cells(*names, "n9-Cat/a.jpg"), "labels": np.array([1, 2, 1, 1, 1, 1])},
           "Annotation/n02085620-Chihuahua/d": xml("Chihuahua", 3, 3, 2, 2),
           "Annotation/n02085620-Chihuahua/e": "<no xml",
           **{f"Images/{name}": PHOTO for name in names}},
    )  # fmt: skip
    data = read_dataset("stanford-dogs", root, "test")
    assert [record.image for record in data.records] == [names[0]]
    assert len(data.problems) == 5
    assert "image 2: label 2 is not that of n02085620-Chihuahua, which is 1" in data.problems[0]
    assert "d, object 1: the box from 3, 3 to 2, 2 is empty" in data.problems[1]
    assert "image 4: no well-formed XML" in data.problems[2]
    assert "image 5: the annotation cannot be read" in data.problems[3]
    assert "'n9-Cat' is none of the 2 classes" in data.problems[4]
    assert data.wnids == ("n02085620", "n02085782")


def test_imagenet_s_needs_all_classes_to_number_them(tmp_path):
    root = example(tmp_path, "imagenet-s")
    (root / "ImageNetS_categories_im2.txt").unlink()
    with pytest.raises(CamkitError, match="1 class folders are none of ImageNet-S's 50, 300 or 919"):
        read_dataset("imagenet-s", root, "validation")
    for number in range(1, 51):  # n01443537 is the 50 classes' second
        (root / f"validation/n0144{(3535 + number):04d}" / "x.JPEG").parent.mkdir(parents=True, exist_ok=True)
        (root / f"validation/n0144{(3535 + number):04d}" / "x.JPEG").write_bytes(encoded(PHOTO))
    data = read_dataset("imagenet-s", root, "validation")
    assert len(data.class_names) == 50
    assert accounts(data)[0] == 1
    assert len(data.problems) == 50  # those without a mask
    assert data.records[0].read_mask()[0].sum() == 6


def test_imagenet_s_a_mask_of_another_class_is_refused(tmp_path):
    root = example(tmp_path, "imagenet-s", **{"validation-segmentation/n01443537/v1.png": np.zeros((6, 8, 3))})
    [record] = read_dataset("imagenet-s", root, "validation").records
    with pytest.raises(UnreadableImage, match="has no pixel of 2, its image's own class"):
        record.read_mask()
    write(root, {"validation-segmentation/n01443537/v1.png": np.zeros((6, 8))})
    with pytest.raises(UnreadableImage, match="its pixels are L, not red, green and blue"):
        record.read_mask()


def test_aircraft_by_level_and_a_class_that_is_not_listed(tmp_path):
    listed = "0000001 737 200/300\n0000002 747\n0000003 707-320\n"
    root = example(tmp_path, "fgvc-aircraft", **{"data/images_variant_test.txt": listed})
    (root / "data/images_box.txt").write_text("0000001 1 1 8 6\n0000001 1 1 8 6\n0000002 1 1 2 2\n0000003 1 1 4 4\n")
    found, problems = accounts(read_dataset("fgvc-aircraft", root, "test"))
    assert (found, problems) == (1, ["images_box.txt, line 2", "images_variant_test.txt, line 2"])
    assert read_dataset("fgvc-aircraft", root / "data", "test").class_names == ("707-320", "737 200/300")
