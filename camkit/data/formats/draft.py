"""A split while it is read: each entry of its files becomes part of a record, or one line that says why it does not."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from camkit.data.annotations import AnnotatedSet, Box, check_inside
from camkit.data.formats.entries import Entries
from camkit.data.formats.entry import Entry, Incomplete, problem_at
from camkit.data.formats.tables import Line, quoted
from camkit.data.packed import PackedRecords
from camkit.data.records import Record
from camkit.data.sources import Read
from camkit.errors import CamkitError, UnreadableImage


class Images(Protocol):
    """Where the images lie: a `Source`, or something that finds them as one does."""

    def reader(self, name: str) -> Read:
        """What reads the image of this name; `UnreadableImage` where there is none."""


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
        self.entries = Entries()
        self.strays: list[str] = []  # what is wrong with lines that belong to no image

    def add(self, key: str, image: str, where: str) -> Entry:
        """List an image; one that is listed already is a problem of its second line."""
        if key in self.entries:
            first = self.entries[key].where
            self.stray(where, f"{quoted(key)} is listed a second time (first in {first}); take one out")
            return Entry.alone(image, where)
        return self.entries.add(key, image, where)

    def stray(self, where: str, reason: str | CamkitError) -> None:
        """Tell of a line that belongs to no image."""
        self.strays.append(problem_at(where, reason))

    def add_line(self, line: Line, image: str | None = None) -> Entry:
        """List the image of a line, which is its own key; it is the line's first field unless it is given."""
        image = image or line.fields[0]
        entry = self.add(image, image, line.where)
        with entry.reading(line.where):
            line.check()
        return entry

    def require_images(self) -> None:
        """`CamkitError` where the split is empty: said first, else every annotation seems to be of another split."""
        if not self.entries:
            first = f"; the first line that cannot be used: {self.strays[0]}" if self.strays else ""
            raise CamkitError(
                f"{self.listing}: lists no image of the split {self.split!r}; check --root and --split{first}"
            )

    @contextmanager
    def reading(self, line: Line) -> Iterator[Entry]:
        """The image whose key is a line's first field, as `Entry.reading`."""
        entry = self._entry(line)
        with entry.reading(line.where):
            yield entry

    @contextmanager
    def annotation(self, line: Line) -> Iterator[Entry]:
        """The image whose key is a line's first field, as `Entry.annotation`."""
        entry = self._entry(line)
        with entry.annotation(line.where):
            yield entry

    def _entry(self, line: Line) -> Entry:
        """The image that a line annotates; where it annotates none that is listed, that is the line's problem."""
        key = line.fields[0]
        if key in self.entries:
            return self.entries[key]
        reason = line.fault or f"{quoted(key)} is none of the images that {self.listing} lists; mend either"
        self.stray(line.where, reason)
        return Entry.alone(key, line.where)

    def finish(
        self,
        images: Images,
        class_names: Sequence[str] | None,
        complete: Callable[[Entry, Record], list[Record]],
        upright: bool = False,
    ) -> AnnotatedSet:
        """Make records of the images whose annotations are whole.

        Parameters
        ----------
        images : Images
        class_names : sequence of str or None
        complete : callable
            Gives an image's records from its entry and the record that the entry makes; it raises `Incomplete` where
            the entry lacks what the format requires.
        upright : bool

        Raises
        ------
        CamkitError
            The split is empty, its boxes are not in pixels, or no image of it can be used.
        """
        self.require_images()
        self._require_pixels()
        records = PackedRecords()
        problems = []
        for entry in self.entries.values():
            if entry.sub_pixel is not None:
                box = ", ".join(f"{number:g}" for number in entry.sub_pixel)
                reason = CamkitError(
                    f"its box {box} lies in a fraction of the first pixel, as shares of the image's sides do; boxes "
                    "are in pixels: multiply x by the image's width and y by its height"
                )
                entry.refuse(problem_at(f"{entry.where}: {quoted(entry.image)}", reason))
            try:
                for record in complete(entry, _record(entry, images)):
                    records.append(record)
            except CamkitError as error:
                if entry.problem:
                    problems.append(entry.problem)
                elif not entry.left_out or (entry.written and not isinstance(error, Incomplete)):
                    problems.append(problem_at(f"{entry.where}: {quoted(entry.image)}", error))
            problems += entry.left_out
        problems += self.strays
        if not records:
            raise CamkitError(f"none of the {len(self.entries)} images can be used; the first: {problems[0]}")
        names = None if class_names is None else tuple(class_names)
        return AnnotatedSet(self.name, self.split, records, names, problems, upright)

    def _require_pixels(self) -> None:
        """`CamkitError` where all boxes lie between 0 and 1 along an axis: in pixels they would be one pixel wide."""
        entries = self.entries.values()
        written = sum(entry.written for entry in entries)
        normalised = [
            name
            for axis, name in enumerate("xy")
            if sum(entry.like_shares[axis] for entry in entries) == written
            and any(entry.size is None or entry.size[1 - axis] > 1 for entry in entries)
        ]
        if written and normalised:
            between = "between 0 and 1" if len(normalised) == 2 else f"between 0 and 1 along {normalised[0]}"
            raise CamkitError(
                f"{self.listing}: all {written} boxes lie {between}, as shares of the image's sides do "
                "(normalised); boxes are in pixels: multiply x by the image's width and y by its height"
            )


def _record(entry: Entry, images: Images) -> Record:
    if entry.problem:
        raise CamkitError(entry.problem)
    if entry.size is not None:
        check_inside(entry.boxes, entry.size)
    boxes = np.array(entry.boxes, np.float64).reshape(-1, 4)
    return Record(entry.image, entry.read or _reader(entry, images), entry.label, boxes, entry.size)


def _reader(entry: Entry, images: Images) -> Callable[[], bytes]:
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
        raise Incomplete("it has no label")
    return [record]


def with_label_and_box(entry: Entry, record: Record) -> list[Record]:
    """A record that must have a label and a box."""
    if not entry.has_box:
        raise Incomplete("it has no box")
    return with_label(entry, record)


def by_class(entry: Entry, record: Record, boxes: Mapping[int, Sequence[Box]]) -> list[Record]:
    """One record for each class that has a box, in the order of labels."""
    found = {label: its for label, its in sorted(boxes.items()) if its}
    if not found:
        raise Incomplete("it has no object")
    if entry.size is not None:
        check_inside([box for its in found.values() for box in its], entry.size)
    return [replace(record, label=label, boxes=np.array(its, np.float64)) for label, its in found.items()]
