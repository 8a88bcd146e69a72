"""A model's classes, found by number or by name: one, or the reason why it cannot be told which."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from camkit.errors import CamkitError
from camkit.imagenet import imagenet_meanings, imagenet_names, is_imagenet, plain
from camkit.models.messages import did_you_mean, one_line

IMAGENET = "imagenet"  # as --class-names takes it
NUMBER = re.compile(r"0|[1-9][0-9]*")  # "007" is a name


class ClassNames:
    """A model's classes by name.

    Parameters
    ----------
    num_classes : int
    names : sequence of str, optional
        One for each class; without, classes are found by number alone.

    Raises
    ------
    CamkitError
        There are more or fewer names than classes.
    """

    def __init__(self, num_classes: int, names: Sequence[str] | None = None) -> None:
        if names is not None and len(names) != num_classes:
            raise CamkitError(f"{len(names)} class names for a model with {num_classes} classes: give one for each")
        self.num_classes, self.names = num_classes, None if names is None else tuple(names)
        self._is_imagenet = names is not None and is_imagenet(names)
        self._exact, self._plain = _index(names or (), str), _index(names or (), plain)

    def named(self, name: str, imagenet_label: int | None = None) -> int:
        """The class that is called so.

        A model with the names of ImageNet's 1,000 classes in their order has the class that the name means there
        (`imagenet_meanings`). Another has the class with the very same name, else with the same `plain` name, else
        with a name of the same one ImageNet class.

        Parameters
        ----------
        name : str
        imagenet_label : int, optional
            Which of ImageNet's classes it is, where something beside the name says so.

        Raises
        ------
        CamkitError
            No class is called so, or more than one.
        """
        found = self.called(name, imagenet_label)
        if len(found) == 1:
            return found[0]
        if found:
            said = " or ".join(self.in_words(number) for number in found)
            raise CamkitError(f"{name!r:.80} may be the model's class {said}")
        near = did_you_mean(name, self.names or ())
        raise CamkitError(f"none of the model's {self.num_classes} classes is called {name!r:.80}{near}")

    def find(self, text: str) -> int:
        """The class of this number, counted from 0 and written as Python writes it, or else of this name.

        Raises
        ------
        CamkitError
            There is no such class, or the text is the number of one class and the name of another.
        """
        if not NUMBER.fullmatch(text):
            return self.named(text)
        of_name = self._exact.get(text, [])
        number = int(text) if len(text) < 10 else self.num_classes  # none has so many classes
        if of_name and of_name != [number]:
            raise CamkitError(
                f"{text!r:.40} is a number, and the name of the model's class {self.in_words(of_name[0])}: it cannot "
                "be told which is meant; give the model names that are no numbers, with --class-names"
            )
        if number >= self.num_classes:
            raise CamkitError(f"there is no class {text:.20}: the model's {self.num_classes} classes count from 0")
        return number

    def in_words(self, number: int) -> str:
        """A class, in words."""
        return f"{number}" if self.names is None else f"{number} ({self.names[number]!r})"

    def called(self, name: str, imagenet_label: int | None = None) -> list[int]:
        """All classes that `named` would have to choose from."""
        meant: Collection[int] = imagenet_meanings(name) if imagenet_label is None else {imagenet_label}
        if self._is_imagenet:
            return sorted(meant)
        for found in (self._exact.get(name, []), self._plain.get(plain(name), [])):
            agreeing = [number for number in found if self._agrees(number, meant)]
            if agreeing:
                return agreeing
        if len(meant) != 1 or self.names is None:
            return []
        return [number for number, own in enumerate(self.names) if imagenet_meanings(own) == set(meant)]

    def _agrees(self, number: int, meant: Collection[int]) -> bool:
        """Not one of ImageNet's classes while the name that is looked for means another of them."""
        assert self.names is not None
        own = imagenet_meanings(self.names[number])
        return not own or not meant or not own.isdisjoint(meant)


def _index(names: Sequence[str], key: Callable[[str], str]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        found[key(name)].append(number)
    return dict(found)


def read_class_names(path: str | Path, option: str = "--class-names") -> tuple[str, ...]:
    """Class names from a text file, one a line; ``imagenet``, where there is no such file, are ImageNet's 1,000.

    Raises
    ------
    CamkitError
        The file cannot be read, or one of its lines is empty.
    """
    path = Path(path)
    if str(path) == IMAGENET and not path.exists():
        return imagenet_names()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # no UTF-8, or no path at all
        raise CamkitError(f"{option} {path}: cannot be read as text ({one_line(error)})") from error
    names = tuple(line.strip() for line in text.rstrip().split("\n"))
    empty = [number for number, name in enumerate(names, 1) if not name]
    if empty:
        raise CamkitError(f"{option} {path}, line {empty[0]}: no name; write one class a line, without empty lines")
    return names
