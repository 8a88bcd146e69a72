"""Objects of images that may hold several classes, and the records that they make: one for each class in an image."""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from camkit.data.annotations import AnnotatedSet, Box
from camkit.data.formats.draft import Draft, Images, by_class
from camkit.data.formats.entry import Entry, Incomplete, problem_at
from camkit.data.formats.segmentations import Masks, Segmentation
from camkit.data.records import Record
from camkit.errors import CamkitError

NOT_SEGMENTED = Segmentation("", None)


@dataclass(frozen=True, eq=False)
class Object:
    """One object.

    Attributes
    ----------
    kind : int or str
        Its class: the label, or the name where names are numbered once all are known.
    box : tuple of float or None
        Half open, in pixels; None of a crowd, whose pixels do not count.
    segmentation : Segmentation
    """

    kind: Hashable
    box: Box | None
    segmentation: Segmentation = NOT_SEGMENTED


class Objects:
    """The objects of each image, and what is wrong with others of their classes.

    Parameters
    ----------
    remedy : str
        What is added to the reason where an image's boxes cannot be its own.
    """

    def __init__(self, remedy: str = "") -> None:
        self.remedy = remedy
        self.found: dict[Entry, list[Object]] = {}
        self.faults: dict[tuple[Entry, Hashable], str] = {}
        self.names: set[str] = set()
        self._numbers: Mapping[str, int] = {}

    def named(self, name: str) -> str:
        """A class's name; it is known from now on, so that a broken box does not renumber the classes."""
        self.names.add(name)
        return name

    @contextmanager
    def reading(self, entry: Entry, kind: Hashable, where: str) -> Iterator[None]:
        """What is wrong with what is read within leaves the object out, and the masks of its class are told of it."""
        try:
            yield
        except CamkitError as error:
            self.faults.setdefault((entry, kind), problem_at(where, error))
            raise

    def add(self, entry: Entry, thing: Object) -> None:
        """Give an image an object."""
        self.found.setdefault(entry, []).append(thing)

    def records(self, entry: Entry, record: Record) -> list[Record]:
        """An image's records, one for each class that has a box, in the order of labels."""
        objects = self.found.get(entry, [])
        if objects and all(thing.box is None for thing in objects):
            raise Incomplete("all its objects are crowds; take the image out")
        boxes: dict[int, list[Box]] = {}
        for thing in objects:
            if thing.box is not None:
                boxes.setdefault(self._label(thing), []).append(thing.box)
        try:
            records = by_class(entry, record, boxes)
        except Incomplete:
            raise
        except CamkitError as error:
            raise CamkitError(f"{error}{self.remedy}") from None
        return [self._with_masks(entry, each) for each in records]

    def finish(self, draft: Draft, images: Images, *, upright: bool) -> AnnotatedSet:
        """Make records of images whose classes go by name alone, numbered in sorted order."""
        names = sorted(self.names)
        self._numbers = {name: label for label, name in enumerate(names)}
        return replace(draft.finish(images, names, self.records, upright), numbered=False)

    def _label(self, thing: Object) -> int:
        return thing.kind if isinstance(thing.kind, int) else self._numbers[str(thing.kind)]

    def _with_masks(self, entry: Entry, record: Record) -> Record:
        """Without masks unless all objects are segmented: a union of some would call the others background."""
        things = [thing for thing in self.found[entry] if self._label(thing) == record.label]
        if not all(thing.segmentation for thing in things):
            return record
        objects, crowds = ([t.segmentation for t in things if (t.box is None) is crowd] for crowd in (False, True))
        fault = self.faults.get((entry, things[0].kind))
        return replace(record, read_mask=Masks(record.image, record.read, record.size, objects, crowds, fault))
