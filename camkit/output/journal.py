"""The journal of a run: a line for each finished image, written at once, so that a killed run goes on from there.

The first line says what the run is; it is written whole, so that a journal without it is none. Each other line is a
JSON object: ``rows`` of a finished image, of which file it was made and how many were ``left_out``, or what was
``measured`` of it, the ``reason`` of a failed one, the ``files`` that are about to be drawn for one, or what a
``session`` ran on. The last line may have been cut by a kill.

Of several processes each writes to a part of its own, which the first puts behind the journal when all are done, or
when the run goes on (`camkit.output.parts`).
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any, NoReturn

from camkit.errors import CamkitError
from camkit.output.entries import Entries
from camkit.output.files import naming, whole
from camkit.output.tables import TYPES

JOURNAL = ".camkit-journal.jsonl"
VERSION = 1
PART = re.compile(r"\.camkit-journal-(\d+)\.jsonl")

Line = dict[str, Any]


class Journal:
    """The journal in a folder, read to its end and open for more.

    Parameters
    ----------
    folder : Path
    settings : dict
        Everything that results depend on, as JSON can hold it; of a journal that is there already, this is not looked
        at.
    read_only : bool
        Take it as it is; nothing can be written.

    Attributes
    ----------
    settings : dict
        Those that the run began with.
    entries : Entries
        Where the last ``rows``, ``measured`` or ``reason`` line of each image stands.
    sessions : list of dict
    begun : int
        Where it ended when it was opened.

    Raises
    ------
    CamkitError
        The journal is damaged, or of something else.
    OSError
    """

    def __init__(self, folder: Path, settings: Line, *, read_only: bool = False) -> None:
        self.path, self.read_only = folder / JOURNAL, read_only
        if not self.path.exists():
            with whole(self.path) as file:
                file.write(json.dumps({"camkit-journal": VERSION, "settings": settings}) + "\n")
        self._open()

    def _open(self) -> None:
        self.entries = Entries()
        self.sessions: list[Line] = []
        self.settings, self.begun = self._read()
        if not self.read_only:
            os.truncate(self.path, self.begun)
        self._end = self.begun
        self._lines = self.path.open("rb")
        self._file = None if self.read_only else self.path.open("ab", buffering=0)

    def write(self, line: Line) -> None:
        """Add a line, which is on its way to the disk when this returns."""
        assert self._file is not None
        length = append(self._file, self.path, line)
        self._keep(line, self._end)
        self._end += length

    def catch_up(self) -> None:
        """Note the line that was written when a signal came before it was noted."""
        self._lines.seek(self._end)
        for raw in self._lines:
            if raw.endswith(b"\n"):
                self._keep(json.loads(raw), self._end)
                self._end += len(raw)

    def entry(self, image: str) -> Line | None:
        """The last line that says what became of an image."""
        found = self.entries.get(image)
        return None if found is None else self.line_at(found.at)

    def line_at(self, at: int) -> Line:
        """The line that begins there."""
        self._lines.seek(at)
        line: Line = json.loads(self._lines.readline())
        return line

    def drawn_lines(self) -> Iterator[Line]:
        """The lines that say which files were about to be drawn for an image."""
        for raw in _raw_lines(self.path):
            line = _parsed(raw)
            if line is not None and "files" in line and _is_line(line):
                yield line

    def put_in_order(self, names: Callable[[], Iterable[str]]) -> None:
        """Write the journal anew with the images' lines in this order, unless they are in it; others are left out."""
        last = 0
        for entry in filter(None, map(self.entries.get, names())):
            if entry.at < last:
                break
            last = entry.at
        else:
            return
        with whole(self.path) as file:
            lines: Iterator[Line] = chain(
                [{"camkit-journal": VERSION, "settings": self.settings}],
                ({"session": session} for session in self.sessions),
                self.drawn_lines(),
                filter(None, map(self.entry, names())),
            )
            file.writelines(json.dumps(line) + "\n" for line in lines)
        self.close()
        self._open()

    def begin(self) -> None:
        """From here on, what is there counts as there before."""
        self.begun = self._end

    def before(self, image: str) -> bool | None:
        """Whether an image was finished when the journal was opened; None where it was not tried."""
        found = self.entries.get(image)
        return None if found is None or found.at >= self.begun else found.done

    def close(self) -> None:
        self._lines.close()
        if self._file is not None:
            self._file.close()

    def _keep(self, line: Line, at: int) -> None:
        if "session" in line:
            self.sessions.append(line["session"])
        elif "files" not in line:
            self.entries.note(line["image"], at, done=is_finished(line))

    def _read(self) -> tuple[Line, int]:
        """The settings, and where the last whole line ends."""
        end, settings = 0, None
        for number, raw in enumerate(_raw_lines(self.path), 1):
            if not raw.endswith(b"\n") and settings is not None:
                break  # the last line of a run that was killed
            line = _parsed(raw)
            if settings is None:
                settings = line.get("settings") if line and line.get("camkit-journal") == VERSION else None
                if not isinstance(settings, dict):
                    self._refuse(number, "it does not say which run it is of")
            elif line is None or not _is_line(line):
                self._refuse(number, "it is damaged, or no line of a journal")
            else:
                self._keep(line, end)
            end += len(raw)
        if settings is None:
            self._refuse(1, "it is empty")
        return settings, end

    def _refuse(self, number: int, why: str) -> NoReturn:
        raise CamkitError(
            f"{self.path}, line {number}: {why}, and so the run cannot go on from it: give --overwrite or another --out"
        )


