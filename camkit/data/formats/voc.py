"""Pascal VOC (Everingham et al. 2010): boxes of 20 classes, several classes an image.

``ImageSets/Main/<split>.txt`` lists ids, ``JPEGImages/<id>.jpg`` are the images, ``Annotations/<id>.xml`` the objects.

Corners are **1-based** and **inclusive**: the box ``xmin ymin xmax ymax`` is ``xmin - 1, ymin - 1, xmax, ymax`` half
open and 0-based.

An image gives one record for each class in it, with that class's boxes: where the dog is and where the sofa is are two
questions. Objects flagged ``difficult`` are left out, as in the benchmark; an image with no others is a problem.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from camkit.data.annotations import AnnotatedSet, check_inside
from camkit.data.formats.draft import Draft, Entry, checked_box
from camkit.data.formats.tables import Line, lines
from camkit.data.formats.voc_xml import NamedObject, read_voc_xml
from camkit.data.records import Record
from camkit.data.sources import source
from camkit.errors import CamkitError

# fmt: off
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)
# fmt: on


def read_voc(root: Path, split: str) -> AnnotatedSet:
    """Read a split of Pascal VOC, or of a data set in its format.

    Parameters
    ----------
    root : Path
        The folder with ``Annotations``, ``ImageSets`` and ``JPEGImages`` (``VOC2012``, say); the last may be a zip
        archive.
    split : str
        Such as train, val, trainval or test.

    Returns
    -------
    AnnotatedSet
        Labels are VOC's 20 classes in alphabetical order, or, where an object has another name, all names found,
        sorted.

    Raises
    ------
    CamkitError
        The split's list is missing or empty, or no image can be used.
    """
    draft = Draft("voc", split, root / "ImageSets" / "Main" / f"{split}.txt")
    objects: dict[str, list[NamedObject]] = {}
    for line in lines(draft.listing, 1):
        key = line.fields[0].split()[0]  # lists of one class have a second column
        entry = draft.add(key, f"{key}.jpg", line.where)
        if "/" in key or "\\" in key or "\0" in key:
            entry.refuse(f"{line.where}: {key!r} leads out of the data set's folder; an id is a file's name alone")
            continue
        path = root / "Annotations" / f"{key}.xml"
        with entry.reading(Line(f"{line.where}, {path}", [])):
            annotation = read_voc_xml(path)
            if annotation.size is not None:
                entry.set_size(*annotation.size)
            objects[entry.image] = [thing for thing in annotation.objects if not thing.difficult]
            if annotation.objects and not objects[entry.image]:
                raise CamkitError("all its objects are flagged difficult")
    found = {thing.name for things in objects.values() for thing in things}
    labels = CLASSES if found <= set(CLASSES) else tuple(sorted(found))
    done = draft.finish(
        source(root / "JPEGImages"),
        labels,
        lambda entry, record: _by_class(entry, record, objects[entry.image], labels),
    )
    return replace(done, numbered=labels == CLASSES)


def _by_class(entry: Entry, record: Record, objects: list[NamedObject], labels: tuple[str, ...]) -> list[Record]:
    """One record for each class, in the order of labels."""
    if not objects:
        raise CamkitError("it has no object")
    boxes: dict[int, list[tuple[float, float, float, float]]] = {}
    for thing in objects:
        x0, y0, x1, y1 = thing.corners
        boxes.setdefault(labels.index(thing.name), []).append(checked_box((x0 - 1, y0 - 1, x1, y1)))
    if entry.size is not None:
        check_inside([box for group in boxes.values() for box in group], entry.size)
    return [replace(record, label=label, boxes=np.array(boxes[label], np.float64)) for label in sorted(boxes)]
