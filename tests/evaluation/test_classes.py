"""Which class of the data set is which of the model's."""

import pytest
from torch import nn

from camkit.data import AnnotatedSet, Record, map_classes
from camkit.errors import CamkitError
from camkit.evaluation import match_classes
from camkit.imagenet import imagenet_names
from camkit.input_spec import InputSpec
from camkit.models import Classifier

IMAGENET = imagenet_names()


def dataset(labels, names=None, **facts):
    records = [Record(f"{i}.png", bytes, label) for i, label in enumerate(labels)]
    return AnnotatedSet("drawn", "val", records, names, [], **facts)


def matched(data, num_classes, names=None, assumed=False):
    named = None if names is None else tuple(names)
    return match_classes(
        data, Classifier(nn.Identity(), "net", InputSpec(), named, "w", class_names_assumed=assumed), num_classes
    )


def refusal(*args, **kwargs):
    with pytest.raises(CamkitError) as caught:
        matched(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_by_name_whatever_the_order_and_the_number():
    found = matched(dataset([0, 1], ("cat", "dog")), 3, ["dog", "bird", "cat"])
    assert (found.numbers, found.by, found.notes) == ({0: 2, 1: 0}, "name", ())
    assert found.in_words == {"cat": "2 ('cat')", "dog": "0 ('dog')"}
    assert matched(dataset([0, 1, 2], ("a", "b", "c")), 3, "cab").numbers == {0: 1, 1: 2, 2: 0}


def test_capitals_underscores_and_hyphens_do_not_count_unless_the_very_name_is_there():
    data = dataset([0, 1], ("Black_footed-Albatross", "black footed albatross"))
    assert matched(data, 2, ["black footed albatross", "Black_footed-Albatross"]).numbers == {0: 1, 1: 0}
    assert matched(dataset([0], ("american_bulldog",)), 2, ["x", "American Bulldog"]).numbers == {0: 1}
    assert "0 ('A b') or 1 ('a_b')" in refusal(dataset([0], ("a b",)), 2, ["A b", "a_b"])
    assert "'A b' and 'a_b' both would be" in refusal(dataset([0, 1], ("A b", "a_b")), 2, ["a b", "x"])


def test_a_stranger_is_named_with_the_line_that_helps_also_where_the_counts_agree():
    message = refusal(dataset([0, 1], ("cat", "zebra")), 2, ["cat", "dog"])
    assert message.startswith("drawn val and net: none of the model's 2 classes is called 'zebra'")
    assert "--class-map FILE" in message
    assert "zebra,NAME_OR_NUMBER" in message
    message = refusal(dataset([0, 1, 2], ("n01", "n, 02", "n03")), 3, ["cat", "dog", "cow"])
    assert "'n01'" in message
    assert "2 more of 3 classes: 'n, 02', 'n03'" in message


def test_a_class_without_an_image_need_not_meet():
    assert matched(dataset([0, 0], ("cat", "zebra")), 2, ["dog", "cat"]).numbers == {0: 1}


def test_one_list_with_a_name_twice_meets_itself():
    twice = ("crane", "cat", "crane")
    assert matched(dataset([0, 1, 2], twice), 3, twice).numbers == {0: 0, 1: 1, 2: 2}
    assert "0 ('crane') or 2 ('crane')" in refusal(dataset([1], ("cat", "crane")), 3, twice)


def test_by_number_where_the_data_set_has_no_names_and_it_is_said():
    found = matched(dataset([0, 7]), 9, None)
    assert (found.numbers, found.by) == ({0: 0, 7: 7}, "number")
    assert "up to 7, were taken for numbers of net's 9 classes" in found.notes[0]
    assert "2 for 'c'" in matched(dataset([2]), 3, "abc").notes[0]
    assert "there is no class 8: the model's 8 classes count from 0" in refusal(dataset([8]), 8)
    assert "there is no class 8" in refusal(dataset([8]), 8, "abcdefgh")


def test_by_number_where_the_model_has_no_names_and_the_data_set_numbers_as_many():
    found = matched(dataset([0, 1], ("cat", "dog")), 2)
    assert (found.numbers, found.by) == ({0: 0, 1: 1}, "number")
    assert "net does not name its 2 classes" in found.notes[0]
    assert "names 2 classes ('cat', ...) and the model has 3 without names" in refusal(dataset([0], ("cat", "dog")), 3)
    message = refusal(dataset([0, 1], ("cat", "dog"), numbered=False), 2)  # a CSV's names in sorted order
    assert "does not number them" in message
    assert "--class-names FILE" in message


def test_names_that_are_numbers_are_names():
    assert matched(dataset([0, 1, 2], ("0", "1", "10")), 3, ["10", "1", "0"]).numbers == {0: 2, 1: 1, 2: 0}
    assert "class 1 is called '10'" in refusal(dataset([0, 1, 2], ("0", "10", "2")), 3)
    assert matched(dataset([0, 1], ("0", "1")), 2).numbers == {0: 0, 1: 1}
    # folders 0 to 11 in the order of their names: class 2 is called 10
    folders = sorted(map(str, range(12)))
    assert "'2' is a number, and the name of the model's class 4 ('2')" in refusal(dataset([0, 2]), 12, folders)
    assert "'007'" in refusal(dataset([0], ("007",)), 8, [*"abcdefg", "7"])


WNIDS = ("n01443537", "n02012849", "n03126707", "n03710721")  # goldfish, the bird, the machine, maillot (a tank suit)


@pytest.mark.parametrize(
    "names",
    [
        IMAGENET,
        [name.replace(" ", "_").upper() for name in IMAGENET],
        ["crane" if name == "crane bird" else "maillot" if name == "maillot tank suit" else name for name in IMAGENET],
    ],
)
def test_wordnet_ids_meet_imagenets_names_also_those_that_two_classes_share(names):
    expected = {0: 1, 1: 134, 2: 517, 3: 639}
    found = matched(dataset([0, 1, 2, 3], WNIDS), 1000, names)
    assert (found.numbers, found.by, found.notes) == (expected, "name", ())
    stated = dataset([0, 1, 2, 3], ("gold", "crane", "crane", "maillot"), imagenet_labels=(1, 134, 517, 639))
    assert matched(stated, 1000, names).numbers == expected


def test_numbers_of_imagenet_need_no_names_of_their_own():
    stated = dataset([0, 1], imagenet_labels=(134, 517))
    assert matched(stated, 1000, IMAGENET).numbers == {0: 134, 1: 517}
    assert matched(dataset([0], imagenet_labels=(134,)), 3, ["x", "crane", "crane bird"]).numbers == {0: 2}


def test_a_data_sets_wordnet_ids_count_beside_its_names():
    data = dataset([0, 1, 2, 3], ("gold", "crane", "crane (n03126707)", "maillot"), wnids=WNIDS)
    expected = {0: 1, 1: 134, 2: 517, 3: 639}
    assert matched(data, 1000, IMAGENET).numbers == matched(data, 1000).numbers == expected
    assert matched(dataset([0], ("gold",), wnids=WNIDS), 2, ["x", "goldfish, Carassius auratus"]).numbers == {0: 1}
    beyond = dataset([0, 1], ("goldfish", "cat"), wnids=("n01443537", "n02121808"))  # no class of the 1,000
    assert "'cat'" in refusal(beyond, 1000, IMAGENET)
    assert "names 2 classes" in refusal(beyond, 1000)


def test_names_of_imagenet_meet_by_any_of_its_lists():
    data = dataset([0, 1, 2], ("goldfish, Carassius auratus", "great_white_shark", "tench"))
    assert matched(data, 1000, IMAGENET).numbers == {0: 1, 1: 2, 2: 0}
    assert matched(data, 4, ["Tinca tinca, tench", "x", "goldfish", "great white shark"]).numbers == {0: 2, 1: 3, 2: 0}
    assert matched(dataset([0], WNIDS[:1]), 3, ["x", "goldfish", "y"]).numbers == {0: 1}
    for shared in ("crane", "maillot"):
        assert "may be the model's class" in refusal(dataset([0], (shared,)), 1000, IMAGENET)
    assert "'light'" in refusal(dataset([0], ("light",)), 1000, IMAGENET)  # a lighter is one, among other things
    assert "'goldfish, gold'" in refusal(dataset([0], ("goldfish, gold",)), 1000, IMAGENET)


def test_one_crane_is_not_another():
    assert "'n02012849'" in refusal(dataset([0], ("n02012849",)), 2, ["crane", "cat"])
    machine = dataset([0], ("crane",), imagenet_labels=(517,))
    assert "'crane'" in refusal(machine, 2, ["crane bird", "cat"])


def test_a_nameless_model_of_1000_classes_is_imagenets_only_beside_imagenets_classes_and_it_is_said():
    for data in (dataset([0, 3], WNIDS), dataset([0, 3], tuple("abcd"), imagenet_labels=(1, 134, 517, 639))):
        for names, assumed in ((None, False), (IMAGENET, True)):
            found = matched(data, 1000, names, assumed)
            assert (found.numbers, found.by) == ({0: 1, 3: 639}, "ImageNet's order")
            assert "taken for ImageNet's" in found.notes[0]
    assert "names 4 classes" in refusal(dataset([0], ("tabby", "b", "c", "d")), 1000)
    assert "names 4 classes" in refusal(dataset([0], WNIDS), 999)
    assert "names 1 classes" in refusal(dataset([0], ("tabby",)), 1000, IMAGENET, assumed=True)
    # a model of 1,000 other classes gets no ImageNet class by number
    others = [f"species {i}" for i in range(1000)]
    assert "'n01443537'" in refusal(dataset([0], WNIDS), 1000, others)
    assert "'a'" in refusal(dataset([0], ("a",), imagenet_labels=(281,)), 1000, others)


def test_more_or_fewer_names_than_classes():
    assert "2 class names for a model with 3 classes" in refusal(dataset([0]), 3, "ab")


def mapped(data, **class_map):
    return map_classes(class_map, data)[0]


def test_a_class_map_says_what_names_do_not():
    data = dataset([0, 1, 2], ("cat", "puss", "hound"))
    found = matched(mapped(data, puss="cat", hound=2), 3, ["bird", "cat", "dog"])
    assert found.numbers == {0: 1, 1: 1, 2: 2}
    assert found.notes == ("'cat', 'puss' all are the model's class 1 ('cat')",)
    found = matched(mapped(data, puss=None, hound="dog"), 3, ["bird", "cat", "dog"])
    assert found.numbers == {0: 1, 2: 2}
    assert found.notes == ("class map leaves out 1 images of drawn val: 'puss' (1)",)
    assert "'puss'" in refusal(mapped(data, hound="dog"), 3, ["bird", "cat", "dog"])


def test_with_a_class_map_nothing_meets_by_number():
    data = dataset([0, 1], ("cat", "dog"))
    assert matched(mapped(data, cat=1, dog=0), 2).numbers == {0: 1, 1: 0}
    assert "'dog'" in refusal(mapped(data, cat=1), 2)
    assert matched(mapped(dataset([0, 1, 2]), **{"1": None}), 3, "abc").numbers == {0: 0, 2: 2}
    assert matched(mapped(dataset([3, 5]), **{"3": 0, "5": "b"}), 2, "ab").numbers == {3: 0, 5: 1}


def test_every_line_whose_class_the_model_lacks_is_named():
    data = mapped(dataset([0, 1, 2], ("a", "b", "c")), a="x", b=7, c=0)
    message = refusal(data, 2, "pq")
    assert "'a': none of the model's 2 classes is called 'x'" in message
    assert "'b': there is no class 7" in message
    assert "--class-names" in refusal(data, 2)


def test_two_classes_of_one_image_cannot_become_one():
    records = [Record("a.png", bytes, 0), Record("a.png", bytes, 1)]
    data = AnnotatedSet("voc", "val", records, ("car", "bus"), [])
    assert "'a.png' shows two of them" in refusal(mapped(data, car="vehicle", bus="vehicle"), 1, ["vehicle"])
    assert matched(mapped(data, car="vehicle", bus=None), 1, ["vehicle"]).numbers == {0: 0}
