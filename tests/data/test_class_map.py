"""Class maps: what a file may say, and what becomes of the images."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camkit.data import AnnotatedSet, Record, map_classes
from camkit.data.class_map import read_class_map
from camkit.errors import CamkitError


def dataset(names=("cat", "dog", "a, b"), split="val", labels=(0, 0, 1, 2)):
    records = [Record(f"{i}.png", bytes, label) for i, label in enumerate(labels)]
    return AnnotatedSet("drawn", split, records, names, [])


def refusal(*args):
    with pytest.raises(CamkitError) as caught:
        map_classes(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_and_a_mapping_say_the_same(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text('dataset,model\ncat,-\n"a, b",7\n\ndog,Egyptian cat\n')
    for class_map in (path, str(path), {"cat": None, "a, b": 7, "dog": "Egyptian cat"}):
        (found,) = map_classes(class_map, dataset())
        assert {label: to.to for label, to in found.class_map.items()} == {1: "Egyptian cat", 2: "7"}
        assert [record.image for record in found.records] == ["2.png", "3.png"]
        assert found.left_out == {"cat": 2}
        assert found.class_names == ("cat", "dog", "a, b")


def test_every_bad_line_is_named(tmp_path):
    path = tmp_path / "map.csv"
    path.write_text("dataset,model\ncat,1\na, b,7\ndog\n,3\ndog,\ncat,2\nx,\ny,\n")
    message = refusal(path, dataset())
    assert message.startswith(f"{path}: line 3: it has 3 fields where 2 belong")
    for told in ("line 4: it has 1 fields", "line 5: no class of the data set", "line 6: no class of the model",
                 "line 7: a second line for 'cat'", "likewise line 8, line 9"):  # fmt: skip
        assert told in message


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cat,1\n", "line 1: the column 'dataset' is missing; wanted are dataset,model"),
        ("dataset,model\n", "no line after the first"),
        ("", "the column 'dataset' is missing"),
        ('dataset,model\n"cat,1\n', "line 2: cannot be read as CSV"),
        ("dataset,model\nCat,1\ncow,-\n", "line 2: drawn has no class 'Cat'; line 3: drawn has no class 'cow'"),
        ('dataset,model\ncat,-\ndog,-\n"a, b",-\n', "leaves out every image of drawn val"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, told):
    path = tmp_path / "map.csv"
    path.write_text(text)
    message = refusal(path, dataset())
    assert message.startswith(str(path))
    assert told in message


def test_a_file_that_cannot_be_read(tmp_path):
    assert "check --class-map" in refusal(tmp_path / "absent.csv", dataset())
    (tmp_path / "map.csv").write_bytes(b"dataset,model\n\xff,1\n")
    assert "line 2: it holds bytes that are not UTF-8 text" in refusal(tmp_path / "map.csv", dataset())


def test_a_class_needs_to_be_in_one_of_the_splits():
    splits = dataset(("cat", "cow"), labels=(0, 1)), dataset(("dog",), labels=(0,))
    first, second = map_classes({"cow": None, "dog": 1}, *splits)
    assert (first.class_map, first.left_out) == ({}, {"cow": 1})
    assert (second.class_map[0].to, second.left_out) == ("1", {})


def test_classes_without_names_are_called_by_their_numbers():
    (found,) = map_classes({"0": None, "2": "cat"}, dataset(None))
    assert (found.left_out, found.class_map[2].to) == ({"0": 2}, "cat")
    assert "has no class '7'" in refusal({"7": 0}, dataset(None))


def test_an_image_keeps_its_other_classes():
    records = [Record("a.png", bytes, 0), Record("a.png", bytes, 1), Record("b.png", bytes, 0)]
    (found,) = map_classes({"x": None}, AnnotatedSet("voc", "val", records, ("x", "y"), []))
    assert [(record.image, record.label) for record in found.records] == [("a.png", 1)]
    assert found.left_out == {"x": 2}


plain_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1).map(str.strip).filter(bool)


@given(st.dictionaries(plain_text, plain_text, min_size=1))
def test_what_csv_writes_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("map") / "map.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("dataset", "model"), *rows.items()])
    found = read_class_map(path)
    assert {name: to.to for name, to in found.items()} == {name: None if to == "-" else to for name, to in rows.items()}
