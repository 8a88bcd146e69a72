"""ImageNet-1k's 1,000 classes in the order that every published classifier uses: by WordNet id.

``classes.csv`` has for each its WordNet id (wnid), its name as torchvision's weights have it, and its synonyms of
WordNet 3.0 (under the license beside it), by which most lists name the classes: ``tench, Tinca tinca``.
"""

import csv
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["imagenet_meanings", "imagenet_names", "is_imagenet", "is_imagenet_wnid", "plain"]

BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")  # two words: "-1" is not "1"


class _Class(NamedTuple):
    wnid: str
    name: str
    synonyms: tuple[str, ...]


@cache
def _classes() -> tuple[_Class, ...]:
    text = (resources.files("camkit.imagenet") / "classes.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(_Class(row["wnid"], row["name"], tuple(row["synonyms"].split(", "))) for row in rows)


def imagenet_names() -> tuple[str, ...]:
    """The 1,000 names, no two alike: "crane bird" is the bird, "crane" the machine."""
    return tuple(one.name for one in _classes())


def plain(name: str) -> str:
    """A name without what differs from list to list: capitals, and underscores, hyphens and spaces between words."""
    caseless = unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())
    return BETWEEN.sub(" ", caseless.strip())


def is_imagenet_wnid(name: str) -> bool:
    """Whether a name is the WordNet id of one of the 1,000 classes, such as ``n01443537``."""
    return name in _by_wnid()


def imagenet_meanings(name: str) -> frozenset[int]:
    """The classes that a name may mean: none, one, or two that share it ("crane", "maillot").

    A name is a WordNet id; torchvision's name or WordNet's first synonym; or several of a class's synonyms with commas
    between them. Letter case, underscores and hyphens do not count. A later synonym alone names nothing: a lighter is
    also called "light", but what is called a light need not be a lighter.
    """
    if is_imagenet_wnid(name):
        return frozenset({_by_wnid()[name]})
    first, *others = (plain(part) for part in name.split(","))
    if not others:
        return _by_name().get(first, frozenset())
    found = _by_synonym().get(first, frozenset())
    for other in others:
        found &= _by_synonym().get(other, frozenset())
    return found


def is_imagenet(names: Sequence[str]) -> bool:
    """Whether these are names of the 1,000 classes, in their order."""
    return len(names) == len(_classes()) and all(i in imagenet_meanings(name) for i, name in enumerate(names))


@cache
def _by_wnid() -> dict[str, int]:
    return {one.wnid: i for i, one in enumerate(_classes())}


@cache
def _by_name() -> dict[str, frozenset[int]]:
    return _index([(one.name, one.synonyms[0]) for one in _classes()])


@cache
def _by_synonym() -> dict[str, frozenset[int]]:
    return _index([one.synonyms for one in _classes()])


def _index(names: Sequence[Sequence[str]]) -> dict[str, frozenset[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for i, own in enumerate(names):
        for name in own:
            found[plain(name)].add(i)
    return {name: frozenset(classes) for name, classes in found.items()}
