"""Create ML's JSON, which Roboflow calls ``_annotations.createml.json``: a list of images with their objects.

``[{"image": "a.jpg", "annotations": [{"label": "cat", "coordinates": {"x": 4, "y": 3, "width": 8, "height": 6}}]}]``.
Coordinates are the box's **centre**, width and height, in pixels of the image **upright**: ``x - width / 2`` to
``x + width / 2``, from 0, half open.

An image gives one record for each class in it. Classes are names, numbered in sorted order.
"""

from pathlib import Path
from typing import Any

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.coco_json import Row, finite, load
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft
from camkit.data.formats.entry import Entry
from camkit.data.formats.listing import find_listing
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.tables import quoted
from camkit.errors import CamkitError

LISTINGS = ("{split}/_annotations.createml.json", "{split}/annotations.json", "{split}.json",
            "annotations/{split}.json", "_annotations.createml.json", "annotations.json")  # fmt: skip
IMAGE, OBJECTS = ("image", "imagefilename"), ("annotations", "annotation")  # the keys' names, by version


def read_createml(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The annotations are ``<split>/_annotations.createml.json``, ``<split>/annotations.json``, ``<split>.json`` or
        ``annotations.json``; images lie beside them, in ``<split>``, ``images/<split>`` or ``images``, each also as a
        zip archive. Or the JSON file itself.
    split : str

    Raises
    ------
    CamkitError
        There is no such file, it is no list of images, or no image can be used.
    """
    listing, places = find_listing(root, split, LISTINGS)
    content = load(listing)
    if not isinstance(content, list):
        raise CamkitError(f"{listing}: it is no list of images, so it is not Create ML's JSON; check --root")
    draft, objects = Draft("createml", split, listing), Objects()
    for number, found in enumerate(content, 1):
        image = Row(f"{listing}, image {number}", found if isinstance(found, dict) else {})
        try:
            name = image.text(next((key for key in IMAGE if key in image.fields), IMAGE[0]))
        except CamkitError as error:
            draft.stray(image.where, error)
            continue
        entry = draft.add(name, name, image.where)
        with entry.reading(image.where):
            for place, one in enumerate(_objects(image), 1):
                row = Row(f"{image.where}, object {place}", one if isinstance(one, dict) else {})
                with entry.annotation(row.where):
                    _read(row, entry, objects)
    return objects.finish(draft, places, upright=True)


def _objects(image: Row) -> list[Any]:
    found = next((image.fields[key] for key in OBJECTS if key in image.fields), None) or []
    if not isinstance(found, list):
        raise CamkitError(f"its annotations {quoted(found)} are no list; mend it")
    return found


def _read(row: Row, entry: Entry, objects: Objects) -> None:
    name = objects.named(row.text("label").strip())
    with objects.reading(entry, name, row.where):
        written = row.value("coordinates")
        if not isinstance(written, dict):
            raise CamkitError(f"coordinates {quoted(written)} are not x, y, width and height; mend it")
        place = Row(row.where, written)
        x, y, width, height = (finite(place.value(side), side) for side in ("x", "y", "width", "height"))
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        objects.add(entry, Object(name, entry.half_open(box, HALF_OPEN)))
