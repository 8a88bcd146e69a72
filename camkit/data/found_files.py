"""Files of boxes that something found, for `evaluate --boxes` and `calibrate --pseudo-boxes`.

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

from pathlib import Path

from camkit.data.formats.coco_json import load
from camkit.data.formats.tables import Line, Table, quoted
from camkit.data.found_boxes import REMEDY, FoundBox, FoundBoxes, Kind, check_inside_out
from camkit.data.found_json import boxes_of_json
from camkit.data.names import read_path, read_text
from camkit.errors import CamkitError

CORNERS, SIDES = ("x0", "y0", "x1", "y1"), ("x", "y", "w", "h")


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
    return (boxes_of_json(path, load(path), listing) if with_first in ("{", "[") else _of_table(path)).ranked()


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
    found.add_sides(sides)
    return found


def _of_line(line: Line, places: dict[str, int], pixels: bool) -> FoundBox:
    a, b, c, d = line.numbers(1, 5)
    if pixels:
        check_inside_out(c - a, d - b, f"the box from {a:g}, {b:g} to {c:g}, {d:g}")
    else:
        check_inside_out(c, d, f"the box of {c:g} x {d:g}")
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
