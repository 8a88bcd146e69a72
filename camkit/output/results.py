"""From a journal to tables: image after image, in the images' order, whatever their number."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camkit.output.files import whole
from camkit.output.formats import BINARY, WRITERS
from camkit.output.journal import Journal
from camkit.output.tables import Row, images_of, write_csv
from camkit.output.yolo import DATA, label_file, write_yolo

SHOWN = 10  # failures that are told on the screen
Names = Callable[[], Iterable[str]]  # of the images, in their order; they are gone through more than once


@dataclass
class Summary:
    """What is in the tables of a run.

    Attributes
    ----------
    images : int
        Finished or failed.
    rows, empty : int
        Boxes, and those of them whose map has nothing above its threshold.
    classes : int
        Those that the boxes are of, image by image.
    bare : int
        Finished images of which every class was left out.
    left_out : int
        Classes that were left out.
    failed : int
    failures : list of dict
        The first `SHOWN` of them.
    filled : list of str
        The damaged images of which a result was made all the same.
    """

    images: int = 0
    rows: int = 0
    empty: int = 0
    classes: int = 0
    bare: int = 0
    left_out: int = 0
    failed: int = 0
    failures: list[Row] = field(default_factory=list)
    filled: list[str] = field(default_factory=list)

    def count(self, entry: Row) -> None:
        """Count an image's line of the journal."""
        self.images += 1
        if "reason" in entry:
            self.failed += 1
            if self.failed <= SHOWN:
                self.failures.append(entry)
            return
        rows = entry["rows"]
        self.rows += len(rows)
        self.empty += sum(row["x1"] <= row["x0"] for row in rows)
        self.classes += len({row["rank"] for row in rows})
        self.bare += not rows
        self.left_out += entry.get("left_out", 0)
        if entry.get("filled"):
            self.filled.append(entry["image"])


class Rows:
    """The rows of all images, read from the journal each time they are gone through."""

    def __init__(self, journal: Journal, names: Names) -> None:
        self.journal, self.names = journal, names

    def entries(self) -> Iterator[Row]:
        """The last line of each image that has one."""
        return (entry for name in self.names() if (entry := self.journal.entry(name)) is not None)

    def __iter__(self) -> Iterator[Row]:
        return (row for entry in self.entries() for row in entry.get("rows", ()))


def write_tables(
    folder: Path, journal: Journal, names: Names, formats: Sequence[str], class_names: Sequence[str]
) -> Summary:
    """Write the tables of these formats and failures.csv.

    Raises
    ------
    OSError
        With the file's name.
    """
    rows, summary = Rows(journal, names), Summary()
    for entry in rows.entries():
        summary.count(entry)
    write_boxes(folder, rows, formats)
    if "yolo" in formats:
        for image, _ in images_of(rows):  # before they are written: these files of labels are camkit's
            journal.write({"image": image, "files": [label_file(image)]})
        write_yolo(folder, rows, class_names)
    with whole(folder / "failures.csv") as file:
        write_csv(file, ("image", "reason"), (entry for entry in rows.entries() if "reason" in entry))
    return summary


def write_boxes(folder: Path, rows: Iterable[Row], formats: Sequence[str]) -> None:
    """Write the tables of those formats that are one file, of rows that are gone through more than once."""
    for target, write in (WRITERS[name] for name in formats if name in WRITERS):
        with whole(folder / target, "wb" if target.endswith(BINARY) else "w") as file:
            write(file, rows)


def table_files(formats: Sequence[str]) -> list[str]:
    """The files of these formats."""
    return [WRITERS[name][0] for name in formats if name in WRITERS] + [DATA] * ("yolo" in formats)


def record(journal: Journal, facts: dict[str, Any]) -> dict[str, Any]:
    """What run.json holds."""
    return {"settings": journal.settings, "sessions": journal.sessions, **facts}
