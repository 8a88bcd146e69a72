"""Boxes that something found, for `camkit evaluate --boxes`: of a regressor, of a detector, of `camkit localize`.

Three kinds of file, told apart by what is in them.

*CSV* with a first line that names the columns: ``image``, and ``x0,y0,x1,y1`` (half open, in pixels of the image) or
``x,y,w,h``, which are shares of the image's sides where no number of the file is above 1, as PSOL's are, else pixels.
Beside them ``label`` (a number) or ``name``, ``score`` and ``rank``, where there are any; the boxes.csv of
`camkit localize` is such a file. ``0,0,0,0`` is an empty box.

*COCO's JSON*: an object with ``images`` and ``annotations``, whose ``score`` ranks them, or the bare list that COCO's
tools call results. That has ids alone, and needs the listing of images and categories that they are of. A bbox is
``x, y, width, height``.

*PSOL's JSON*: an object from names of images to ``[x, y, w, h]``, in shares of the image's sides.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camkit.data.formats.coco_json import Ids, Row, finite, load, rows
from camkit.data.formats.tables import Line, Table, quoted
from camkit.data.names import read_path, read_text
from camkit.errors import CamkitError

CORNERS, SIDES = ("x0", "y0", "x1", "y1"), ("x", "y", "w", "h")
REMEDY = "check --boxes"

Corners = tuple[float, float, float, float]
Kind = int | str
"""A class: its number, or its name."""


@dataclass(frozen=True)
class FoundBox:
    """One box of an image.

    Attributes
    ----------
    corners : tuple of float
        ``x0, y0, x1, y1``, half open; all 0 where nothing was found.
    kind : int, str or None
        Its class; None of a box of whatever there is.
    score : float or None
    rank : int or None
    """

    corners: Corners
    kind: Kind | None = None
    score: float | None = None
    rank: int | None = None


@dataclass(eq=False)
class FoundBoxes:
    """What a file says.

    Attributes
    ----------
    path : Path
    shares : bool
        Corners are shares of the image's sides, not pixels.
    boxes : dict from image name to list of FoundBox
        The best first: by rank, else by score, else as the file has them. An image may be listed with none.
    problems : dict from image name to str
        What is wrong with an entry of the image.
    """

    path: Path
    shares: bool = False
    boxes: dict[str, list[FoundBox]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> set[Kind]:
        """The classes of its boxes; none in a file of boxes alone."""
        return {box.kind for boxes in self.boxes.values() for box in boxes if box.kind is not None}

    def add(self, image: str, box: FoundBox | None = None) -> None:
        """Take in a box, or list an image."""
        listed = self.boxes.setdefault(image, [])
        if box is not None:
            listed.append(box)

    def ranked(self) -> "FoundBoxes":
        """With the boxes of each image in order.

        Raises
        ------
        CamkitError
            It holds nothing, or only some boxes have a class, a score or a rank, so that there is no order.
        """
        if not self.boxes and not self.problems:
            raise CamkitError(f"{self.path}: it lists no image and no box; {REMEDY}")
        everything = [box for boxes in self.boxes.values() for box in boxes]
        for name, word in (("kind", "class"), ("score", "score"), ("rank", "rank")):
            lacking = sum(getattr(box, name) is None for box in everything)
            if 0 < lacking < len(everything):
                raise CamkitError(f"{self.path}: {lacking} of {len(everything)} boxes have no {word} and the others "
                                  "have one: give it to all, or to none")  # fmt: skip
        for boxes in self.boxes.values():
            boxes.sort(key=lambda box: (box.rank or 0, -(box.score or 0.0)))  # stable: else as the file has them
        return self


def read_found_boxes(path: Path, listing: Path | None = None) -> FoundBoxes:
    """Read a file of boxes.

    Parameters
    ----------
    path : Path
    listing : Path, optional
        COCO's JSON with the images and categories that a bare list of results is of.

    Raises
    ------
    CamkitError
        The file cannot be read, or is none of the three kinds.
    """
    with_first = _first_character(path)
    return (_of_json(path, listing) if with_first in ("{", "[") else _of_table(path)).ranked()


def _first_character(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(64).decode("utf-8-sig", "replace").lstrip()[:1]
    except OSError as error:
        raise CamkitError(f"{path}: cannot be read: {error.strerror}; {REMEDY}") from None


def _of_table(path: Path) -> FoundBoxes:
    table = Table(path, REMEDY)
    pixels = set(CORNERS) <= set(table.columns)
    if not pixels and not set(SIDES) <= set(table.columns):
        raise CamkitError(f"{path}, line 1: the columns image and {','.join(CORNERS)} or {','.join(SIDES)} are wanted, "
                          f"found are {quoted(','.join(table.columns))}; name them")  # fmt: skip
    beside = [name for name in ("label", "name", "score", "rank") if name in table.columns]
    found, sides = FoundBoxes(path), dict[str, list[FoundBox]]()
    for line in table.lines(("image", *(CORNERS if pixels else SIDES), *beside)):
        image = read_path(line.fields[0].strip())
        if not image:
            raise CamkitError(f"{line.where}: it names no image; mend the line")
        found.add(image)
        try:
            box = _of_line(line, {name: place for place, name in enumerate(beside, 5)}, pixels)
        except CamkitError as error:
            found.problems.setdefault(image, f"{line.where}: {error}; mend the line")
            continue
        (found.boxes if pixels else sides).setdefault(image, []).append(box)
    _add_sides(found, sides)
    return found


def _of_line(line: Line, places: dict[str, int], pixels: bool) -> FoundBox:
    a, b, c, d = line.numbers(1, 5)
    if pixels:
        _check_inside_out(c - a, d - b, f"the box from {a:g}, {b:g} to {c:g}, {d:g}")
    else:
        _check_inside_out(c, d, f"the box of {c:g} x {d:g}")
    name = read_text(line.text(places["name"])) if "name" in places else ""
    label = line.text(places["label"]) if "label" in places else ""
    kind: Kind | None = None
    if name and name != label:
        kind = name
    elif label:
        kind = line.whole(places["label"]) if _is_number(label) else read_text(label)
    elif name:
        kind = name
    score = line.number(places["score"]) if "score" in places and line.text(places["score"]) else None
    rank = line.whole(places["rank"]) if "rank" in places else None
    return FoundBox((a, b, c, d), kind, score, rank)


def _is_number(label: str) -> bool:
    return label.replace(".0", "").isdecimal()


def _check_inside_out(width: float, height: float, said: str) -> None:
    """`CamkitError` where a box has no inside and is not empty altogether."""
    if not (width > 0 and height > 0) and not width == height == 0:
        raise CamkitError(f"{said} has no inside")


def _add_sides(found: FoundBoxes, sides: dict[str, list[FoundBox]]) -> None:
    """Boxes given as x, y, w, h: shares where all numbers of the file are."""
    found.shares = found.shares or (bool(sides) and all(
        number <= 1 for boxes in sides.values() for box in boxes for number in box.corners
    ))  # fmt: skip
    for image, boxes in sides.items():
        for box in boxes:
            x, y, width, height = box.corners
            found.add(image, FoundBox((x, y, x + width, y + height), box.kind, box.score, box.rank))


def _of_json(path: Path, listing: Path | None) -> FoundBoxes:
    content = load(path)
    if isinstance(content, list):
        if listing is None:
            raise CamkitError(f"{path}: a list of COCO's results has ids of images and no names: give --dataset coco, "
                              "or a JSON that has the images, too, as the coco.json of camkit localize")  # fmt: skip
        return _of_coco(path, {**_object(load(listing), listing), "annotations": content}, listing)
    if isinstance(content, dict) and "images" not in content and "annotations" not in content:
        return _of_names(path, content)
    return _of_coco(path, _object(content, path), path)


def _object(content: Any, path: Path) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise CamkitError(f"{path}: it is no object with images and annotations, so not COCO's JSON; {REMEDY}")
    return content


def _of_names(path: Path, content: dict[str, Any]) -> FoundBoxes:
    """PSOL's: each image's one box, in shares."""
    found, sides = FoundBoxes(path, shares=True), dict[str, list[FoundBox]]()
    for image, numbers in content.items():
        found.add(image)
        try:
            x, y, width, height = _four(numbers)
            if max(x, y, width, height) > 1:
                raise CamkitError(f"{quoted(numbers)} is above 1, and this file's x, y, w, h are shares of the image")
            _check_inside_out(width, height, f"the box of {width:g} x {height:g}")
            sides[image] = [FoundBox((x, y, width, height))]
        except CamkitError as error:
            found.problems[image] = f"{path}: {error}; mend it"
    if found.problems and not sides:
        raise CamkitError(f"{path}: neither COCO's JSON nor an object from images to [x, y, w, h]; {REMEDY}")
    _add_sides(found, sides)
    return found


def _four(numbers: Any) -> list[float]:
    if not isinstance(numbers, list) or len(numbers) != len(SIDES):
        raise CamkitError(f"{quoted(numbers)} is not four numbers x, y, width, height")
    return [finite(number, "in a box,") for number in numbers]


def _of_coco(path: Path, content: dict[str, Any], listing: Path) -> FoundBoxes:
    found, images, names = FoundBoxes(path), Ids[str](), Ids[Kind]()
    for row in rows(content, listing, "images"):
        with _naming(row):
            image = read_path(row.text("file_name"))
            if images.add(row.value("id"), image) != image:
                raise CamkitError("another image has the same id; mend it")
        found.add(image)
    for row in rows(content, listing, "categories") if content.get("categories") else ():
        with _naming(row):
            written, name = row.value("id"), str(row.value("name"))
            names.add(written, int(finite(written, "id")) if name == str(written) else read_text(name))
    if not isinstance(content.get("annotations"), list):
        raise CamkitError(f"{path}: it has no list 'annotations', so it holds no box; {REMEDY}")
    if not content.get("categories"):
        _check_one_kind(content["annotations"], path)
    for row in _detections(content["annotations"], path):
        image = _image_of(row, images)
        try:
            found.add(image, _of_detection(row, names if content.get("categories") else None))
        except CamkitError as error:
            found.problems.setdefault(image, f"{row.where}: {error}; mend it")
    return found


def _check_one_kind(entries: Iterable[Any], path: Path) -> None:
    """`CamkitError` where boxes are of several categories that nothing names: an id is no class of a data set."""
    kinds = {str(entry.get("category_id")) for entry in entries if isinstance(entry, dict)}
    if len(kinds) > 1:
        raise CamkitError(f"{path}: its boxes are of {len(kinds)} categories, and no list 'categories' names them: add "
                          "it")  # fmt: skip


def _detections(entries: Iterable[Any], path: Path) -> Iterator[Row]:
    for number, entry in enumerate(entries, 1):
        yield Row(f"{path}, annotation {number}", entry if isinstance(entry, dict) else {})


@contextmanager
def _naming(row: Row) -> Iterator[None]:
    """What is wrong with an entry that is no image's box spoils the file: `CamkitError` says where it is."""
    try:
        yield
    except CamkitError as error:
        raise CamkitError(f"{row.where}: {error}") from None


def _image_of(row: Row, images: Ids[str]) -> str:
    with _naming(row):
        image = images.find(row.value("image_id"))
        if image is None:
            raise CamkitError(f"image {quoted(row.fields['image_id'])} is none of those listed; mend either")
    return image


def _of_detection(row: Row, named: Ids[Kind] | None) -> FoundBox:
    x, y, width, height = _four(row.value("bbox"))
    _check_inside_out(width, height, f"bbox {quoted(row.fields['bbox'])}")
    kind = None if named is None else named.find(row.value("category_id"))
    if named is not None and kind is None:
        raise CamkitError(f"category {quoted(row.fields['category_id'])} is none of those listed")
    score = row.fields.get("score")
    return FoundBox((x, y, x + width, y + height), kind, None if score is None else finite(score, "score"))
