"""OpenImages' boxes as its CSV has them (V4 to V7), one box a line: not the lists of OpenImages30K, which have masks.

``ImageID,...,LabelName,...,XMin,XMax,YMin,YMax,...,IsGroupOf,...``. Corners are **shares of the sides** of the image as
it is stored: times its width and height, which are read from the image, they are pixels from 0, half open. Boxes of a
group (``IsGroupOf`` 1) are no single object's and are left out, as crowds of COCO are.

A class goes by its display name where ``class-descriptions-boxable.csv`` (``LabelName,DisplayName``) gives one, else by
its ``LabelName`` (/m/01yrx). Those that are found are numbered in sorted order. An image gives one record for each
class in it.
"""

from collections import Counter
from pathlib import Path, PurePosixPath

from camkit.data.annotations import AnnotatedSet
from camkit.data.file_names import SUFFIXES
from camkit.data.formats.coco_files import Places
from camkit.data.formats.corners import HALF_OPEN
from camkit.data.formats.draft import Draft
from camkit.data.formats.entry import Entry
from camkit.data.formats.listing import find_listing
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.sizes import in_pixels, measure
from camkit.data.formats.tables import Line, Table, csv_lines, mending, quoted
from camkit.data.sources import Read
from camkit.errors import CamkitError, UnreadableImage

COLUMNS = ("ImageID", "LabelName", "XMin", "YMin", "XMax", "YMax")
LISTINGS = ("{split}-annotations-bbox.csv", "*-{split}-annotations-bbox.csv",
            "annotations/{split}-annotations-bbox.csv", "{split}/labels/detections.csv", "{split}.csv")  # fmt: skip
DESCRIPTIONS = ("*class-descriptions*.csv", "annotations/*class-descriptions*.csv", "metadata/classes.csv",
                "*/metadata/classes.csv")  # fmt: skip
GROUP = {"0": False, "": False, "-1": False, "1": True}  # -1: not said


def read_openimages_csv(root: Path, split: str) -> AnnotatedSet:
    """Read a split.

    Parameters
    ----------
    root : Path
        The boxes are ``<split>-annotations-bbox.csv`` (``oidv6-train-annotations-bbox.csv``), or, as FiftyOne leaves
        them, ``<split>/labels/detections.csv``; images ``<ImageID>.jpg`` lie in ``<split>``, ``<split>/data``,
        ``images/<split>`` or ``images``, each also as a zip archive. Or the CSV itself.
    split : {"train", "validation", "test"}

    Raises
    ------
    CamkitError
        The file or a column is missing, or no image can be used.
    """
    listing, places = find_listing(root, split, LISTINGS)
    names = _display_names(root if root.is_dir() else root.parent)
    draft, objects, images = Draft("openimages-csv", split, listing), Objects(), _ById(places)
    table = Table(listing)
    columns = (*COLUMNS, "IsGroupOf") if "IsGroupOf" in table.columns else COLUMNS
    for line in table.lines(columns):
        key = line.fields[0]
        if key not in draft.entries and not line.fault:
            measure(draft.add(key, images.name(key), line.where), images, upright=False)
        with draft.annotation(line) as entry:
            if not entry.problem:
                _read(line, entry, objects, names)
    return objects.finish(draft, images, upright=False)


def _read(line: Line, entry: Entry, objects: Objects, names: dict[str, str]) -> None:
    label = line.text(1)
    if not label:
        raise CamkitError("it has no LabelName")
    name = objects.named(names.get(label, label))
    with objects.reading(entry, name, line.where):
        flag = line.text(6) if len(line.fields) > len(COLUMNS) else ""
        if flag not in GROUP:
            raise CamkitError(f"IsGroupOf {quoted(flag)} is neither 0 nor 1")
        assert entry.size is not None
        x0, y0, x1, y1 = in_pixels(tuple(line.numbers(2, 6)), entry.size)
        box = entry.half_open((x0, y0, x1, y1), HALF_OPEN, scaled=True)
        objects.add(entry, Object(name, None if GROUP[flag] else box))


def _display_names(root: Path) -> dict[str, str]:
    """Display names by LabelName; of two classes of one name, as there are, the LabelName stands behind it."""
    found = next((path for pattern in DESCRIPTIONS for path in sorted(root.glob(pattern))), None)
    names: dict[str, str] = {}
    for line in [] if found is None else csv_lines(found, 2):
        with mending(line):
            names[line.text(0)] = line.text(1)
    count = Counter(names.values())
    return {label: f"{name} ({label})" if count[name] > 1 else name for label, name in names.items()}


class _ById:
    """Images by their ids, whatever kind of image they are."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def name(self, key: str) -> str:
        return key if PurePosixPath(key).suffix.lower() in SUFFIXES else f"{key}.jpg"

    def reader(self, name: str) -> Read:
        """What reads the image; `UnreadableImage` where there is none."""
        try:
            return self.places.reader(name)
        except UnreadableImage:
            for suffix in (".jpeg", ".png"):
                try:
                    return self.places.reader(str(PurePosixPath(name).with_suffix(suffix)))
                except UnreadableImage:
                    continue
            raise
