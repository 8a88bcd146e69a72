"""Boxes as Ultralytics' YOLO reads them: a text file of lines ``class xc yc w h`` an image, and data.yaml.

Classes are the model's numbers; the centre, width and height of a box are shares of the image's sides. ``labels/`` lies
beside ``images/``, which is for the user to fill: an image there finds its labels under its own name. An image without
a box has no file, which is how that format says so.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from camkit.data.names import written_path
from camkit.errors import CamkitError
from camkit.output.files import whole

LABELS, DATA = "labels", "data.yaml"
HEAD = "# Put the images into images/, beside labels/ and under the same names.\n"
# What YAML does not take as it is in double quotes, and takes as escapes: half a surrogate pair as well.
ESCAPED = re.compile('[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|["\\\\]')
DIGITS = 8  # after the point: a hundredth of a pixel of any image that can be read

Row = dict[str, Any]


def label_file(image: str) -> str:
    """The labels of an image, relative to the run's folder: ``labels/a/cat.txt`` of a/cat.jpg."""
    return f"{LABELS}/{os.path.splitext(image)[0]}.txt"


def check_names(images: Iterable[str]) -> None:
    """`CamkitError` where two images would have one file of labels."""
    known: dict[str, str] = {}
    for image in images:
        other = known.setdefault(label_file(image), image)
        if other != image:
            names = f"{written_path(other)} and {written_path(image)}"
            raise CamkitError(f"{names} would both have {label_file(image)!r}: rename one, or leave yolo out")


def labels(rows: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Each file of labels and its content; the rows of an image follow each other."""
    for image, its in groupby(rows, itemgetter("image")):
        boxed = [row for row in its if row["x1"] > row["x0"]]
        if boxed:
            lines = (f"{row['label']} {' '.join(map(_share, shares(row)))}\n" for row in boxed)
            yield label_file(image), "".join(lines)


def shares(row: Row) -> tuple[float, float, float, float]:
    """Centre x and y, width and height of a row's box, as shares of the image's sides."""
    width, height = row["width"], row["height"]
    across, down = row["x1"] - row["x0"], row["y1"] - row["y0"]
    return (row["x0"] + across / 2) / width, (row["y0"] + down / 2) / height, across / width, down / height


def _share(number: float) -> str:
    return f"{number:.{DIGITS}f}"


def data_yaml(names: Sequence[str]) -> str:
    """What says where images and labels are, and how classes are called.

    YAML has escapes of its own, so that names need not be written as in tables: whoever reads the file has them as they
    are.
    """
    classes = "".join(f"  {number}: {_quoted(name)}\n" for number, name in enumerate(names))
    return f"{HEAD}train: images\nval: images\nnames:\n{classes}"


def _quoted(text: str) -> str:
    return '"' + ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + '"'


def write_yolo(folder: Path, rows: Iterable[Row], names: Sequence[str]) -> None:
    """Write data.yaml and the files of labels.

    Raises
    ------
    OSError
        With the file's name.
    """
    for name, content in labels(rows):
        with whole(folder / name) as file:
            file.write(content)
    with whole(folder / DATA) as file:
        file.write(data_yaml(names))
