"""Which class of the data set is which of the model's."""

import pytest

from camkit.data import AnnotatedSet, Record
from camkit.errors import CamkitError
from camkit.evaluation import class_numbers


def dataset(labels, names=None, imagenet=None):
    records = [Record(f"{label}.png", bytes, label) for label in labels]
    return AnnotatedSet("drawn", "val", records, names, [], imagenet_labels=imagenet)


def test_imagenet_numbers_come_first():
    number = class_numbers(dataset([0, 1], ("a", "b"), (281, 985)), 1000, ["a", *("x",) * 999])
    assert [number(0), number(1)] == [281, 985]


def test_by_name_where_the_model_has_them_all():
    number = class_numbers(dataset([0, 1], ("cat", "dog")), 3, ["dog", "bird", "cat"])
    assert [number(0), number(1)] == [2, 0]


def test_by_number_where_the_names_differ_and_the_counts_agree():
    number = class_numbers(dataset([0, 1], ("n01", "n02")), 2, ["cat", "dog"])
    assert [number(0), number(1)] == [0, 1]
    assert class_numbers(dataset([7]), 8)(7) == 7


def test_what_cannot_be_told_is_refused():
    with pytest.raises(CamkitError, match="'bird'"):
        class_numbers(dataset([0], ("cat", "bird")), 3, ["cat", "dog", "cow"])
    with pytest.raises(CamkitError, match="class 8 and the model 8 classes"):
        class_numbers(dataset([8]), 8)
