"""What is known of the images of a split while it is read, in columns, with its name under 500 bytes an image."""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from camkit.data.annotations import Box
from camkit.data.sources import Read

NONE = -1
DIGITS = 18  # that a column holds


@dataclass
class Seldom:
    """What few images have; attributes as of `camkit.data.formats.entry.Entry`."""

    read: Read | None = None
    problem: str | None = None
    left_out: Sequence[str] = ()
    like_shares: tuple[int, int] = (0, 0)
    sub_pixel: Box | None = None


NOTHING = Seldom()


class Columns:
    """Images have numbers, in the order in which they come; what is known of them is looked up by number.

    Attributes
    ----------
    images : list of str
    labels, written : array
        NONE of an image without a label.
    sizes : array
        Height and width in turn, NONE where it is not known.
    """

    def __init__(self) -> None:
        self.images: list[str] = []
        self.labels, self.sizes, self.written = array("q"), array("q"), array("q")
        self._corners, self._previous, self._last = array("d"), array("q"), array("q")
        self._stems, self._known_stems = list[str](), dict[str, int]()
        self._stem_of, self._lines = array("q"), array("q")
        self._seldom: dict[int, Seldom] = defaultdict(Seldom)

    def add(self, image: str, where: str) -> int:
        """A new image's number."""
        self.images.append(image)
        stem, line = split(where)
        if stem not in self._known_stems:
            self._known_stems[stem] = len(self._stems)
            self._stems.append(stem)
        self._stem_of.append(self._known_stems[stem])
        self._lines.append(line)
        for column in (self.labels, self.sizes, self.sizes, self._last):
            column.append(NONE)
        self.written.append(0)
        return len(self.images) - 1

    def where(self, number: int) -> str:
        """The line that lists the image."""
        stem, line = self._stems[self._stem_of[number]], self._lines[number]
        return stem if line == NONE else f"{stem}{line}"

    def seldom(self, number: int) -> Seldom:
        """For reading; an empty one that all share where nothing is noted."""
        return self._seldom.get(number, NOTHING)

    def to_note(self, number: int) -> Seldom:
        """For writing; made when it is first asked for."""
        return self._seldom[number]

    def add_box(self, number: int, box: Box) -> None:
        """Each box knows the one before it of the same image: those of an image may come in any order."""
        self._previous.append(self._last[number])
        self._last[number] = len(self._previous) - 1
        self._corners.extend(box)

    def has_box(self, number: int) -> bool:
        return self._last[number] != NONE

    def boxes(self, number: int) -> list[Box]:
        """In the order in which they came."""
        found, place = [], self._last[number]
        while place != NONE:
            x0, y0, x1, y1 = self._corners[4 * place : 4 * place + 4]
            found.append((x0, y0, x1, y1))
            place = self._previous[place]
        return found[::-1]


def split(where: str) -> tuple[str, int]:
    """A place without the number that it ends with, and the number: most places are lines of one file."""
    stem = where.rstrip("0123456789")
    number = where[len(stem) :]
    plain = number and number[0] != "0" and len(number) < DIGITS
    return (stem, int(number)) if plain else (where, NONE)
