"""Boxes that something found: of a regressor, of a detector, of `camkit localize`.

`camkit.data.found_files` reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from camkit.data.annotations import check_inside
from camkit.errors import CamkitError

REMEDY = "check the file of boxes"

Corners = tuple[float, float, float, float]
Kind = int | str
"""A class: its number, or its name."""


@dataclass(frozen=True)
class FoundBox:
    """One box of an image.

    Attributes
    ----------
    corners : tuple of float
        ``x0, y0, x1, y1``, half open; all 0 where nothing was found.
    kind : int, str or None
        Its class; None of a box of whatever there is.
    score : float or None
    rank : int or None
    """

    corners: Corners
    kind: Kind | None = None
    score: float | None = None
    rank: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        x0, y0, x1, y1 = self.corners
        return not (x1 > x0 and y1 > y0)


@dataclass(eq=False)
class FoundBoxes:
    """What a file says.

    Attributes
    ----------
    path : Path
    shares : bool
        Corners are shares of the image's sides, not pixels.
    boxes : dict from image name to list of FoundBox
        The best first: by rank, else by score, else as the file has them. An image may be listed with none.
    problems : dict from image name to str
        What is wrong with an entry of the image.
    """

    path: Path
    shares: bool = False
    boxes: dict[str, list[FoundBox]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> set[Kind]:
        """The classes of its boxes; none in a file of boxes alone."""
        return {box.kind for boxes in self.boxes.values() for box in boxes if box.kind is not None}

    def add(self, image: str, box: FoundBox | None = None) -> None:
        """Take in a box, or list an image."""
        listed = self.boxes.setdefault(image, [])
        if box is not None:
            listed.append(box)

    def add_sides(self, sides: Mapping[str, Sequence[FoundBox]]) -> None:
        """Take in boxes whose corners are x, y, w, h: shares where all numbers of the file are."""
        self.shares = self.shares or (bool(sides) and all(
            number <= 1 for boxes in sides.values() for box in boxes for number in box.corners
        ))  # fmt: skip
        for image, boxes in sides.items():
            for box in boxes:
                x, y, width, height = box.corners
                self.add(image, replace(box, corners=(x, y, x + width, y + height)))

    def in_pixels(self, box: FoundBox, size: tuple[int, int]) -> Corners:
        """A box in pixels of its image of `size` (height, width); shares reach no further than that.

        Raises
        ------
        CamkitError
            Pixels reach outside.
        """
        if not self.shares:
            check_inside([box.corners], size)
            return box.corners
        (height, width), (x0, y0, x1, y1) = size, (min(max(share, 0.0), 1.0) for share in box.corners)
        return x0 * width, y0 * height, x1 * width, y1 * height

    def ranked(self) -> "FoundBoxes":
        """With the boxes of each image in order.

        Raises
        ------
        CamkitError
            It holds nothing, or only some boxes have a class, a score or a rank, so that there is no order.
        """
        if not self.boxes and not self.problems:
            raise CamkitError(f"{self.path}: it lists no image and no box; {REMEDY}")
        everything = [box for boxes in self.boxes.values() for box in boxes]
        for name, word in (("kind", "class"), ("score", "score"), ("rank", "rank")):
            lacking = sum(getattr(box, name) is None for box in everything)
            if 0 < lacking < len(everything):
                raise CamkitError(f"{self.path}: {lacking} of {len(everything)} boxes have no {word} and the others "
                                  "have one: give it to all, or to none")  # fmt: skip
        for boxes in self.boxes.values():
            boxes.sort(key=lambda box: (box.rank or 0, -(box.score or 0.0)))  # stable: else as the file has them
        return self


def check_inside_out(width: float, height: float, said: str) -> None:
    """`CamkitError` where a box has no inside and is not empty altogether."""
    if not (width > 0 and height > 0) and not width == height == 0:
        raise CamkitError(f"{said} has no inside")
