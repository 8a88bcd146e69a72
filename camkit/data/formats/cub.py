"""CUB-200-2011 (Wah et al. 2011) in its official folder: 200 kinds of birds, one box and one mask an image.

``images.txt`` (``id path``), ``train_test_split.txt`` (``id 1`` for training, ``id 0`` for test), ``classes.txt``
(``class name``), ``image_class_labels.txt`` (``id class``, classes from **1**: a record's label is one less),
``bounding_boxes.txt`` (``id x y width height``), and ``segmentations/``, an archive of its own, with a grey PNG for
each image.

The upper left corner ``x, y`` is **0-based**, and ``x + width, y + height`` is the last pixel **inside** the box: a box
over all of an image of 500 pixels is written ``0 ... 499``. A record's box ends at ``x + width + 1``, or where the
image ends: 78 boxes of the 11,788 reach further, and the public WSOL lists have them clipped as well. In a mask the
grey value is the share of annotators who called the pixel bird; the object is where more than half did (> 127).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from camkit.data.annotations import AnnotatedSet
from camkit.data.formats.corners import INCLUSIVE
from camkit.data.formats.draft import Draft, with_label_and_box
from camkit.data.formats.entry import Entry, problem_at
from camkit.data.formats.masks import MaskFiles
from camkit.data.formats.tables import Line, lines, mending, quoted
from camkit.data.images import read_size
from camkit.data.records import Record
from camkit.data.sources import Source, find_source, source
from camkit.errors import CamkitError, UnreadableImage

IS_TRAINING = {"train": "1", "test": "0"}
OFFICIAL = {"cub": "CUB-200-2011", "nabirds": "NABirds"}
HALF = 127


def read_cub(root: Path, split: str) -> AnnotatedSet:
    """Read the official folder.

    Parameters
    ----------
    root : Path
        The folder ``CUB_200_2011``. ``images`` and ``segmentations`` may be zip archives; the latter may also lie
        beside the folder, or be missing: then no record has a mask.
    split : {"train", "test"}

    Returns
    -------
    AnnotatedSet

    Raises
    ------
    CamkitError
        The split is unknown, a file is missing, the classes or the splits cannot be told, or no image can be used.
    """
    draft, others = list_images("cub", root, split)
    names: dict[int, str] = {}
    for line in lines(root / "classes.txt", 2):
        with mending(line):
            names[line.whole(0)] = line.fields[1]
    if sorted(names) != list(range(1, len(names) + 1)):
        raise CamkitError(f"{root / 'classes.txt'}: its classes are not numbered from 1 without a gap; mend it")

    def label(entry: Entry, line: Line) -> None:
        if line.whole(1) not in names:
            raise CamkitError(f"class {line.whole(1)} is none of the {len(names)} in classes.txt")
        entry.set_label(line.whole(1) - 1)

    def box(entry: Entry, line: Line) -> None:
        x, y, width, height = line.numbers(1, 5)
        if entry.has_box:
            raise CamkitError("a second box for the image")
        entry.add_box((x, y, x + width, y + height), INCLUSIVE)

    for file, wanted, read in (("image_class_labels.txt", 2, label), ("bounding_boxes.txt", 5, box)):
        for line in lines(root / file, wanted):
            if line.fields[0] not in others:
                with draft.reading(line) as entry:
                    line.check()
                    read(entry, line)
    masks = find_source(root / "segmentations", root.parent / "segmentations")
    return draft.finish(
        source(root / "images"),
        [names[number] for number in sorted(names)],
        lambda entry, record: _complete(entry, record, masks),
    )


def list_images(name: str, root: Path, split: str) -> tuple[Draft, set[str]]:
    """The images of a split in a folder laid out as CUB's, and the ids of all others."""
    if split not in IS_TRAINING:
        more = "; CUBV2's val is in the wsol format" if name == "cub" else ""
        raise CamkitError(f"{OFFICIAL[name]} has no split {split!r}: use train or test{more}")
    draft = Draft(name, split, root / "images.txt")
    chosen, unknown = _chosen(root, IS_TRAINING[split])
    others = set()
    for line in lines(draft.listing, 2):
        key = line.fields[0]
        if not chosen.get(key, True):
            others.add(key)
            continue
        entry = draft.add(key, line.fields[-1], line.where)
        with entry.reading(line.where):
            line.check()
            if key not in chosen:
                raise CamkitError(unknown.get(key, "train_test_split.txt does not name the image; add it there"))
    draft.require_images()
    return draft, others


def _chosen(root: Path, wanted: str) -> tuple[dict[str, bool], dict[str, str]]:
    """Whether an image is of the split, by id, and why that is not known of others."""
    chosen: dict[str, bool] = {}
    unknown: dict[str, str] = {}
    for line in lines(root / "train_test_split.txt", 2):
        key = line.fields[0]
        try:
            line.check()
            if line.fields[1] not in IS_TRAINING.values():
                raise CamkitError(f"{quoted(line.fields[1])} is neither 1 nor 0")
            if chosen.setdefault(key, line.fields[1] == wanted) != (line.fields[1] == wanted):
                raise CamkitError("the image is in the other split already")
        except CamkitError as error:
            unknown[key] = problem_at(line.where, error)
    return {key: its for key, its in chosen.items() if key not in unknown}, unknown


def _complete(entry: Entry, record: Record, masks: Source | None) -> list[Record]:
    [record] = with_label_and_box(entry, record)
    record = _clipped(record)
    if masks is None:
        return [record]
    file = str(Path(record.image).with_suffix(".png").as_posix())
    return [replace(record, read_mask=MaskFiles((masks.reader(file),), above=HALF))]


def _clipped(record: Record) -> Record:
    """The record with its box inside its image, whose size no file of CUB states."""
    try:
        height, width = size = read_size(record.read(), record.image, upright=False)
    except UnreadableImage:
        return record  # who reads the image is told why it cannot be read
    boxes = np.minimum(record.boxes, [width, height, width, height])
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        raise CamkitError(f"its box lies outside the image of {width} x {height} pixels; mend it")
    return replace(record, boxes=boxes, size=size)
