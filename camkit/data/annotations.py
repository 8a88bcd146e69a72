"""A split of a data set: its images with what is known of them, and what is wrong with the others."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from camkit.data.filled import FilledImages
from camkit.data.packed import Some
from camkit.data.records import Record
from camkit.errors import CamkitError

# Annotators and converters differ by a pixel at the border; a box that reaches further out is of another image.
TOLERANCE = 1.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Assigned:
    """What a class map says of one of the data set's classes.

    Attributes
    ----------
    to : str or None
        The model's class, by number or name; None: its images are left out.
    where : str
        Where the map says so.
    """

    to: str | None
    where: str


@dataclass(frozen=True, eq=False)
class AnnotatedSet:
    """A split of a data set.

    Attributes
    ----------
    name, split : str
    records : sequence of Record
        In the order of the listing; one an image, except where a format has several classes an image: then one for
        each class that is in the image, with that class's boxes, under the same `Record.image`.
    class_names : tuple of str or None
        The classes' names by label, None where the format names none.
    problems : list of str
        One line for each entry of the files that is not in `records`, with the file, the line or the id, and what to
        do. An image that is listed gives records, or is named here itself, or by each of its annotations. An annotation
        that is left out (a box without an inside, say) does not take the image's others with it.
    upright : bool
        Whether boxes and masks count pixels of the image turned upright (EXIF), not of the image as stored.
    filled : FilledImages or None
        Where damaged images are noted, of which what is left is read; None where they are failures.
    imagenet_labels : tuple of int or None
        For each label its number among ImageNet's 1,000 classes, where the format states it.
    numbered : bool
        Whether the labels are numbers that the format gives to its classes. False: the format names them alone, and
        camkit has numbered those found in this split, in sorted order.
    wnids : tuple of str or None
        For each label its WordNet id (n01440764), where the format states it.
    class_map : mapping from int to Assigned
        For some labels the model's class, as `map_classes` was told.
    class_map_file : str or None
        What told it.
    left_out : mapping from str to int
        Classes whose records were taken out at the map's word, and in how many images each was.
    whole : AnnotatedSet or None
        The split of which this is a part, as `part` gives it.
    places : sequence of int or None
        Where each of a part's records stands in the split.
    """

    name: str
    split: str
    records: Sequence[Record]
    class_names: tuple[str, ...] | None
    problems: list[str]
    upright: bool = False
    filled: FilledImages | None = None
    imagenet_labels: tuple[int, ...] | None = None
    numbered: bool = True
    wnids: tuple[str, ...] | None = None
    class_map: Mapping[int, Assigned] = field(default_factory=dict)
    class_map_file: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    whole: "AnnotatedSet | None" = None
    places: Sequence[int] | None = None

    def __repr__(self) -> str:
        classes = "" if self.class_names is None else f"{len(self.class_names)} classes, "
        return (f"AnnotatedSet({self.name} {self.split}: {len(self.records)} records, {classes}"
                f"{len(self.problems)} problems)")  # fmt: skip

    @property
    def has_boxes(self) -> bool:
        """Whether an image has a ground-truth box."""
        return any(len(record.boxes) for record in self.records)

    def part(self, places: Sequence[int]) -> "AnnotatedSet":
        """Those records alone; classes still meet a model's as those of the whole split do."""
        return replace(self.some(places), whole=self.whole or self, places=self._own(places))

    def place(self, index: int) -> int:
        """Where a record stands in the whole split."""
        return index if self.places is None else self.places[index]

    def evenly(self, limit: int | None) -> "AnnotatedSet":
        """As many records, or all where there are fewer or `limit` is None, evenly spaced over the listing."""
        if limit is None or limit >= len(self.records):
            return self
        return self.some(array("q", (i * len(self.records) // limit for i in range(limit))))

    def some(self, places: Sequence[int]) -> "AnnotatedSet":
        """Those records alone; of what is no part, as a split of their own."""
        own = None if self.places is None else self._own(places)
        return replace(self, records=Some(self.records, places), places=own)

    def _own(self, places: Sequence[int]) -> Sequence[int]:
        """Places in the whole split of places in this one."""
        return places if self.places is None else array("q", (self.places[place] for place in places))


def check_inside(boxes: Sequence[Box], size: tuple[int, int]) -> None:
    """`CamkitError` where a box reaches more than a pixel beyond an image of `size` (height, width)."""
    height, width = size
    for x0, y0, x1, y1 in boxes:
        if min(x0, y0) < -TOLERANCE or x1 > width + TOLERANCE or y1 > height + TOLERANCE:
            raise CamkitError(
                f"the box from {x0:g}, {y0:g} to {x1:g}, {y1:g} (half open) reaches outside "
                f"the image of {width} x {height} pixels; mend the box, or the image is another one"
            )
