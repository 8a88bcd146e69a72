"""COCO's and PSOL's JSON of boxes that something found."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from camkit.data.formats.coco_json import Ids, Row, finite, load, rows
from camkit.data.formats.tables import quoted
from camkit.data.found_boxes import REMEDY, FoundBox, FoundBoxes, Kind, check_inside_out
from camkit.data.names import read_path, read_text
from camkit.errors import CamkitError


def boxes_of_json(path: Path, content: Any, listing: Path | None) -> FoundBoxes:
    """The boxes of COCO's or PSOL's JSON; `listing` has the images of a bare list of results."""
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
            check_inside_out(width, height, f"the box of {width:g} x {height:g}")
            sides[image] = [FoundBox((x, y, width, height))]
        except CamkitError as error:
            found.problems[image] = f"{path}: {error}; mend it"
    if found.problems and not sides:
        raise CamkitError(f"{path}: neither COCO's JSON nor an object from images to [x, y, w, h]; {REMEDY}")
    found.add_sides(sides)
    return found


def _four(numbers: Any) -> list[float]:
    if not isinstance(numbers, list) or len(numbers) != 4:
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
    check_inside_out(width, height, f"bbox {quoted(row.fields['bbox'])}")
    kind = None if named is None else named.find(row.value("category_id"))
    if named is not None and kind is None:
        raise CamkitError(f"category {quoted(row.fields['category_id'])} is none of those listed")
    score = row.fields.get("score")
    return FoundBox((x, y, x + width, y + height), kind, None if score is None else finite(score, "score"))
