"""Text files with one annotation a line: every line knows where it is and what is wrong with it."""

import csv
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from camkit.errors import CamkitError

REMEDY = "check --root and --split"  # where a file cannot be read


@dataclass(frozen=True)
class Line:
    """One line of a table: where it is, its fields, and what is wrong with their number.

    The methods refuse a line with a fault; `fields` can be looked at all the same, to know which image it annotates.
    """

    where: str
    fields: list[str]
    fault: str | None = None

    def check(self) -> None:
        """`CamkitError` where the line has a fault."""
        if self.fault:
            raise CamkitError(self.fault)

    def text(self, index: int) -> str:
        """A field."""
        self.check()
        return self.fields[index].strip()

    def number(self, index: int) -> float:
        """A field as a finite number; `CamkitError` where it is none."""
        text = self.text(index)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise CamkitError(f"{text!r} is not a number")
        return number

    def numbers(self, start: int, stop: int) -> list[float]:
        """Some fields as finite numbers."""
        return [self.number(index) for index in range(start, stop)]

    def whole(self, index: int) -> int:
        """A field as a whole number, not negative; `CamkitError` where it is none."""
        text = self.text(index)
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            raise CamkitError(f"{text!r} is not a whole number")
        return int(text)


def lines(path: Path, wanted: int, separator: str | None = None) -> Iterator[Line]:
    """The lines of a plain text table; blank ones are passed over.

    Parameters
    ----------
    path : Path
    wanted : int
        How many fields a line should have; one with more or fewer has a `Line.fault`.
    separator : str or None
        None for white space, which the last field may contain.
    """
    for number, text in enumerate(_text(path), 1):
        fields = text.strip().split(separator, wanted - 1 if separator is None else -1)
        if fields and fields != [""]:
            yield _line(path, number, fields, len(fields), wanted)


def table(path: Path, columns: Sequence[str], remedy: str = REMEDY) -> Iterator[Line]:
    """The lines of a CSV file whose first line names its columns, with the fields of `columns`, in their order.

    Raises
    ------
    CamkitError
        The file cannot be read as CSV, or a column is missing.
    """
    reader = csv.reader(_text(path, remedy), strict=True)
    try:
        header = next(reader, [])
        missing = [column for column in columns if column not in header]
        if missing:
            raise CamkitError(f"{path}, line 1: the column {missing[0]!r} is missing; wanted are {','.join(columns)}")
        places = [header.index(column) for column in columns]
        for row in reader:
            if row:
                fields = [row[place] if place < len(row) else "" for place in places]
                yield _line(path, reader.line_num, fields, len(row), len(header))
    except csv.Error as error:
        raise CamkitError(f"{path}, line {reader.line_num}: cannot be read as CSV: {error}") from None


@contextmanager
def mending(line: Line) -> Iterator[None]:
    """What is wrong with a line that annotates no image spoils the data set: `CamkitError` says where it is."""
    try:
        line.check()
        yield
    except CamkitError as error:
        raise CamkitError(f"{line.where}: {error}; mend the line") from None


def _text(path: Path, remedy: str = REMEDY) -> StringIO:
    try:
        return StringIO(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CamkitError(f"{path}: cannot be read: {reason}; {remedy}") from None


def _line(path: Path, number: int, fields: list[str], count: int, wanted: int) -> Line:
    fault = None if count == wanted else f"it has {count} fields where {wanted} belong; it may be cut off"
    return Line(f"{path}, line {number}", fields, fault)
