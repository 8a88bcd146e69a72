"""TensorFlow's object detection CSV, which Roboflow calls ``_annotations.csv``: one object a line.

``filename,width,height,class,xmin,ymin,xmax,ymax``, in any order, beside other columns. Corners are **0-based** and
**half open**, in pixels, as Roboflow writes them: a box over all of an image of 500 pixels is ``0 ... 500``.

An image gives one record for each class in it. Classes are names, numbered in sorted order.
"""

from pathlib import Path

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft
from camkit.data.formats.listing import find_listing
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.tables import Table
from camkit.errors import CamkitError

COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
LISTINGS = ("{split}/_annotations.csv", "{split}_labels.csv", "annotations/{split}_labels.csv", "{split}.csv",
            "_annotations.csv")  # fmt: skip


def read_tensorflow_csv(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The annotations are ``<split>/_annotations.csv``, ``<split>_labels.csv`` or ``<split>.csv``; the images lie
        beside them, in ``<split>``, ``images/<split>`` or ``images``, each also as a zip archive. Or the CSV itself.
    split : str
        Such as train, valid or test.

    Raises
    ------
    CamkitError
        The file or a column is missing, or no image can be used.
    """
    listing, places = find_listing(root, split, LISTINGS)
    draft, objects = Draft("tensorflow-csv", split, listing), Objects()
    for line in Table(listing).lines(COLUMNS):
        image = line.fields[0]
        if image not in draft.entries and not line.fault:
            draft.add(image, image, line.where)
        with draft.annotation(line) as entry:
            entry.set_size(line.number(2), line.number(1))
            name = line.text(3)
            if not name:
                raise CamkitError("it has no class")
            with objects.reading(entry, objects.named(name), line.where):
                x0, y0, x1, y1 = line.numbers(4, 8)
                objects.add(entry, Object(name, entry.half_open((x0, y0, x1, y1), HALF_OPEN)))
    return objects.finish(draft, places, upright=False)
