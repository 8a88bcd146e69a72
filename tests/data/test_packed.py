"""Records in columns, held against the records themselves."""

import pickle
import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from camkit.data import AnnotatedSet, Record, read_dataset
from camkit.data.packed import PackedRecords, Some
from camkit.data.sources import FileBytes, ZipMember


class Own:
    """A reader that is neither a file nor a member."""

    def __init__(self, text):
        self.text = text

    def __call__(self):
        return self.text.encode()

    def __eq__(self, other):
        return isinstance(other, Own) and self.text == other.text

    def __hash__(self):
        return hash(self.text)


names = st.text(st.characters() | st.just("\udcff") | st.just("/"), max_size=8)
folders = st.sampled_from(["", "images/", "/other place/", "a"])
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def records(draw):
    image, folder = draw(names), draw(folders)
    of = draw(st.sampled_from([image, f"{image}.gz", "elsewhere.jpg"]))
    read = draw(st.sampled_from([FileBytes(folder + of), ZipMember(f"{folder}a.zip", folder + of), Own(of)]))
    boxes = np.array(draw(st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=3))).reshape(-1, 4)
    size = draw(st.none() | st.tuples(st.integers(1, 2**32), st.integers(1, 2**32)))
    label, mask = draw(st.none() | st.integers(0, 10**9)), draw(st.none() | st.just(Own("m")))
    return Record(image, read, label, boxes, size, mask)


def seen(record):
    return (record.image, record.read, record.label, record.boxes.dtype, record.boxes.tolist(), record.boxes.shape,
            record.size, record.read_mask)  # fmt: skip


@given(st.lists(records(), max_size=6), st.data())
def test_what_comes_out_is_what_went_in(plain, data):
    columns = PackedRecords(plain)
    for those in (columns, pickle.loads(pickle.dumps(columns))):
        assert len(those) == len(plain)
        assert [seen(record) for record in those] == [seen(record) for record in plain]
        part = data.draw(st.slices(len(plain)))
        assert [seen(record) for record in those[part]] == [seen(record) for record in plain[part]]
        for index in range(-len(plain), len(plain)):
            assert seen(those[index]) == seen(plain[index])
    places = data.draw(st.lists(st.integers(0, len(plain) - 1), max_size=5) if plain else st.just([]))
    for some in (Some(columns, places), pickle.loads(pickle.dumps(Some(columns, places)))):
        assert [seen(record) for record in some] == [seen(plain[place]) for place in places]
        assert [seen(record) for record in some[1:]] == [seen(plain[place]) for place in places[1:]]


def test_a_record_may_be_changed_without_its_columns():
    columns = PackedRecords([Record("a", Own("a"), 1, np.array([[0.0, 0, 2, 2]]))])
    columns[0].boxes[:] = 7
    assert columns[0].boxes.tolist() == [[0, 0, 2, 2]]


@given(st.integers(1, 30), st.integers(1, 40), st.data())
def test_parts_know_where_they_stand(count, limit, data):
    dataset = AnnotatedSet("a", "b", PackedRecords([Record(str(i), Own(""), i) for i in range(count)]), None, [])
    evenly = dataset.evenly(limit)
    assert [record.label for record in evenly.records] == (
        [i * count // limit for i in range(limit)] if limit < count else list(range(count))
    )
    first = dataset.part(range(0, count, data.draw(st.integers(1, 3))))
    places = data.draw(st.lists(st.integers(0, len(first.records) - 1), unique=True))
    second = first.part(places)
    assert [second.place(i) for i in range(len(places))] == [record.label for record in second.records]
    third = second.some(range(0, len(places), 2))
    assert [third.place(i) for i in range(len(third.records))] == [record.label for record in third.records]
    assert second.whole is third.whole is dataset


def test_a_part_travels_alone():
    many = PackedRecords(Record(f"{i}.jpg", FileBytes(f"/photos/{i}.jpg"), i) for i in range(5000))
    assert len(pickle.dumps(many[:5])) < 2000 < len(pickle.dumps(many)) / 50


def test_memory_of_annotations(tmp_path):
    """In columns an image of this table takes 100 to 150 bytes, and under 500 while it is read; as objects, 1,100."""
    count, name = 5_000, "folder/000000000.jpg"
    with (tmp_path / "all.csv").open("w") as file:
        file.write("image,label,x0,y0,x1,y1\n")
        file.writelines(f"folder/{i:09d}.jpg,{i % 3},4,4,28,28\n" for i in range(count))
    (tmp_path / "folder").mkdir()
    for i in range(count):
        (tmp_path / "folder" / f"{i:09d}.jpg").touch()
    read_dataset("csv", tmp_path, "all")  # what is loaded once is there now
    tracemalloc.start()
    try:
        dataset = read_dataset("csv", tmp_path, "all")
        stays, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(dataset.records) == count
    assert stays / count < 130 + len(name)
    assert most / count < 480 + len(name)
