"""A plain CSV of boxes: ``image,label,x0,y0,x1,y1``.

Corners are **0-based** and **half open**, camkit's own, in pixels of the image **upright**, as `camkit localize` writes
them: a box over all of an image of 500 pixels is ``0 ... 500``. An image may have several lines, one for each box.
"""

from dataclasses import replace
from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.tables import table
from camkit.data.sources import source
from camkit.errors import CamkitError

COLUMNS = ("image", "label", "x0", "y0", "x1", "y1")


def read_csv(root: Path, split: str) -> AnnotatedSet:
    """Read a CSV and the images that it names.

    Parameters
    ----------
    root : Path
        The folder with ``<split>.csv``. Its images' paths are below ``root/images``, which may be a zip archive, where
        that is there, else below ``root``.
    split : str

    Returns
    -------
    AnnotatedSet
        Where every label is a whole number, these are the labels; else all are names, numbered in sorted order.

    Raises
    ------
    CamkitError
        The file or a column is missing, or no image can be used.
    """
    draft = Draft("csv", split, root / f"{split}.csv")
    rows = list(table(draft.listing, COLUMNS))
    found = {line.fields[1].strip() for line in rows if not line.fault} - {""}
    names = None if all(map(str.isdecimal, found)) else sorted(found)
    labels = {name: label for label, name in enumerate(names or ())}
    for line in rows:
        image = line.fields[0]
        if image not in draft.entries:
            draft.add(image, image, line.where)
        with draft.reading(line) as entry:
            name = line.text(1)
            if not name:
                raise CamkitError("it has no label")
            entry.set_label(line.whole(1) if names is None else labels[name])
            x0, y0, x1, y1 = line.numbers(2, 6)
            entry.add_box(x0, y0, x1, y1)
    done = draft.finish(source(root / "images", root), names, with_label_and_box, upright=True)
    return replace(done, numbered=names is None)
