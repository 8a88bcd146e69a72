"""One image of a split while it is read: what its files say of it, and what is wrong with them."""

from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from camkit.data.annotations import TOLERANCE, Box
from camkit.data.formats.columns import NONE, Columns
from camkit.data.formats.corners import Corners, are_shares
from camkit.data.sources import Read
from camkit.errors import CamkitError

MOST_TOLD = 1000  # characters of a problem, of which a name may have thousands
MOST_PIXELS = 1 << 32  # no format that is decoded holds more than 65,535 x 65,535


class Incomplete(CamkitError):
    """An image lacks what its format requires; where annotations of it were left out, these are the reason."""


class Contradiction(CamkitError):
    """Two lines say different things of one image, so that neither is known to be right."""


class Entry:
    """What is known so far of one image: a view of `Columns`.

    Attributes
    ----------
    image : str
        Its name below the images' folder.
    where : str
        The line that lists it.
    label, size, boxes
        As `Record` has them.
    read : callable or None
        Reads the image, where that is known already.
    problem : str or None
        Why the image gives no record.
    left_out : sequence of str
        What is wrong with single annotations of it, without which it may still give one.
    written : int
        How many boxes were read, those that are left out as well.
    like_shares : (int, int)
        How many of them look like shares of the image's sides, along x and along y.
    sub_pixel : tuple of float or None
        The first box that lies in a fraction of the image's first pixel.
    """

    __slots__ = ("_columns", "_number")

    def __init__(self, columns: Columns, number: int) -> None:
        self._columns, self._number = columns, number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self._columns is other._columns and self._number == other._number

    def __hash__(self) -> int:
        return hash((id(self._columns), self._number))

    @classmethod
    def alone(cls, image: str, where: str) -> "Entry":
        """An entry that belongs to no split: what is noted of it is dropped."""
        columns = Columns()
        return cls(columns, columns.add(image, where))

    @property
    def image(self) -> str:
        return self._columns.images[self._number]

    @image.setter
    def image(self, image: str) -> None:
        self._columns.images[self._number] = image

    @property
    def where(self) -> str:
        return self._columns.where(self._number)

    @property
    def label(self) -> int | None:
        label = self._columns.labels[self._number]
        return None if label == NONE else label

    @property
    def size(self) -> tuple[int, int] | None:
        height, width = self._columns.sizes[2 * self._number : 2 * self._number + 2]
        return None if height == NONE else (height, width)

    @property
    def read(self) -> Read | None:
        return self._columns.seldom(self._number).read

    @read.setter
    def read(self, read: Read) -> None:
        self._columns.to_note(self._number).read = read

    @property
    def problem(self) -> str | None:
        return self._columns.seldom(self._number).problem

    @property
    def left_out(self) -> Sequence[str]:
        return self._columns.seldom(self._number).left_out

    @property
    def written(self) -> int:
        return self._columns.written[self._number]

    @property
    def like_shares(self) -> tuple[int, int]:
        return self._columns.seldom(self._number).like_shares

    @property
    def sub_pixel(self) -> Box | None:
        return self._columns.seldom(self._number).sub_pixel

    @property
    def has_box(self) -> bool:
        return self._columns.has_box(self._number)

    @property
    def boxes(self) -> list[Box]:
        return self._columns.boxes(self._number)

    @contextmanager
    def reading(self, where: str) -> Iterator[None]:
        """What is wrong with what is read within is the image's problem; the first one is told."""
        try:
            yield
        except CamkitError as error:
            self.refuse(problem_at(where, error))

    @contextmanager
    def annotation(self, where: str) -> Iterator[None]:
        """What is wrong with what is read within leaves it out, and the image's other annotations stay."""
        try:
            yield
        except Contradiction as error:
            self.refuse(problem_at(where, error))
        except CamkitError as error:
            noted = self._columns.to_note(self._number)
            noted.left_out = [*noted.left_out, problem_at(where, error)]

    def refuse(self, problem: str) -> None:
        """Give the image a problem, unless it has one."""
        noted = self._columns.to_note(self._number)
        noted.problem = noted.problem or problem

    def half_open(self, written: Box, corners: Corners, *, scaled: bool = False) -> Box:
        """A box as records hold it, from how the format writes it; `CamkitError` where it has no inside.

        Of a format that writes shares of the image's sides it comes `scaled` to pixels, and none looks like shares.
        """
        box = corners.half_open(written)
        x, y = (False, False) if scaled else are_shares(written)
        self._columns.written[self._number] += 1
        if x or y:
            noted = self._columns.to_note(self._number)
            noted.like_shares = (noted.like_shares[0] + x, noted.like_shares[1] + y)
            if x and y and any(number % 1 for number in written):
                noted.sub_pixel = noted.sub_pixel or box
        x0, y0, x1, y1 = box
        return (x0 if x0 < -TOLERANCE else max(x0, 0), y0 if y0 < -TOLERANCE else max(y0, 0), x1, y1)

    def add_box(self, written: Box, corners: Corners) -> None:
        """Give the image a box; `CamkitError` where it has no inside."""
        self._columns.add_box(self._number, self.half_open(written, corners))

    def set_label(self, label: int, classes: int | None = None) -> None:
        """`CamkitError` where the label is none of `classes`, or another than before."""
        if classes is not None and label >= classes:
            raise CamkitError(f"label {label} is none of the {classes} classes, which count from 0")
        if self.label not in (None, label):
            raise Contradiction(f"a second label: {label} after {self.label}")
        self._columns.labels[self._number] = label

    def set_size(self, height: float, width: float) -> None:
        """Height and width; 0 is how files write that they do not know. `CamkitError` where no image is like that."""
        if min(height, width) < 0 or height * width > MOST_PIXELS or height % 1 or width % 1:
            raise CamkitError(f"there is no image of {width:g} x {height:g} pixels; mend the size or write 0")
        size = (int(height), int(width)) if height and width else None
        if size and self.size not in (None, size):
            raise Contradiction(f"a second size: {width:g} x {height:g} after {self.size[1]} x {self.size[0]}")
        if size:
            self._columns.sizes[2 * self._number : 2 * self._number + 2] = array("q", size)


def problem_at(where: str, error: str | CamkitError) -> str:
    """A problem in one line: where, what, and what to do about it."""
    line = f"{where}: {error}" if "; " in str(error) else f"{where}: {error}; mend it or take it out"
    if not line.isprintable():  # a name may hold a line break
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return line if len(line) <= MOST_TOLD else f"{line[: MOST_TOLD // 2]} ... {line[-MOST_TOLD // 2 :]}"
