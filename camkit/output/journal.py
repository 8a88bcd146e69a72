"""The journal of a run: a line for each finished image, written at once, so that a killed run goes on from there.

The first line says what the run is; it is written whole, so that a journal without it is none. Each other line is a
JSON object: ``rows`` of a finished image, of which file it was made and how many were ``left_out``, the ``reason`` of a
failed one, the ``files`` that are about to be drawn for one, or what a ``session`` ran on. The last line may have been
cut by a kill.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from camkit.errors import CamkitError
from camkit.output.files import naming, whole
from camkit.output.tables import TYPES

JOURNAL = ".camkit-journal.jsonl"
VERSION = 1

Line = dict[str, Any]


class Journal:
    """The journal in a folder, read to its end and open for more.

    Parameters
    ----------
    folder : Path
    settings : dict
        Everything that results depend on, as JSON can hold it; of a journal that is there already, this is not looked
        at.

    Attributes
    ----------
    settings : dict
        Those that the run began with.
    entries : dict from image name to dict
        The last ``rows`` or ``reason`` line of each image.
    sessions : list of dict

    Raises
    ------
    CamkitError
        The journal is damaged, or of something else.
    OSError
    """

    def __init__(self, folder: Path, settings: Line) -> None:
        self.path = folder / JOURNAL
        self.entries: dict[str, Line] = {}
        self.sessions: list[Line] = []
        if self.path.exists():
            self.settings, end = self._read()
            os.truncate(self.path, end)
        else:
            self.settings = json.loads(json.dumps(settings))
            with whole(self.path) as file:
                file.write(json.dumps({"camkit-journal": VERSION, "settings": settings}) + "\n")
        self._file = self.path.open("ab", buffering=0)

    def write(self, line: Line) -> None:
        """Add a line, which is on its way to the disk when this returns."""
        encoded = (json.dumps(line) + "\n").encode()
        with naming(self.path):
            while encoded:
                encoded = encoded[self._file.write(encoded) :]
        self._keep(line)

    def close(self) -> None:
        self._file.close()

    def _keep(self, line: Line) -> None:
        if "session" in line:
            self.sessions.append(line["session"])
        elif "files" not in line:
            self.entries[line["image"]] = line

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
                self._keep(line)
            end += len(raw)
        if settings is None:
            self._refuse(1, "it is empty")
        return settings, end

    def _refuse(self, number: int, why: str) -> NoReturn:
        raise CamkitError(
            f"{self.path}, line {number}: {why}, and so the run cannot go on from it: give --overwrite or another --out"
        )


def drawn(folder: Path) -> Iterator[str]:
    """The pictures and maps that a journal says were written, also where other lines of it are damaged."""
    path = folder / JOURNAL
    for raw in _raw_lines(path) if path.exists() else ():
        line = _parsed(raw)
        if line is not None and _is_line(line):
            yield from line.get("files", ())


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
    if not isinstance(line.get("image"), str):
        return False
    if "rows" in line:
        rows, source = line["rows"], line.get("source")
        some = bool(rows) or type(line.get("left_out")) is int  # of an image every class may have been left out
        return isinstance(rows, list) and some and all(map(_is_row, rows)) and isinstance(source, dict)
    if "files" in line:
        return isinstance(line["files"], list) and all(isinstance(name, str) for name in line["files"])
    return isinstance(line.get("reason"), str)


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(type(row.get(name)) is kind for name, kind in TYPES.items())
