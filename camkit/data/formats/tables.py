"""Text files with one annotation a line: every line knows where it is and what is wrong with it."""

import codecs
import csv
import math
import re
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from camkit.errors import CamkitError

WHOLE = re.compile(r"[0-9]{1,9}(\.0*)?")  # pandas writes whole numbers as 3.0 beside an empty field
REMEDY = "check --root and --split"  # where a file cannot be read
SHOWN = 160  # characters of a value in a message


@dataclass(frozen=True)
class Line:
    """One line of a table: where it is, its fields, and what is wrong with it as a whole.

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
        number = number_of(text)
        if not math.isfinite(number):
            raise CamkitError(f"{quoted(text)} is not a number")
        return number

    def numbers(self, start: int, stop: int) -> list[float]:
        """Some fields as finite numbers."""
        return [self.number(index) for index in range(start, stop)]

    def whole(self, index: int) -> int:
        """A field as a whole number, not negative; `CamkitError` where it is none. ``3.0`` is 3."""
        text = self.text(index)
        if not WHOLE.fullmatch(text):
            raise CamkitError(f"{quoted(text)} is not a whole number")
        return int(text.partition(".")[0])


def number_of(text: str) -> float:
    """The number that a text is, NaN where it is none; Python alone would also take 1_0 and digits of all scripts."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def quoted(value: Any) -> str:
    """A value as a message shows it, not at any length."""
    try:
        text = repr(value)
    except RecursionError:
        text = "nested too deeply to be shown"
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


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
    for number, text in enumerate(Texts(decoded(path)), 1):
        fields = text.strip().split(separator, wanted - 1 if separator is None else -1)
        if fields and fields != [""]:
            yield _line(path, number, fields, len(fields), wanted)


class Table:
    """A CSV file whose first line names its columns.

    Attributes
    ----------
    columns : list of str

    Parameters
    ----------
    path : Path
    remedy : str
        What to do where the file cannot be read.

    Raises
    ------
    CamkitError
        The file cannot be read, or its first line is no CSV.
    """

    def __init__(self, path: Path, remedy: str = REMEDY) -> None:
        self.path, self._texts = path, Texts(decoded(path, remedy))
        _, header = next(_rows(self._texts), (1, []))
        if isinstance(header, csv.Error):
            raise CamkitError(f"{path}, line 1: cannot be read as CSV: {header}; mend the line")
        self.columns = [name.strip() for name in header]

    def require(self, columns: Sequence[str]) -> None:
        """`CamkitError` where a column is missing or twice."""
        for column in columns:
            if self.columns.count(column) != 1:
                raise CamkitError(f"{self.path}, line 1: {self._wrong(column, columns)}")

    def lines(self, columns: Sequence[str]) -> Iterator[Line]:
        """The lines with the fields of `columns`, in their order; `CamkitError` where a column is missing or twice."""
        self.require(columns)
        places = [self.columns.index(column) for column in columns]
        for number, row in islice(_rows(self._texts), 1, None):
            if isinstance(row, csv.Error):
                yield Line(f"{self.path}, line {number}", [""] * len(columns), f"cannot be read as CSV: {row}")
            elif row:
                fields = [row[place] if place < len(row) else "" for place in places]
                yield _line(self.path, number, fields, len(row), len(self.columns))

    def _wrong(self, column: str, columns: Sequence[str]) -> str:
        if column in self.columns:
            return f"the column {column!r} is there twice; take one out"
        for separator, name in ((";", "semicolons"), ("\t", "tabs")):
            if len(self.columns) == 1 and separator in self.columns[0]:
                return f"its columns are separated by {name}; save it with commas"
        found = f"found are {quoted(','.join(self.columns))}" if any(self.columns) else "it is blank"
        return f"the column {column!r} is missing; wanted are {','.join(columns)}, {found}"


def csv_lines(path: Path, wanted: int) -> Iterator[Line]:
    """The lines of a CSV file whose first line does not name columns; each should have as many fields as wanted."""
    for number, row in _rows(Texts(decoded(path))):
        if isinstance(row, csv.Error):
            yield Line(f"{path}, line {number}", [""] * wanted, f"cannot be read as CSV: {row}")
        elif row:
            yield _line(path, number, row, len(row), wanted)


def _rows(texts: "Texts") -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Rows of CSV, each with the number of its first line; after one that is none, reading goes on at the next line."""
    start = 0
    while start < len(texts):
        reader = csv.reader(texts.since(start), strict=True)
        before = start
        try:
            for row in reader:
                yield before + 1, row
                before = start + reader.line_num
            return
        except csv.Error as error:
            yield before + 1, error
            start = before + 1


@contextmanager
def mending(line: Line) -> Iterator[None]:
    """What is wrong with a line that annotates no image spoils the data set: `CamkitError` says where it is."""
    try:
        line.check()
        yield
    except CamkitError as error:
        raise CamkitError(f"{line.where}: {error}; mend the line") from None


def decoded(path: Path, remedy: str = REMEDY) -> str:
    """A file's text; bytes that are not UTF-8 are kept as lone surrogates, for the line that has them to be told.

    Raises
    ------
    CamkitError
        The file cannot be read, or is in UTF-16.
    """
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise CamkitError(f"{path}: cannot be read: {error.strerror}; {remedy}") from None
    if encoded.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CamkitError(f"{path}: cannot be read: it is not UTF-8 text, but UTF-16; save it as UTF-8")
    return encoded.decode("utf-8-sig", "surrogateescape")


def is_utf8(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Texts:
    """The lines of a text, cut from it when they are asked for.

    Their ends are as they are: in a quoted field they are part of a name. `str.splitlines` would also cut at U+2028.
    """

    def __init__(self, text: str) -> None:
        self.text, self.starts = text, array("q", [0])
        self.starts.extend(end.end() for end in re.finditer(r"\n|\r(?!\n)", text))
        self.starts.append(len(text))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[str]:
        return self.since(0)

    def since(self, first: int) -> Iterator[str]:
        """Those from a line on, counted from 0."""
        return (self.text[self.starts[i] : self.starts[i + 1]] for i in range(first, len(self)))


def _line(path: Path, number: int, fields: list[str], count: int, wanted: int) -> Line:
    fault = None
    if not all(map(is_utf8, fields)):
        fault = "it holds bytes that are not UTF-8 text; save the file as UTF-8"
    elif count != wanted:
        fault = f"it has {count} fields where {wanted} belong; it may be cut off"
    return Line(f"{path}, line {number}", fields, fault)
