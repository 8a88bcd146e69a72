"""``--labels``: which class is to be found in which image."""

import re
from collections.abc import Container, Sequence
from pathlib import Path

from camkit.data.formats.tables import Table, mending
from camkit.data.names import read_path, read_text, written_path
from camkit.errors import CamkitError
from camkit.models.class_names import ClassNames

DECIMAL = re.compile(r"[0-9]{1,9}\.0*")  # pandas writes whole numbers so beside an empty field


def read_labels(path: Path, images: Container[str], names: Sequence[str] | None, num_classes: int) -> dict[str, int]:
    """Image names and their classes from a CSV with the columns image and label, a number or a class name.

    Names may be written as camkit's own tables write them (`camkit.data.names`), so that a boxes.csv can be given.

    Raises
    ------
    CamkitError
        With the line that cannot be read, whose image is not among `images`, or whose class the model does not have.
    """
    model = ClassNames(num_classes, names)
    labels: dict[str, int] = {}
    strangers: list[str] = []
    for line in Table(path, "check --labels").lines(("image", "label")):
        with mending(line):
            number = _class(line.text(1), model)
            image = _image(line.fields[0], images)
            if image is None:
                strangers.append(line.fields[0])
            elif labels.setdefault(image, number) != number:
                raise CamkitError(f"a second label for {written_path(image):.200}")
    if strangers:
        raise CamkitError(f"{path}: {len(strangers)} of its images were not given, such as {strangers[0]!r:.200}")
    return labels


def _class(label: str, model: ClassNames) -> int:
    known = model.names or ()
    if label not in known and DECIMAL.fullmatch(label):
        label = label.partition(".")[0]
    return model.find(label if label in known else read_text(label))


def _image(cell: str, images: Container[str]) -> str | None:
    """The image that a cell means, as it stands or as camkit writes names; None where there is none."""
    meant = {name for name in (cell, cell.removeprefix("./"), read_path(cell)) if name in images}
    if len(meant) > 1:
        raise CamkitError(f"{cell!r:.200} may be either of two images; rename one")
    return next(iter(meant), None)
