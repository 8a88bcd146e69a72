"""The parts of a journal: each process of a run writes one, and the first puts them together.

A part is held by its process as a run's folder is, so that it can be told whether that process is alive.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import IO

from camkit.errors import CamkitError
from camkit.output.journal import Journal, Line, append, is_finished, part_file, part_files, whole_lines
from camkit.output.lock import hold, is_held, let_go

LOOK = 0.1  # seconds between two looks at the others


class Part:
    """What one process of a run writes, open as long as it lives.

    Parameters
    ----------
    folder : Path
    rank : int

    Raises
    ------
    OSError
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self.path, self.done = part_file(folder, rank), 0
        self._file: IO[bytes] = self.path.open("ab", buffering=0)
        hold(self._file.fileno())

    def write(self, line: Line) -> None:
        """Add a line, which is on its way to the disk when this returns."""
        append(self._file, self.path, line)
        self.done += is_finished(line)

    def close(self) -> None:
        """End it; what it has stays."""
        if not self._file.closed:
            let_go(self._file.fileno())
            self._file.close()

    def __enter__(self) -> "Part":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def gather(journal: Journal) -> None:
    """Put all parts behind the journal, and remove them; what is there twice counts once.

    Raises
    ------
    CamkitError
        A part is damaged.
    """
    for path in part_files(journal.path.parent):
        for number, line in enumerate(whole_lines(path), 1):
            if line is None:
                why = "it is damaged, or no line of a journal: remove the file, and what it held is computed again"
                raise CamkitError(f"{path}, line {number}: {why}")
            if "end" not in line:
                journal.write(line)
        path.unlink()


def finished(folder: Path) -> int:
    """How many images the parts have."""
    return sum(line is not None and is_finished(line) for path in part_files(folder) for line in whole_lines(path))


def dead(folder: Path, world_size: int) -> list[int]:
    """The ranks of processes that have ended before their work did."""
    return [rank for rank in range(world_size) if not _ended(part_file(folder, rank))
            and not is_held(part_file(folder, rank))]  # fmt: skip


def wait_for_all(folder: Path, world_size: int) -> None:
    """Wait until every process has done its part.

    Raises
    ------
    CamkitError
        One has died; the message names it.
    """
    waiting = list(range(world_size))
    while waiting := [rank for rank in waiting if not _ended(part_file(folder, rank))]:
        if gone := dead(folder, world_size):
            raise CamkitError(f"{said(gone)} of {world_size} processes has died")
        time.sleep(LOOK)


def said(ranks: list[int]) -> str:
    """Ranks in words."""
    return f"rank {' and '.join(map(str, ranks))}"


def _ended(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 20))
            return file.read().endswith(b'{"end": true}\n')
    except OSError:
        return False
