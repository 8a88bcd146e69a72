"""``--labels``: which class is to be found in which image."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from camkit.data import ImageFile
from camkit.data.names import read_path, read_text, written_path
from camkit.errors import CamkitError

LONGEST = 9  # digits of a class number


def read_labels(
    path: Path, files: Sequence[ImageFile], names: Sequence[str] | None, num_classes: int
) -> dict[str, int]:
    """Image names and their classes from a CSV with the columns image and label, a number or a class name.

    Names may be written as camkit's own tables write them (`camkit.data.names`), so that a boxes.csv can be given. A
    number may have the decimal point that other tools put after it.

    Raises
    ------
    CamkitError
        With the line that cannot be read, whose image is not among `files`, or whose class the model does not have.
    """
    images = {file.name for file in files}
    numbers = {name: number for number, name in enumerate(names or ())}
    labels: dict[str, int] = {}
    strangers: list[str] = []
    for line, cell, label in _lines(path):
        number = _number(label, numbers)
        if number is None or not 0 <= number < num_classes:
            raise CamkitError(f"{path}, line {line}: label {label!r:.60} is none of the model's {num_classes} classes")
        image = _image(cell, images)
        if image is None:
            raise CamkitError(f"{path}, line {line}: {cell!r:.200} could mean two of the images: rename one")
        if image not in images:
            strangers.append(cell)
        elif labels.setdefault(image, number) != number:
            raise CamkitError(f"{path}, line {line}: a second label for {written_path(image)}")
    if strangers:
        raise CamkitError(f"{path}: {len(strangers)} of its images were not given, such as {strangers[0]!r:.200}")
    return labels


def _lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """The line's number, its image and its label."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if not {"image", "label"} <= set(reader.fieldnames or ()):
                raise CamkitError(f"{path}: the first line must name the columns image and label")
            for row in reader:
                image, label = row["image"], row["label"]
                if None in row or not image or label is None:
                    raise CamkitError(f"{path}, line {reader.line_num}: it has other columns than the first line")
                yield reader.line_num, image, label.strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CamkitError(f"{path}: cannot be read as CSV: {error}") from error


def _number(label: str, numbers: Mapping[str, int]) -> int | None:
    """The class that a label means."""
    whole = label[:-2] if label.endswith(".0") else label
    if whole.isascii() and whole.isdecimal() and len(whole) <= LONGEST:
        return int(whole)
    return numbers.get(label, numbers.get(read_text(label)))


def _image(cell: str, images: set[str]) -> str | None:
    """The image that a cell means, as it stands or as camkit writes names; None where these are two."""
    plain, read = cell.removeprefix("./"), read_path(cell)
    meant = {name for name in (cell, plain, read) if name in images}
    return None if len(meant) > 1 else next(iter(meant), read)
