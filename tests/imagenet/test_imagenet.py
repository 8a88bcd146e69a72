"""ImageNet's 1,000 classes, against the lists that other libraries ship."""

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchvision.models import ResNet18_Weights

from camkit.imagenet import imagenet_meanings, imagenet_names, is_imagenet, is_imagenet_wnid, plain


def test_names_are_torchvisions():
    assert list(imagenet_names()) == ResNet18_Weights.IMAGENET1K_V1.meta["categories"]


def test_wordnet_ids_and_synonyms_are_timms():
    info = resources.files(pytest.importorskip("timm")) / "data" / "_info"
    wnids = (info / "imagenet_synsets.txt").read_text().split()
    lines = (info / "imagenet_synset_to_lemma.txt").read_text().splitlines()
    synonyms = dict(line.split("\t") for line in lines)
    assert len(wnids) == 1000
    for number, wnid in enumerate(wnids):
        assert imagenet_meanings(wnid) == {number}
        assert number in imagenet_meanings(synonyms[wnid])
        assert number in imagenet_meanings(synonyms[wnid].split(", ")[0])
    assert is_imagenet([synonyms[wnid] for wnid in wnids])
    assert is_imagenet(wnids)


def test_what_names_mean():
    assert imagenet_meanings("tench, Tinca tinca") == imagenet_meanings("TENCH") == {0}
    assert imagenet_meanings("Tinca tinca,tench") == {0}
    assert imagenet_meanings("great_white-shark") == {2}
    assert imagenet_meanings("crane") == {134, 517}
    assert imagenet_meanings("crane bird") == {134}
    assert imagenet_meanings("maillot") == {638, 639}
    assert imagenet_meanings("maillot, tank suit") == {639}
    for nothing in ("", ",", "Tinca tinca", "tench, goldfish", "tench,", "n0144076", "N01440764", "n02121808"):
        assert imagenet_meanings(nothing) == set()
    assert is_imagenet_wnid("n01440764")
    assert not is_imagenet_wnid("tench")


def test_only_the_whole_list_in_its_order_is_imagenets():
    names = imagenet_names()
    assert is_imagenet(names)
    assert not is_imagenet(names[:999])
    assert not is_imagenet((names[1], names[0], *names[2:]))
    assert not is_imagenet((*names[:999], "something else"))


@given(st.text())
def test_a_plain_name_stays_what_it_is(name):
    assert plain(plain(name)) == plain(name)
