"""COCO's JSON (Lin et al. 2014): boxes and masks of several classes an image.

``images`` (id, file_name, width, height), ``categories`` (id, name) and ``annotations`` (image_id, category_id, bbox,
segmentation, iscrowd). Without annotations, as of COCO's test splits, there are the images alone.

A bbox is ``x, y, width, height``, **0-based** in continuous coordinates, so **half open**: ``x, y, x + width,
y + height``; where it is missing, the box around the segmentation. A segmentation is polygons ``x0, y0, x1, y1, ...``
in the same coordinates, drawn as COCO's own code does, or run lengths, plain or compressed.

An image gives one record for each class in it, with that class's boxes and the union of its masks. Regions flagged
``iscrowd`` are not boxes but pixels that do not count.

Labels number all categories, also those without an object: in the order of their ids where these are numbers, else in
the order of the file. An id is the same as 1, 1.0 and "1". What is wrong with the list of categories spoils the labels
of all, and the file is refused; but a category without a name goes by its id.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from camkit.data.annotations import TOLERANCE, AnnotatedSet, Box
from camkit.data.formats.coco_files import Places, find_annotations
from camkit.data.formats.coco_json import Ids, Row, finite, load, rows
from camkit.data.formats.corners import HALF_OPEN, are_shares
from camkit.data.formats.draft import Draft
from camkit.data.formats.entry import Entry
from camkit.data.formats.objects import Object, Objects
from camkit.data.formats.segmentations import Segmentation
from camkit.data.formats.tables import quoted
from camkit.data.names import COCO_INFO, read_path, read_text
from camkit.data.sources import Read
from camkit.errors import CamkitError, UnreadableImage

SAME_SCALE = 0.25  # of its bbox that a polygon within the first pixel must cover to be in pixels
NORMALISED = (
    "lies between 0 and 1, as shares of the image's sides do (normalised); multiply x by the image's width and y by "
    "its height, into pixels"
)
FLAGS = {0: False, "0": False, "": False, None: False, 1: True, "1": True}


def read_coco(root: Path, split: str) -> AnnotatedSet:
    """Read a split of COCO, or of a data set in its format.

    Parameters
    ----------
    root : Path
        The annotations are ``annotations/instances_<split>.json``, ``annotations/<split>.json`` or ``<split>.json``;
        the images lie in ``<split>``, ``images/<split>``, ``images``, each also as a zip archive, or in ``root``.
        Roboflow's, FiftyOne's, CVAT's and Label Studio's own names are found as well (`coco_files`). Or the JSON file
        itself, whatever the split.
    split : str
        Such as val2017.

    Returns
    -------
    AnnotatedSet

    Raises
    ------
    CamkitError
        There is no such file, it is not COCO's JSON, its categories cannot be numbered, or no image can be used.
    """
    listing, places = find_annotations(root, split)
    content = load(listing)
    draft = Draft("coco", split, listing)
    names, labels = _categories(rows(content, listing, "categories"), draft)
    own = content.get("info") == COCO_INFO
    names = [read_text(name) for name in names] if own else names
    images = _Images(draft, places, read_path if own else str)
    for row in rows(content, listing, "images"):
        images.add(row)
    draft.require_images()
    if not content.get("annotations"):
        return draft.finish(places, names, lambda _, record: [record])
    objects = _Objects(labels)
    for row in rows(content, listing, "annotations"):
        try:
            entry = images.of(row)
        except CamkitError as error:
            draft.stray(row.where, error)
        else:
            objects.read(row, entry)
    return draft.finish(places, names, objects.records)


def _categories(found: Iterable[Row], draft: Draft) -> tuple[list[str], Ids[int]]:
    """The names by label, and the labels by id."""
    named: list[tuple[Any, str]] = []
    ids: Ids[int] = Ids()
    for position, row in enumerate(found):
        try:
            written = row.value("id")
            if ids.add(written, position) != position:
                raise CamkitError("two categories have the same id, so labels are not known; mend it")
        except CamkitError as error:
            raise CamkitError(f"{row.where}: {error}; labels cannot be numbered") from None
        try:
            named.append((written, row.text("name")))
        except CamkitError as error:
            draft.stray(row.where, f"{error}; until then it is called {quoted(written)}")
            named.append((written, quoted(written)))
    if not named:
        raise CamkitError(f"{draft.listing}: its list of categories is empty, so there are no labels; add them")
    with suppress(CamkitError):  # where ids are names, the order is the file's own
        named.sort(key=lambda category: finite(category[0], "id"))
    labels: Ids[int] = Ids()
    for label, (written, _) in enumerate(named):
        labels.add(written, label)
    return [name for _, name in named], labels


class _Images:
    """The images that the file lists, by id."""

    def __init__(self, draft: Draft, places: Places, read_name: Callable[[str], str]) -> None:
        self.draft, self.places, self.read_name = draft, places, read_name
        self.ids: Ids[Entry] = Ids()
        self.files: dict[Read, Entry] = {}

    def add(self, row: Row) -> None:
        """List an image. Another entry for the same file name is a problem, but its annotations are the image's."""
        try:
            written, listed = (
                row.value("id"),
                row.text("coco_url" if row.fields.get("coco_url") and not row.fields.get("file_name") else "file_name"),
            )
            listed = self.read_name(listed)
            known = self.draft.entries.get(listed)
            entry = self.draft.add(listed, listed.replace("\\", "/"), row.where)
            holder = self.ids.add(written, known or entry)
        except CamkitError as error:
            self.draft.stray(row.where, error)
            return
        if holder != (known or entry):
            for one, other in ((holder, entry), (entry, holder)):
                one.refuse(f"{row.where}: {one.image!r} and {other.image!r} have the same id; mend it")
        entry = known or entry
        with entry.reading(row.where):
            entry.set_size(row.number("height"), row.number("width"))
        if known is None:
            with entry.reading(f"{row.where}: {listed!r}"):
                self._find(entry, listed)

    def _find(self, entry: Entry, listed: str) -> None:
        try:
            entry.image, read = self.places.find(listed)
        except UnreadableImage:
            if entry.image.startswith("/") or ":" in entry.image:
                raise
            return  # whether it is missed is seen when the records are made
        entry.read = read
        other = self.files.setdefault(read, entry)
        if other != entry:
            other.refuse(f"{other.where}: its file {entry.image!r} is also that of {entry.where}; mend the names")
            raise CamkitError(f"its file {entry.image!r} is also that of {other.where}; mend the names")

    def of(self, row: Row) -> Entry:
        """The image of an annotation; `CamkitError` where it is none of those listed."""
        written = row.value("image_id")
        entry = self.ids.find(written)
        if entry is None:
            raise CamkitError(f"image {quoted(written)} is none of those listed; mend either")
        return entry


