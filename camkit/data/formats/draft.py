"""A split while it is read: each image that is listed becomes a record or one line that says why it does not."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from camkit.data.annotations import AnnotatedSet, Box, check_inside
from camkit.data.formats.tables import Line
from camkit.data.records import Record, no_boxes
from camkit.data.sources import Source
from camkit.errors import CamkitError, UnreadableImage


@dataclass(eq=False)
class Entry:
    """What is known so far of one image."""

    image: str
    where: str
    label: int | None = None
    boxes: list[Box] = field(default_factory=list)
    size: tuple[int, int] | None = None
    problem: str | None = None

    def add_box(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Half open, 0-based; `CamkitError` where the box is empty."""
        self.boxes.append(checked_box((x0, y0, x1, y1)))

    @contextmanager
    def reading(self, line: Line) -> "Iterator[Entry]":
        """What is wrong with a line that annotates the image is the image's problem; the first one is told."""
        try:
            yield self
        except CamkitError as error:
            self.refuse(f"{line.where}: {error}")

    def set_label(self, label: int, classes: int | None = None) -> None:
        """`CamkitError` where the label is none of `classes`, or another than before."""
        if classes is not None and label >= classes:
            raise CamkitError(f"label {label} is none of the {classes} classes, which count from 0")
        if self.label not in (None, label):
            raise CamkitError(f"a second label: {label} after {self.label}")
        self.label = label

    def set_size(self, height: int, width: int) -> None:
        """`CamkitError` where a side is not above 0."""
        if min(height, width) < 1:
            raise CamkitError(f"an image of {width} x {height} pixels has none")
        self.size = height, width

    def refuse(self, problem: str) -> None:
        """Give the image a problem, unless it has one."""
        self.problem = self.problem or problem


def checked_box(box: Box) -> Box:
    """A half-open box with an inside; `CamkitError` for another."""
    x0, y0, x1, y1 = box
    if not (x1 > x0 and y1 > y0):
        raise CamkitError(f"the box from {x0:g}, {y0:g} to {x1:g}, {y1:g} (half open) is empty")
    return box


class Draft:
    """The images of a split, in the order in which they are listed, and what several files say of each.

    Parameters
    ----------
    name, split : str
        What the data set calls itself, and which part of it this is.
    listing : Path
        Where the images are listed.
    """

    def __init__(self, name: str, split: str, listing: Path) -> None:
        self.name, self.split, self.listing = name, split, listing
        self.entries: dict[str, Entry] = {}
        self.duplicates: list[str] = []

    def add(self, key: str, image: str, where: str) -> Entry:
        """List an image; one that is listed already is a problem of its second line."""
        if key in self.entries:
            self.duplicates.append(f"{where}: {key!r} is listed a second time; the first, {self.entries[key].where}")
            return Entry(image, where)
        return self.entries.setdefault(key, Entry(image, where))

    def require_images(self) -> None:
        """`CamkitError` where the split is empty: said first, else every annotation seems to be of another split."""
        if not self.entries:
            raise CamkitError(f"{self.listing}: lists no image of the split {self.split!r}; check --root and --split")

    def reading(self, line: Line) -> AbstractContextManager[Entry]:
        """The image whose key is a line's first field, as `Entry.reading`.

        Raises
        ------
        CamkitError
            The line annotates no image of the listing, so that its annotation would be lost.
        """
        key = line.fields[0]
        if key not in self.entries:
            raise CamkitError(f"{line.where}: {key!r} is none of the images that {self.listing} lists; mend either")
        return self.entries[key].reading(line)

    def finish(
        self,
        images: Source,
        labels: Sequence[str] | None,
        complete: Callable[[Entry, Record], list[Record]],
        upright: bool = False,
    ) -> AnnotatedSet:
        """Make records of the images whose annotations are whole.

        Parameters
        ----------
        images : Source
        labels : sequence of str or None
        complete : callable
            Gives an image's records from its entry and the record that the entry makes; it raises `CamkitError` where
            the entry lacks what the format requires.
        upright : bool

        Raises
        ------
        CamkitError
            The split is empty, or no image of it can be used.
        """
        self.require_images()
        records: list[Record] = []
        problems = []
        for entry in self.entries.values():
            try:
                records += complete(entry, self._record(entry, images))
            except CamkitError as error:
                problems.append(entry.problem or f"{entry.where}: {entry.image!r}: {error}")
        problems += self.duplicates
        if not records:
            raise CamkitError(f"none of the {len(problems)} images can be used; the first: {problems[0]}")
        names = None if labels is None else tuple(labels)
        return AnnotatedSet(self.name, self.split, records, names, problems, upright)

    def _record(self, entry: Entry, images: Source) -> Record:
        if entry.problem:
            raise CamkitError(entry.problem)
        if entry.size is not None:
            check_inside(entry.boxes, entry.size)
        boxes = np.array(entry.boxes, np.float64) if entry.boxes else no_boxes()
        return Record(entry.image, _reader(entry, images), entry.label, boxes, entry.size)


def _reader(entry: Entry, images: Source) -> Callable[[], bytes]:
    """Where the image's size is stated a missing file is missed only by who wants to read it: maps can do without."""
    try:
        return images.reader(entry.image)
    except UnreadableImage as error:
        if entry.size is None:
            raise
        return Missing(f"{entry.where}: {error}")


@dataclass(frozen=True)
class Missing:
    """Reads nothing, and says why."""

    reason: str

    def __call__(self) -> bytes:
        raise UnreadableImage(self.reason)


def with_label(entry: Entry, record: Record) -> list[Record]:
    """A record that must have a label."""
    if entry.label is None:
        raise CamkitError("it has no label")
    return [record]


def with_label_and_box(entry: Entry, record: Record) -> list[Record]:
    """A record that must have a label and a box."""
    if not entry.boxes:
        raise CamkitError("it has no box")
    return with_label(entry, record)
