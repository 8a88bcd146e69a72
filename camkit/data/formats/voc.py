"""Pascal VOC (Everingham et al. 2010): boxes of 20 classes, several classes an image.

``ImageSets/Main/<split>.txt`` lists ids, ``JPEGImages/<id>.jpg`` are the images, ``Annotations/<id>.xml`` the objects.
Data sets in its format often have no lists: then a folder of XML files is a split. An image may be of any kind. It
belongs to the XML of its own name, whatever ``<filename>`` says, which counts where there is no such image.

Corners are **1-based** and **inclusive**: the box ``xmin ymin xmax ymax`` is ``xmin - 1, ymin - 1, xmax, ymax`` half
open and 0-based.

An image gives one record for each class in it, with that class's boxes: where the dog is and where the sofa is are two
questions. Objects flagged ``difficult`` are left out, as in the benchmark; an image with no others is a problem.
"""

from dataclasses import dataclass, replace
from os.path import isfile  # unlike Path's it answers any name
from pathlib import Path

from camkit.data.annotations import AnnotatedSet, Box
from camkit.data.file_names import checked_name
from camkit.data.formats.corners import INCLUSIVE_FROM_1
from camkit.data.formats.draft import Draft, by_class
from camkit.data.formats.entry import Entry, Incomplete
from camkit.data.formats.stems import Stems
from camkit.data.formats.tables import Line, lines
from camkit.data.formats.voc_xml import Annotation, read_voc_xml
from camkit.data.sources import Folder, find_source, source
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
        The folder with ``Annotations``, ``ImageSets`` and ``JPEGImages`` or ``images`` (``VOC2012``, say), the last of
        which may be a zip archive. Without ``ImageSets``: the folder with a folder ``<split>`` of images and XML files,
        together or in ``Annotations`` and ``JPEGImages`` or ``images``; or, without splits, such a folder itself.
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
        There is neither list nor folder of the split, or no image can be used.
    """
    layout = _layout(root, split)
    draft = Draft("voc", split, layout.listing)
    boxes: dict[Entry, dict[str, list[Box]]] = {}
    names: set[str] = set()
    for line in layout.ids:
        key = line.fields[0]
        path = layout.annotations / f"{key}.xml"
        where = line.where if line.where == str(path) else f"{line.where}, {path}"
        entry = draft.add(key, f"{key}.jpg", line.where)
        with entry.reading(line.where):
            line.check()
            checked_name(key)
            with entry.reading(where):
                annotation = read_voc_xml(path)
                entry.set_size(*annotation.size)
                entry.image = layout.images.image(key, annotation.filename)
                boxes[entry] = _boxes(annotation, entry, where, names)
    labels = CLASSES if names <= set(CLASSES) else tuple(sorted(names))
    numbers = {name: label for label, name in enumerate(labels)}
    done = draft.finish(
        layout.images.source,
        labels,
        lambda entry, record: by_class(entry, record, {numbers[name]: its for name, its in boxes[entry].items()}),
    )
    return replace(done, numbered=labels == CLASSES)


def _boxes(annotation: Annotation, entry: Entry, where: str, names: set[str]) -> dict[str, list[Box]]:
    """An image's boxes by class; all classes are added to `names`, so that a broken box does not renumber them."""
    boxes: dict[str, list[Box]] = {}
    if annotation.objects and all(thing.difficult for thing in annotation.objects):
        raise Incomplete("all its objects are flagged difficult; take the image out")
    for thing in annotation.objects:
        with entry.annotation(f"{where}, object {thing.number}"):
            names.add(thing.name)
            if not thing.difficult:
                box = entry.half_open(thing.corners(), INCLUSIVE_FROM_1)
                boxes.setdefault(thing.name, []).append(box)
    return boxes


@dataclass(frozen=True)
class _Layout:
    """Where a split lies: what lists its images, the folder of XML files, the images, and a line for each id."""

    listing: Path
    annotations: Path
    images: Stems
    ids: list[Line]


def _layout(root: Path, split: str) -> _Layout:
    lists = root / "ImageSets" / "Main"
    listing, annotations = lists / f"{split}.txt", root / "Annotations"
    if listing.exists():
        images = Stems(source(root / "JPEGImages", root / "images"))
        return _Layout(listing, annotations, images, _listed(listing, annotations))
    splits = {path.stem for path in lists.glob("*.txt")}
    layout = _folder(root / split) or (None if splits else _folder(root))
    if layout is None:
        splits |= {path.name for path in root.iterdir() if path.is_dir() and any(path.glob("*.xml"))} - {"Annotations"}
        there = f"; there are {', '.join(sorted(splits))}" if splits else ""
        raise CamkitError(
            f"{listing}: cannot be read: there is no such list, and no folder {split!r} of XML files in {root}{there}; "
            "check --root and --split"
        )
    return layout


def _listed(listing: Path, annotations: Path) -> list[Line]:
    """The ids of a list, without the second column that lists of one class have, and without a file's ending."""
    ids = []
    for line in lines(listing, 1):
        key = line.fields[0].split()[0]
        if not line.fault and not isfile(annotations / f"{key}.xml"):
            key = Stems.without_ending(key)
        ids.append(Line(line.where, [key], line.fault))
    return ids


def _folder(folder: Path) -> _Layout | None:
    """A folder of images and XML files as a split: each image should have an XML file, and each XML file an image."""
    places = [folder / "Annotations", folder]
    annotations = next((place for place in places if any(place.glob("*.xml"))), None)
    if annotations is None:
        return None
    images = Stems(find_source(folder / "JPEGImages", folder / "images") or Folder(folder))
    keys = {path.stem for path in annotations.glob("*.xml") if not path.name.startswith(".")} | set(images.names)
    return _Layout(
        annotations, annotations, images, [Line(str(annotations / f"{key}.xml"), [key]) for key in sorted(keys)]
    )