class _Objects(Objects):
    """The objects of the file, each of a category."""

    def __init__(self, labels: Ids[int]) -> None:
        super().__init__("; a bbox is x, y, width, height")
        self.labels = labels

    def read(self, row: Row, entry: Entry) -> None:
        """Take an annotation; what is wrong with it leaves it out."""
        with entry.annotation(row.where):
            written = row.value("category_id")
            label = self.labels.find(written)
            if label is None:
                raise CamkitError(f"category {quoted(written)} is none of those listed; mend either")
            with self.reading(entry, label, row.where):
                segmentation = Segmentation(row.where, row.fields.get("segmentation"))
                box = None if _is_crowd(row) else _box(row, segmentation, entry)
                _check_scale(row, segmentation)
            self.add(entry, Object(label, box, segmentation))


def _is_crowd(row: Row) -> bool:
    flag = row.fields.get("iscrowd")
    if isinstance(flag, list | dict) or flag not in FLAGS:
        raise CamkitError(f"iscrowd {quoted(flag)} is neither 0 nor 1; mend it")
    return FLAGS[flag]


def _box(row: Row, segmentation: Segmentation, entry: Entry) -> Box:
    bbox = row.fields.get("bbox")
    if bbox in (None, []):
        if not segmentation:
            raise CamkitError("it has neither bbox nor segmentation; add one, or take it out")
        return entry.half_open(segmentation.box(), HALF_OPEN)
    x, y, width, height = _numbers(bbox)
    if not (width > 0 and height > 0):
        raise CamkitError(f"bbox {quoted(bbox)} has no width or no height, so its box is empty; mend it or take it out")
    return entry.half_open((x, y, x + width, y + height), HALF_OPEN)


def _numbers(bbox: Any) -> list[float]:
    if not isinstance(bbox, list) or len(bbox) != len(("x", "y", "width", "height")):
        raise CamkitError(f"bbox {quoted(bbox)} is not four numbers x, y, width, height; mend it")
    return [finite(number, "in bbox,") for number in bbox]


def _check_scale(row: Row, segmentation: Segmentation) -> None:
    """`CamkitError` where polygons are not in pixels, or of another object than the bbox.

    Its mask would be empty, or of other pixels. What has no bbox gets its box from the polygons, and that is looked at.
    """
    around, bbox = segmentation.extent(), row.fields.get("bbox")
    if around is None or (bbox in (None, []) and not _is_crowd(row)):
        return
    shares = all(are_shares(around)) and any(number % 1 for number in around)
    if bbox in (None, []):
        if shares:
            raise CamkitError(f"its segmentation {NORMALISED}")
        return
    x, y, width, height = _numbers(bbox)
    if not (width > 0 and height > 0):
        return  # a crowd's, which says nothing
    shared = _overlap(around, (x, y, x + width, y + height))
    said = f"bbox {quoted(bbox)}"
    if shares and shared < SAME_SCALE * width * height:
        raise CamkitError(f"its segmentation {NORMALISED}, as its {said} is")
    apart = (around[0] - TOLERANCE, around[1] - TOLERANCE, around[2] + TOLERANCE, around[3] + TOLERANCE)
    if _overlap(apart, (x, y, x + width, y + height)) <= 0:
        corners = ", ".join(f"{number:g}" for number in around)
        raise CamkitError(f"its segmentation, around {corners}, lies outside its {said}: one is wrong; mend it")


def _overlap(one: Box, other: Box) -> float:
    """The area that two boxes share."""
    across, down = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    return max(across, 0.0) * max(down, 0.0)
