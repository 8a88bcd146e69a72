"""One image of a split while it is read: what its files say of it, and what is wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from camkit.data.annotations import TOLERANCE, Box
from camkit.data.formats.corners import Corners, are_shares
from camkit.data.sources import Read
from camkit.errors import CamkitError

MOST_TOLD = 1000  # characters of a problem, of which a name may have thousands
MOST_PIXELS = 1 << 32  # no format that is decoded holds more than 65,535 x 65,535


class Incomplete(CamkitError):
    """An image lacks what its format requires; where annotations of it were left out, these are the reason."""


class Contradiction(CamkitError):
    """Two lines say different things of one image, so that neither is known to be right."""


@dataclass(eq=False)
class Entry:
    """What is known so far of one image.

    Attributes
    ----------
    image : str
        Its name below the images' folder.
    where : str
        The line that lists it.
    label, boxes, size
        As `Record` has them.
    read : callable or None
        Reads the image, where that is known already.
    problem : str or None
        Why the image gives no record.
    left_out : list of str
        What is wrong with single annotations of it, without which it may still give one.
    shares : list of (bool, bool)
        For each box whether it looks like shares of the image's sides, along x and along y.
    sub_pixel : tuple of float or None
        The first box that lies in a fraction of the image's first pixel.
    """

    image: str
    where: str
    label: int | None = None
    boxes: list[Box] = field(default_factory=list)
    size: tuple[int, int] | None = None
    read: Read | None = None
    problem: str | None = None
    left_out: list[str] = field(default_factory=list)
    shares: list[tuple[bool, bool]] = field(default_factory=list)
    sub_pixel: Box | None = None

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
            self.left_out.append(problem_at(where, error))

    def refuse(self, problem: str) -> None:
        """Give the image a problem, unless it has one."""
        self.problem = self.problem or problem

    def half_open(self, written: Box, corners: Corners, *, scaled: bool = False) -> Box:
        """A box as records hold it, from how the format writes it; `CamkitError` where it has no inside.

        Of a format that writes shares of the image's sides it comes `scaled` to pixels, and none looks like shares.
        """
        box = corners.half_open(written)
        self.shares.append((False, False) if scaled else are_shares(written))
        if all(self.shares[-1]) and any(number % 1 for number in written):
            self.sub_pixel = self.sub_pixel or box
        x0, y0, x1, y1 = box
        return (x0 if x0 < -TOLERANCE else max(x0, 0), y0 if y0 < -TOLERANCE else max(y0, 0), x1, y1)

    def add_box(self, written: Box, corners: Corners) -> None:
        """Give the image a box; `CamkitError` where it has no inside."""
        self.boxes.append(self.half_open(written, corners))

    def set_label(self, label: int, classes: int | None = None) -> None:
        """`CamkitError` where the label is none of `classes`, or another than before."""
        if classes is not None and label >= classes:
            raise CamkitError(f"label {label} is none of the {classes} classes, which count from 0")
        if self.label not in (None, label):
            raise Contradiction(f"a second label: {label} after {self.label}")
        self.label = label

    def set_size(self, height: float, width: float) -> None:
        """Height and width; 0 is how files write that they do not know. `CamkitError` where no image is like that."""
        if min(height, width) < 0 or height * width > MOST_PIXELS or height % 1 or width % 1:
            raise CamkitError(f"there is no image of {width:g} x {height:g} pixels; mend the size or write 0")
        size = (int(height), int(width)) if height and width else None
        if size and self.size not in (None, size):
            raise Contradiction(f"a second size: {width:g} x {height:g} after {self.size[1]} x {self.size[0]}")
        self.size = size or self.size


def problem_at(where: str, error: str | CamkitError) -> str:
    """A problem in one line: where, what, and what to do about it."""
    line = f"{where}: {error}" if "; " in str(error) else f"{where}: {error}; mend it or take it out"
    if not line.isprintable():  # a name may hold a line break
        line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    return line if len(line) <= MOST_TOLD else f"{line[: MOST_TOLD // 2]} ... {line[-MOST_TOLD // 2 :]}"
