"""A real-shaped example of every format: counts, corners, splits, and that --dataset auto knows it."""

import zipfile

import numpy as np
import pytest
from data_examples import EXAMPLES, PHOTO, encoded, write

from camkit.data import READERS, find_format, read_dataset
from camkit.errors import CamkitError

DRAWN_OR_NAMED = {"shapes", "openimages"}


def rounded(data):
    return [(record.image, record.label, record.boxes.round(5).tolist()) for record in data.records]


def test_every_format_has_an_example():
    assert set(EXAMPLES) == set(READERS) - DRAWN_OR_NAMED
    assert {name for name, one in READERS.items() if not one.signs} == DRAWN_OR_NAMED


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_read(tmp_path, name):
    split, files, expected, labels = EXAMPLES[name]
    data = read_dataset(name, write(tmp_path, files), split)
    assert (rounded(data), data.problems) == (expected, [])
    assert labels is None or data.class_names == labels
    assert (data.name, data.split) == (name, split)
    for record in data.records:
        assert record.read()[:4] == b"\x89PNG"
        if record.read_mask is not None:
            mask, ignore = record.read_mask()
            assert mask.any()
            assert mask.shape == ignore.shape == (PHOTO[1], PHOTO[0])
            assert not (mask & ignore).any()


@pytest.mark.parametrize("name", EXAMPLES)
def test_auto_finds_it_and_nothing_else(tmp_path, name):
    split, files, expected, _ = EXAMPLES[name]
    root = write(tmp_path / "set", files)
    found = find_format(root, split)
    assert found.name == name
    assert found.signs
    assert all((root / sign).exists() for sign in found.signs)
    data = read_dataset("auto", root, split)
    assert (data.name, rounded(data)) == (name, expected)
    assert find_format(root, "of-none").name == name  # files of another split tell as much


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("top", ["", "set/"])
def test_a_zip_archive_of_it(tmp_path, name, top):
    split, files, expected, _ = EXAMPLES[name]
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file, content in files.items():
            archive.writestr(f"{top}{file}", encoded(content))
    assert find_format(tmp_path / "set.zip", split).name == name
    data = read_dataset("auto", tmp_path / "set.zip", split)
    assert (data.name, rounded(data)) == (name, expected)


@pytest.mark.parametrize("name", [name for name, one in READERS.items() if one.of_one_file])
def test_auto_knows_the_one_file(tmp_path, name):
    split, files, _, _ = EXAMPLES[name]
    root = write(tmp_path, files)
    listing = next(file for file in files if file.endswith((".json", ".csv", ".yaml")))
    assert find_format(root / listing, split).name == name
    assert read_dataset("auto", root / listing, split).name == name


def test_auto_refuses_where_two_fit_or_none(tmp_path):
    for name in ("yolo", "voc"):
        write(tmp_path, EXAMPLES[name][1])
    with pytest.raises(CamkitError, match=r"voc \(ImageSets/Main, Annotations\) and yolo \(data.yaml\) both fit; name"):
        read_dataset("auto", tmp_path, "val")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CamkitError, match="no format fits; `camkit datasets` shows"):
        read_dataset("auto", tmp_path / "empty", "val")
    with pytest.raises(CamkitError, match="there is no such folder"):
        read_dataset("auto", tmp_path / "none", "val")


def test_a_json_is_told_by_what_is_in_it(tmp_path):
    for name in ("coco", "createml", "via"):
        listing = next(content for file, content in EXAMPLES[name][1].items() if file.endswith(".json"))
        root = write(tmp_path / name, {"val.json": listing})
        assert find_format(root, "val").name == name


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_tree_that_camkit_shows_is_one_that_auto_knows(tmp_path, name):
    split, files, _, _ = EXAMPLES[name]
    shown = [line.partition("  ")[0] for line in READERS[name].tree]
    root = write(tmp_path, {path: files.get(path, "") for path in shown})
    assert find_format(root, split).name == name


def test_masks_of_the_sets_that_have_them(tmp_path):
    found = {}
    for name in ("oxford-iiit-pet", "imagenet-s", "cub", "via"):
        split, files, _, _ = EXAMPLES[name]
        data = read_dataset(name, write(tmp_path / name, files), split)
        found[name] = data.records[0].read_mask()
    pet, edge = found["oxford-iiit-pet"]
    assert np.argwhere(pet).tolist() == [[2, 2]]
    assert edge.sum() == 8
    mask, ignored = found["imagenet-s"]
    assert mask.sum() == 6
    assert mask[1:3, 2:5].all()  # the other class's pixels are background
    assert ignored[5].all()
    assert ignored.sum() == 8
    assert found["cub"][0][1].all()
    assert found["cub"][0].sum() == 8
    assert found["via"][0].all()


def test_other_splits(tmp_path):
    roots = {name: write(tmp_path / name, files) for name, (_, files, _, _) in EXAMPLES.items()}

    def read(name, split):
        return rounded(read_dataset(name, roots[name], split))

    assert read("oxford-iiit-pet", "trainval") == [("Abyssinian_100.jpg", 0, [])]
    assert read("stanford-cars", "train") == [("00001.jpg", 0, [[0, 0, 2, 2]])]
    assert read("stanford-dogs", "train") == [("n02085620-Chihuahua/c.jpg", 0, [[0, 0, 3, 3]])]
    assert [image for image, _, _ in read("stanford-dogs", "all")] == [
        "n02085620-Chihuahua/a.jpg", "n02085620-Chihuahua/c.jpg", "n02085782-Japanese_spaniel/b.jpg"
    ]  # fmt: skip
    assert read("fgvc-aircraft", "family_train") == [("0000003.jpg", 1, [[0, 0, 2, 2]])]
    assert read("nabirds", "train") == [("001.Auk/b.png", 0, [[0, 0, 3, 3]])]
    assert read("cub", "train") == [("001.Auk/b.png", 0, [[0, 0, 3, 3]])]
    assert read("imagenet-s", "train") == [("n01440764/t1.JPEG", 0, [])]
    assert read("imagenet-s", "val") == read("imagenet-s", "validation")
    assert read("yolo", "train") == [("b.png", 1, [[0, 0, 8, 6]])]
    assert read("yolo", "valid") == read("yolo", "val")


@pytest.mark.parametrize(
    "name", ["oxford-iiit-pet", "stanford-cars", "stanford-dogs", "fgvc-aircraft", "nabirds", "yolo"]
)
def test_a_split_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(CamkitError, match="split 'other'") as raised:
        read_dataset(name, write(tmp_path, EXAMPLES[name][1]), "other")
    assert "\n" not in str(raised.value)
