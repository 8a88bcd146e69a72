"""How formats write a box's corners, and the one way in which records hold them: from 0, half open."""

from dataclasses import dataclass

from camkit.data.annotations import Box
from camkit.errors import CamkitError


@dataclass(frozen=True)
class Corners:
    """A convention of corners ``x0, y0, x1, y1``.

    Attributes
    ----------
    first : int
        The number of the first pixel of a row.
    inclusive : bool
        Whether ``x1, y1`` is the last pixel inside the box, not the first one outside.
    """

    first: int
    inclusive: bool

    def half_open(self, written: Box) -> Box:
        """The box from 0 and half open; `CamkitError` where it has no inside."""
        x0, y0, x1, y1 = written
        end = self.inclusive - self.first
        box = (x0 - self.first, y0 - self.first, x1 + end, y1 + end)
        if not (box[2] > box[0] and box[3] > box[1]):
            raise CamkitError(f"the box from {x0:g}, {y0:g} to {x1:g}, {y1:g} is empty; mend it or take it out")
        return box


HALF_OPEN = Corners(first=0, inclusive=False)
INCLUSIVE = Corners(first=0, inclusive=True)
INCLUSIVE_FROM_1 = Corners(first=1, inclusive=True)


def are_shares(written: Box) -> tuple[bool, bool]:
    """Whether both corners lie within 0 and 1, as shares of the image's sides do: along x, along y."""
    x0, y0, x1, y1 = written
    return 0 <= x0 <= 1 and 0 <= x1 <= 1, 0 <= y0 <= 1 and 0 <= y1 <= 1
