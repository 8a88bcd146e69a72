"""COCO's JSON (Lin et al. 2014): boxes and masks of several classes an image.

``images`` (id, file_name, width, height), ``categories`` (id, name) and ``annotations`` (image_id, category_id, bbox,
segmentation, iscrowd).

A bbox is ``x, y, width, height``, **0-based** in continuous coordinates, so **half open**: ``x, y, x + width,
y + height``. A segmentation is polygons ``x0, y0, x1, y1, ...`` in the same coordinates, of which a pixel belongs to
those that hold its centre, or run lengths, plain or compressed.

An image gives one record for each class in it, with that class's boxes and the union of its masks. Regions flagged
``iscrowd`` are not boxes but pixels that do not count. Labels number the categories in the order of their ids.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon2mask

from camkit.data.annotations import AnnotatedSet, Box, check_inside
from camkit.data.formats.draft import Draft, Entry, checked_box
from camkit.data.formats.rle import decode_counts, mask_from_counts
from camkit.data.images import MAX_PIXELS
from camkit.data.records import Record
from camkit.data.sources import source
from camkit.errors import CamkitError

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Segmentations:
    """Draws the masks of one class in one image when it is called.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    objects, crowds : tuple
        Segmentations as the JSON has them: lists of polygons, or mappings with counts.

    Raises
    ------
    CamkitError
        A segmentation is neither, or does not fit the size.
    """

    size: tuple[int, int]
    objects: tuple[Any, ...]
    crowds: tuple[Any, ...] = ()

    def __call__(self) -> tuple[Mask, Mask]:
        mask, ignore = self._union(self.objects), self._union(self.crowds)
        return mask, ignore & ~mask

    def _union(self, segmentations: tuple[Any, ...]) -> Mask:
        mask = np.zeros(self.size, np.bool_)
        for segmentation in segmentations:
            mask |= draw(segmentation, self.size)
        return mask


def draw(segmentation: Any, size: tuple[int, int]) -> Mask:
    """The mask (H, W) of one segmentation."""
    try:
        if isinstance(segmentation, Mapping):
            counts = segmentation["counts"]
            if tuple(segmentation["size"]) != size:
                raise CamkitError(f"a mask of {segmentation['size']} (height, width) in an image of {list(size)}")
            return mask_from_counts(decode_counts(counts) if isinstance(counts, str) else counts, size)
        mask = np.zeros(size, np.bool_)
        for polygon in segmentation:
            points = np.array(polygon, np.float64).reshape(-1, 2)
            mask |= polygon2mask(size, points[:, ::-1] - 0.5)  # pixel 0 has its centre at 0.5
        return mask
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(error, CamkitError):
            raise
        raise CamkitError(f"a segmentation is neither polygons nor run lengths: {error}") from None


def read_coco(root: Path, split: str) -> AnnotatedSet:
    """Read a split of COCO, or of a data set in its format.

    Parameters
    ----------
    root : Path
        The annotations are ``annotations/instances_<split>.json``, ``annotations/<split>.json`` or ``<split>.json``;
        the images lie in ``<split>``, ``images/<split>``, ``images``, each also as a zip archive, or in ``root``.
    split : str
        Such as val2017.

    Returns
    -------
    AnnotatedSet

    Raises
    ------
    CamkitError
        There is no such file, it is not COCO's JSON, an annotation is of no image listed, or no image can be used.
    """
    names = f"annotations/instances_{split}.json", f"annotations/{split}.json", f"{split}.json"
    listing = next((root / name for name in names if (root / name).exists()), root / names[0])
    content = _load(listing)
    categories = sorted(_rows(content, listing, "categories", id=int, name=str), key=lambda row: int(row["id"]))
    label_of = {row["id"]: label for label, row in enumerate(categories)}
    if len(label_of) < len(categories):
        raise CamkitError(f"{listing}: two categories have the same id, so labels are not known; mend it")
    draft = Draft("coco", split, listing)
    for row in _rows(content, listing, "images", id=int, file_name=str):
        where = f"{listing}, image {row['id']!r}"
        entry = draft.add(str(row["id"]), row["file_name"], where)
        if "width" in row and "height" in row:
            try:
                entry.set_size(int(row["height"]), int(row["width"]))
            except (TypeError, ValueError, OverflowError) as error:
                entry.refuse(f"{where}: {error}")
    draft.require_images()
    objects: dict[Entry, dict[int, list[_Object]]] = {}
    for row in _rows(content, listing, "annotations", image_id=int, category_id=int, bbox=list):
        where = f"{listing}, annotation {row.get('id')!r}"
        key = str(row["image_id"])
        if key not in draft.entries:
            raise CamkitError(f"{where}: image {key} is none of those listed; mend either")
        entry = draft.entries[key]
        try:
            thing = _object(row, label_of)
            objects.setdefault(entry, {}).setdefault(thing.label, []).append(thing)
        except CamkitError as error:
            entry.refuse(f"{where}: {error}")
    images = source(root / split, root / "images" / split, root / "images", root)
    labels = [row["name"] for row in categories]
    return draft.finish(images, labels, lambda entry, record: _by_class(entry, record, objects.get(entry, {})))


@dataclass(frozen=True, eq=False)
class _Object:
    label: int
    box: Box
    crowd: bool
    segmentation: Any


def _object(row: Mapping[str, Any], label_of: Mapping[Any, int]) -> _Object:
    if row["category_id"] not in label_of:
        raise CamkitError(f"category {row['category_id']!r} is none of the {len(label_of)} categories")
    try:
        x, y, width, height = (float(number) for number in row["bbox"])
    except (TypeError, ValueError):
        raise CamkitError(f"bbox {row['bbox']!r} is not four numbers") from None
    box, crowd = (x, y, x + width, y + height), bool(row.get("iscrowd"))
    return _Object(label_of[row["category_id"]], checked_box(box), crowd, row.get("segmentation"))


def _by_class(entry: Entry, record: Record, objects: Mapping[int, list[_Object]]) -> list[Record]:
    """One record for each class that has a box, in the order of labels."""
    records = []
    for label, things in sorted(objects.items()):
        boxes = [thing.box for thing in things if not thing.crowd]
        if entry.size is not None:
            check_inside(boxes, entry.size)
        if boxes:
            masks = _masks(entry, things)
            records.append(replace(record, label=label, boxes=np.array(boxes, np.float64), read_mask=masks))
    if not records:
        raise CamkitError("it has no object" if not objects else "all its objects are crowds")
    return records


def _masks(entry: Entry, things: list[_Object]) -> Segmentations | None:
    """None unless all objects are segmented: a union of some of them would call the others background."""
    if entry.size is None or not all(thing.segmentation for thing in things):
        return None
    if entry.size[0] * entry.size[1] > MAX_PIXELS:
        raise CamkitError(f"masks of {entry.size[1]} x {entry.size[0]} pixels exceed {MAX_PIXELS}")
    objects = tuple(thing.segmentation for thing in things if not thing.crowd)
    return Segmentations(entry.size, objects, tuple(thing.segmentation for thing in things if thing.crowd))


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CamkitError(f"{path}: cannot be read: {error.strerror}; check --root and --split") from None
    except json.JSONDecodeError as error:
        raise CamkitError(f"{path}, line {error.lineno}: no JSON, or cut off: {error.msg}") from None
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise CamkitError(f"{path}: no JSON: {' '.join(str(error).split())}") from None


def _rows(content: Any, path: Path, key: str, **wanted: type) -> list[dict[str, Any]]:
    rows = content.get(key) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise CamkitError(f"{path}: it has no list {key!r}, so it is not COCO's JSON of objects")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(isinstance(row.get(name), kind) for name, kind in wanted.items()):
            raise CamkitError(f"{path}: {key} entry {number} lacks one of {', '.join(wanted)}; mend it")
    return rows
