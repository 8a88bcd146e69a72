"""VIA's JSON (VGG Image Annotator 1 and 2): the export of annotations, or the project with ``_via_img_metadata``.

For each image its ``filename`` and ``regions``, a list or a table, each with ``shape_attributes`` and
``region_attributes``. A ``rect`` is x, y, width and height; a ``polygon``, a ``circle`` and an ``ellipse`` give a mask,
drawn as COCO's polygons are, and the box around it. Points and lines are no regions, and problems.

All numbers are pixels from 0, **half open**, of the image **upright**, as browsers show it.

A region's class is what its attribute says, where all regions of the file share one; of several the one that is called
class, label or category. Classes are names, numbered in sorted order. An image gives one record for each class in it.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.coco_json import Row, finite, load
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft
from camkit.data.formats.entry import Entry
from camkit.data.formats.listing import find_listing
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.segmentations import Segmentation
from camkit.data.formats.sizes import measure
from camkit.data.formats.tables import quoted
from camkit.errors import CamkitError

LISTINGS = ("{split}/via_region_data.json", "{split}/via_*.json", "via_{split}.json", "{split}.json",
            "annotations/{split}.json", "via_region_data.json", "via_*.json")  # fmt: skip
CLASS = ("class", "label", "category")
ROUND = 360  # corners of a circle


def read_via(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The annotations are ``<split>/via_region_data.json``, ``<split>.json``, ``via_region_data.json`` or
        ``via_project_....json``; images lie beside them, in ``<split>``, ``images/<split>`` or ``images``, each also as
        a zip archive. Or the JSON file itself.
    split : str

    Raises
    ------
    CamkitError
        There is no such file, it is none of VIA's, several attributes may be the class, or no image can be used.
    """
    listing, places = find_listing(root, split, LISTINGS)
    draft, objects = Draft("via", split, listing), Objects()
    images = _images(load(listing), listing)
    attribute = _class_attribute(images, listing)
    for image in images:
        try:
            name = image.text("filename")
        except CamkitError as error:
            draft.stray(image.where, error)
            continue
        entry = draft.add(name, name, image.where)
        if measure(entry, places, upright=True) is not None:
            for region in _regions(image):
                with entry.annotation(region.where):
                    _read(region, attribute, entry, objects)
    return objects.finish(draft, places, upright=True)


def _images(content: Any, path: Path) -> list[Row]:
    if isinstance(content, dict) and {"project", "metadata", "file"} <= set(content):
        raise CamkitError(f"{path}: it is a project of VIA 3, whose export is not read; export it as COCO's JSON")
    found = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(found, dict) or not any(isinstance(one, dict) and "regions" in one for one in found.values()):
        raise CamkitError(f"{path}: it has no images with regions, so it is not VIA's JSON; check --root")
    return [Row(f"{path}, image {quoted(key)}", one if isinstance(one, dict) else {}) for key, one in found.items()]


def _regions(image: Row) -> Iterator[Row]:
    found = image.fields.get("regions") or []
    regions = found.items() if isinstance(found, dict) else enumerate(found if isinstance(found, list) else [found])
    for number, region in regions:
        yield Row(f"{image.where}, region {number}", region if isinstance(region, dict) else {})


def _class_attribute(images: list[Row], path: Path) -> str:
    """Which attribute of a region is its class; `CamkitError` where that cannot be told."""
    told = [_table(region, "region_attributes") for image in images for region in _regions(image)]
    names = {name: None for attributes in told for name in attributes}
    meant = list(names) if len(names) == 1 else [name for name in names if name.lower() in CLASS]
    if len(meant) == 1:
        return meant[0]
    if not names:
        raise CamkitError(f"{path}: no region has an attribute that names its class; add one, called class")
    shown = ", ".join(list(names)[:5])
    raise CamkitError(f"{path}: its regions have the attributes {shown}; call the one that is the class 'class'")


def _table(row: Row, name: str) -> Mapping[str, Any]:
    found = row.fields.get(name)
    return found if isinstance(found, dict) else {}


def _read(region: Row, attribute: str, entry: Entry, objects: Objects) -> None:
    name = objects.named(_class(_table(region, "region_attributes").get(attribute), attribute))
    with objects.reading(entry, name, region.where):
        shape = Row(region.where, dict(_table(region, "shape_attributes")))
        kind = shape.fields.get("name")
        if kind == "rect":
            x, y, width, height = (finite(shape.value(side), side) for side in ("x", "y", "width", "height"))
            box = entry.half_open((x, y, x + width, y + height), HALF_OPEN)
            objects.add(entry, Object(name, box))
            return
        segmentation = Segmentation(region.where, [_outline(shape, kind)])
        objects.add(entry, Object(name, entry.half_open(segmentation.box(), HALF_OPEN), segmentation))


def _class(written: Any, attribute: str) -> str:
    if isinstance(written, dict):  # boxes to tick
        ticked = [name for name, on in written.items() if on]
        written = ticked[0] if len(ticked) == 1 else None
    if isinstance(written, int | float) and not isinstance(written, bool):
        written = repr(written).removesuffix(".0")
    if not isinstance(written, str) or not written.strip():
        raise CamkitError(f"its {attribute} is no class; fill it in")
    return written.strip()


def _outline(shape: Row, kind: Any) -> list[float]:
    """Corners x, y, x, y, ..."""
    if kind == "polygon":
        xs, ys = shape.value("all_points_x"), shape.value("all_points_y")
        if not isinstance(xs, list) or not isinstance(ys, list) or len(xs) != len(ys):
            raise CamkitError("all_points_x and all_points_y are not two lists of one length; mend it")
        return [finite(number, "a corner") for point in zip(xs, ys, strict=True) for number in point]
    if kind not in ("circle", "ellipse"):
        raise CamkitError(
            f"its shape {quoted(kind)} encloses no pixels; draw a rect, a polygon, a circle or an ellipse"
        )
    cx, cy = (finite(shape.value(name), name) for name in ("cx", "cy"))
    rx, ry = (finite(shape.value("r" if kind == "circle" else name), name) for name in ("rx", "ry"))
    turn = shape.number("theta") if kind == "ellipse" else 0.0
    if not min(rx, ry) > 0:
        raise CamkitError(f"a {kind} of radius {min(rx, ry):g} encloses no pixels; mend it or take it out")
    angles = [2 * math.pi * step / ROUND for step in range(ROUND)]
    along = [(rx * math.cos(angle), ry * math.sin(angle)) for angle in angles]
    cos, sin = math.cos(turn), math.sin(turn)
    return [number for x, y in along for number in (cx + x * cos - y * sin, cy + x * sin + y * cos)]
