"""A plain CSV of boxes: ``image,label,x0,y0,x1,y1``, in any order, beside other columns.

Corners are **0-based** and **half open**, camkit's own, in pixels of the image **upright**, as `camkit localize` writes
them: a box over all of an image of 500 pixels is ``0 ... 500``. An image may have several lines, one for each box.

All of them are of one class, unless there is a column ``rank``, as in the boxes.csv of `camkit localize --topk 5`: then
an image gives one record for each class in it. An empty box, ``0,0,0,0``, is a problem of its line.

Labels are whole numbers, ``3`` or ``3.0``, or names. Which of the two is what most lines have; the others' labels are
problems of their lines. Names may be written as camkit's tables write them (`camkit.data.names`), so that a boxes.csv
can be read. Where the column is called ``name`` instead of ``label`` all are names, also those like ``7``.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.tables import Line, Table, quoted
from camkit.data.names import read_path, read_text
from camkit.data.sources import Source, source
from camkit.errors import CamkitError

RANK = "rank"
CORNERS = ("x0", "y0", "x1", "y1")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)


def read_csv(root: Path, split: str) -> AnnotatedSet:
    """Read a CSV and the images that it names.

    Parameters
    ----------
    root : Path
        The folder with ``<split>.csv``, or the CSV itself, whatever the split. Images' paths are below the folder
        ``images`` beside the CSV, which may be a zip archive, where that is there, else below the CSV's own folder.
    split : str

    Returns
    -------
    AnnotatedSet
        Where labels are names, they are numbered in sorted order.

    Raises
    ------
    CamkitError
        The file or a column is missing, or no image can be used.
    """
    listing = root if root.is_file() else root / f"{split}.csv"
    draft = Draft("csv", split, listing)
    columns = Table(listing).columns
    column = "name" if "label" not in columns and "name" in columns else "label"
    images = source(listing.parent / "images", listing.parent)
    names = _names(_rows(listing, column, images), column)
    label = _whole if names is None else _numbered(names)
    ranked, objects = RANK in columns, Objects()
    for line in _rows(listing, column, images):
        image = line.fields[0]
        if image not in draft.entries and not line.fault:
            draft.add(image, image, line.where)
        with draft.annotation(line) as entry:
            if not _label(line):
                raise CamkitError("it has no label")
            number = label(line)
            if not ranked:
                entry.set_label(number)
            x0, y0, x1, y1 = line.numbers(2, 6)
            if ranked:
                objects.add(entry, Object(number, entry.half_open((x0, y0, x1, y1), HALF_OPEN)))
            else:
                entry.add_box((x0, y0, x1, y1), HALF_OPEN)
    done = draft.finish(images, names, objects.records if ranked else with_label_and_box, upright=True)
    return replace(done, numbered=names is None)


def _rows(listing: Path, column: str, images: Source) -> Iterator[Line]:
    """The file's lines; it is read anew each time, so that they need not be kept."""
    return (_read(line, images) for line in Table(listing).lines(("image", column, *CORNERS)))


def _read(line: Line, images: Source) -> Line:
    """The line with its names as they are, where they are written as `camkit.data.names` has it.

    A backslash may also be another system's slash: it is an escape where there is a file of that name.
    """
    image, label = line.fields[0], line.fields[1]
    read = read_path(image)
    if "\\" in image and not _has(images, read):
        read = image
    return replace(line, fields=[read, read_text(label.strip()), *line.fields[2:]])


def _label(line: Line) -> str:
    """The label as it is, the spaces of a name included; `CamkitError` where the line has a fault."""
    line.check()
    return line.fields[1]


def _has(images: Source, name: str) -> bool:
    try:
        images.reader(name)
    except CamkitError:
        return False
    return True


def _names(rows: Iterable[Line], column: str) -> list[str] | None:
    """The classes' names in sorted order; None where most labels are numbers."""
    found = Counter(_label(line) for line in rows if not line.fault and _label(line))
    if column == "label":
        names = {label: count for label, count in found.items() if not NUMBER.fullmatch(label)}
        return sorted(names) if 2 * sum(names.values()) > found.total() else None
    return sorted(found)


def _whole(line: Line) -> int:
    try:
        return line.whole(1)
    except CamkitError as error:
        raise CamkitError(f"label {error}; mend it, or call the column 'name' where labels are names") from None


def _numbered(names: Sequence[str]) -> Callable[[Line], int]:
    numbers = {name: number for number, name in enumerate(names)}

    def number(line: Line) -> int:
        if _label(line) not in numbers:
            said = quoted(_label(line))
            raise CamkitError(f"label {said} is a number among names; mend it, or call the column 'name' if it is one")
        return numbers[_label(line)]

    return number
