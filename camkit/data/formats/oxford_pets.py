"""Oxford-IIIT Pet (Parkhi et al. 2012): 37 breeds of cats and dogs, with trimaps.

``annotations/trainval.txt`` and ``annotations/test.txt`` (``name class species breed``, classes from **1**: a record's
label is one less), ``images/<name>.jpg`` and ``annotations/trimaps/<name>.png``. The breed is the name without its
number: Abyssinian_100 is an Abyssinian.

In a trimap 1 is the animal, 2 the background, 3 the edge, which does not count. There is no box: those of
``annotations/xmls`` are of heads, which is not what is asked for.
"""

from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.draft import Draft, with_label
from camkit.data.formats.entry import Entry
from camkit.data.formats.masks import MaskValues
from camkit.data.formats.tables import Line, lines, mending, quoted
from camkit.data.records import Record
from camkit.data.sources import source
from camkit.errors import CamkitError

SPLITS = ("trainval", "test")
FIELDS = 4
ANIMAL, BACKGROUND, EDGE = 1, 2, 3


def read_oxford_pets(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The folder with ``annotations`` and ``images``, which may be a zip archive, as may the trimaps.
    split : {"trainval", "test"}

    Raises
    ------
    CamkitError
        The split is unknown, a file is missing, the classes cannot be told, or no image can be used.
    """
    if split not in SPLITS:
        raise CamkitError(f"Oxford-IIIT Pet has no split {split!r}: use trainval or test")
    annotations = root / "annotations"
    draft = Draft("oxford-iiit-pet", split, annotations / f"{split}.txt")
    names = _breeds(annotations / "list.txt" if (annotations / "list.txt").is_file() else draft.listing)
    for line in lines(draft.listing, FIELDS):
        entry = draft.add_line(line, f"{line.fields[0]}.jpg")
        with entry.reading(line.where):
            breed = _breed(line)
            if not 1 <= line.whole(1) <= len(names) or names[line.whole(1) - 1] != breed:
                raise CamkitError(f"class {line.whole(1)} is not that of {breed}")
            entry.set_label(line.whole(1) - 1)
    trimaps = source(annotations / "trimaps")

    def complete(entry: Entry, record: Record) -> list[Record]:
        read = trimaps.reader(f"{Path(record.image).stem}.png")
        mask = MaskValues(read, objects=ANIMAL, ignored=EDGE, known=(ANIMAL, BACKGROUND, EDGE))
        return with_label(entry, replace(record, read_mask=mask))

    return draft.finish(source(root / "images"), names, complete)


def _breed(line: Line) -> str:
    return line.text(0).rpartition("_")[0]


def _breeds(listing: Path) -> list[str]:
    """The breeds by label; `CamkitError` where a class has two, or a number is missing."""
    found: dict[int, str] = {}
    for line in lines(listing, FIELDS):
        if line.fields[0].startswith("#") or line.fault:
            continue
        with mending(line):
            if found.setdefault(line.whole(1), _breed(line)) != _breed(line):
                raise CamkitError(
                    f"class {line.whole(1)} is {found[line.whole(1)]} already, not {quoted(_breed(line))}"
                )
    if not found or sorted(found) != list(range(1, len(found) + 1)):
        raise CamkitError(f"{listing}: its classes are not numbered from 1 without a gap; fetch it again")
    return [found[number] for number in sorted(found)]