def is_finished(line: Line) -> bool:
    """Whether a line is of an image that is finished."""
    return "rows" in line or "measured" in line


def append(file: IO[bytes], path: Path, line: Line) -> int:
    """Add a line to a file that is not buffered; how many bytes it has."""
    encoded = (json.dumps(line) + "\n").encode()
    left = encoded
    with naming(path):
        while left:
            left = left[file.write(left) :]
    return len(encoded)


def drawn(folder: Path) -> Iterator[str]:
    """The pictures and maps that a journal and its parts say were written, also where other lines are damaged."""
    for path in (folder / JOURNAL, *part_files(folder)):
        for line in whole_lines(path) if path.exists() else ():
            if line is not None:
                yield from line.get("files", ())


def part_files(folder: Path) -> list[Path]:
    """The parts of a journal that several processes wrote, by rank."""
    found = {
        int(match[1]): path for path in folder.glob(".camkit-journal-*.jsonl") if (match := PART.fullmatch(path.name))
    }
    return [path for _, path in sorted(found.items())]


def part_file(folder: Path, rank: int) -> Path:
    """The part of a journal that the process of that rank writes."""
    return folder / f".camkit-journal-{rank}.jsonl"


def whole_lines(path: Path) -> Iterator[Line | None]:
    """The lines of a part, None for what is none; a last line that a kill has cut is left out."""
    for raw in _raw_lines(path):
        line = _parsed(raw)
        if raw.endswith(b"\n"):
            yield line if line is not None and _is_line(line) else None


def _raw_lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _parsed(raw: bytes) -> Line | None:
    try:
        line = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number of thousands of digits
        return None
    return line if isinstance(line, dict) else None


def _is_line(line: Line) -> bool:
    if "session" in line:
        return isinstance(line["session"], dict)
    if "end" in line:  # of a process's part
        return line["end"] is True
    return isinstance(line.get("image"), str) and _is_of_image(line)


def _is_of_image(line: Line) -> bool:
    if "rows" in line:
        rows, source = line["rows"], line.get("source")
        some = bool(rows) or type(line.get("left_out")) is int  # of an image every class may have been left out
        return isinstance(rows, list) and some and all(map(_is_row, rows)) and isinstance(source, dict)
    if "measured" in line:
        return isinstance(line["measured"], dict) and isinstance(line.get("source"), dict)
    if "files" in line:
        return isinstance(line["files"], list) and all(isinstance(name, str) for name in line["files"])
    return isinstance(line.get("reason"), str)


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(type(row.get(name)) is kind for name, kind in TYPES.items())
