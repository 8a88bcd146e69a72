"""Hugging Face's image folder with ``metadata.jsonl``: a line of JSON an image, beside the images.

``{"file_name": "a.jpg", "objects": {"bbox": [[0, 0, 8, 6]], "categories": [3]}}``, or ``objects`` as a list of
``{"bbox": [...], "category": ...}``. A bbox is ``x, y, width, height``, **0-based** and **half open**, in pixels of the
image **upright**, as `datasets` opens it; an object may have COCO's ``segmentation``, which gives a mask. Without
``objects`` a line's ``label`` is the image's class, and there is no box.

Classes are numbers, or names where most are names; names are numbered in sorted order. An image gives one record for
each class in it.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.coco_files import Places
from camkit.data.formats.coco_json import Row, finite
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft, with_label
from camkit.data.formats.entry import Entry
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.segmentations import Segmentation
from camkit.data.formats.sizes import measure
from camkit.data.formats.tables import WHOLE, lines, quoted
from camkit.data.records import Record
from camkit.errors import CamkitError

FILE = "metadata.jsonl"
FOLDERS = ("{split}", "data/{split}", "")
KINDS = ("categories", "category", "labels", "label")


def read_imagefolder(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The folder with ``<split>/metadata.jsonl`` or ``data/<split>/metadata.jsonl``, or, without splits,
        ``metadata.jsonl``; images lie below the file's own folder.
    split : str

    Raises
    ------
    CamkitError
        There is no such file, or no image can be used.
    """
    folder = next((root / name.format(split=split) for name in FOLDERS
                   if (root / name.format(split=split) / FILE).is_file()), None)  # fmt: skip
    if folder is None:
        raise CamkitError(f"{root / split / FILE}: cannot be read: there is no such file, nor data/{split}/{FILE}, nor "
                          f"{FILE}; a metadata.csv or .parquet is not read; check --root and --split")  # fmt: skip
    draft, images = Draft("imagefolder", split, folder / FILE), Places(folder, split, folder)
    rows = list(_images(draft, images))
    kinds = [
        _kind(kind) for _, row in rows for kind in [row.fields.get("label"), *(one.get(KIND) for one in _each(row))]
    ]
    told = [kind for kind in kinds if kind is not None]
    objects = _Objects(names=2 * sum(isinstance(kind, str) for kind in told) > len(told))
    for entry, row in rows:
        objects.read(entry, row)
    objects.number()
    names = sorted(objects.names) if objects.by_name else None
    return replace(draft.finish(images, names, objects.complete, upright=True), numbered=not objects.by_name)


KIND = "kind"


def _images(draft: Draft, images: Places) -> Iterator[tuple[Entry, Row]]:
    """Each image that a line lists, with the line."""
    for line in lines(draft.listing, 1):
        try:
            line.check()
            row = Row(line.where, _object(line.fields[0]))
            name = row.text("file_name")
        except CamkitError as error:
            draft.stray(line.where, error)
            continue
        entry = draft.add(name, name, line.where)
        if measure(entry, images, upright=True) is not None:
            yield entry, row


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise CamkitError("it is no JSON object, or cut off; mend it")
    return found


def _each(row: Row) -> list[dict[str, Any]]:
    """An image's objects, each a table with its class under `KIND`; `CamkitError` where they cannot be told apart."""
    written = row.fields.get("objects")
    if isinstance(written, dict):
        columns = {name: values for name, values in written.items() if isinstance(values, list)}
        counts = {len(values) for values in columns.values()}
        count = len(columns.get("bbox", []))
        found = (
            [{name: values[i] for name, values in columns.items()} for i in range(count)] if len(counts) == 1 else []
        )
    else:
        found = [dict(one) if isinstance(one, dict) else {} for one in written] if isinstance(written, list) else []
    for one in found:
        one[KIND] = next((one[name] for name in KINDS if name in one), None)
    return found


def _kind(written: Any) -> int | str | None:
    """A class: a number, also one that is written as a text or 3.0; a name; None of what is neither."""
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        return None
    text = str(written).strip()
    if WHOLE.fullmatch(text):
        return int(text.partition(".")[0])
    return text if isinstance(written, str) and text else None


class _Objects(Objects):
    """The objects of the lines, whose classes are all numbers, or all names."""

    def __init__(self, *, names: bool) -> None:
        super().__init__("; a bbox is x, y, width, height")
        self.by_name = names
        self.labels: dict[Entry, Any] = {}

    def read(self, entry: Entry, row: Row) -> None:
        """Take a line."""
        written = row.fields.get("objects")
        with entry.reading(row.where):
            if written is None:
                self.labels[entry] = self._class(row.fields.get("label"))
                return
            found = _each(row)
            if not found and written not in ([], {}) and (not isinstance(written, dict) or any(written.values())):
                raise CamkitError(f"objects {quoted(written)} are no lists of one length, bbox among them; mend it")
            for number, one in enumerate(found, 1):
                where = f"{row.where}, object {number}"
                with entry.annotation(where):
                    self._read(entry, one, where)

    def _read(self, entry: Entry, one: dict[str, Any], where: str) -> None:
        kind = self._class(one[KIND])
        with self.reading(entry, kind, where):
            bbox = one.get("bbox")
            if not isinstance(bbox, list) or len(bbox) != len(("x", "y", "width", "height")):
                raise CamkitError(f"bbox {quoted(bbox)} is not four numbers x, y, width, height; mend it")
            x, y, width, height = (finite(number, "in bbox,") for number in bbox)
            box = entry.half_open((x, y, x + width, y + height), HALF_OPEN)
            self.add(entry, Object(kind, box, Segmentation(where, one.get("segmentation"))))

    def _class(self, written: Any) -> int | str:
        kind = _kind(written)
        if kind is None:
            raise CamkitError(f"its class {quoted(written)} is neither a number nor a name; mend it")
        if self.by_name:
            if isinstance(kind, int):
                raise CamkitError(f"its class {quoted(written)} is a number among names; mend it")
            return self.named(kind)
        if isinstance(kind, str):
            raise CamkitError(f"its class {quoted(written)} is a name among numbers; mend it")
        return kind

    def number(self) -> None:
        """Number the names, once all are known."""
        self._numbers = {name: label for label, name in enumerate(sorted(self.names))}

    def complete(self, entry: Entry, record: Record) -> list[Record]:
        """An image's records: of its objects, or of its label alone."""
        if entry not in self.labels:
            return self.records(entry, record)
        kind = self.labels[entry]
        entry.set_label(kind if isinstance(kind, int) else self._numbers[kind])
        return with_label(entry, replace(record, label=entry.label))
