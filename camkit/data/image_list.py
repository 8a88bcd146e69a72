"""Image files in order, on disk: a list of any length takes a bounded part of memory."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from camkit.data.image_file import ImageFile
from camkit.errors import CamkitError

CACHE = 32  # MiB of the list that stay in memory
CHUNK = 1000  # images that are read or written together


class ImageList:
    """Image files, each with a name of its own, in the order in which they were added.

    They lie in a temporary database, which is the process's own, and goes with it.

    Attributes
    ----------
    start, stop : int
        Which of all files this list, or part of one, has.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE << 10}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.create_function("lengthened", 2, _tail, deterministic=True)
        self._db.execute("CREATE TABLE images (at INTEGER PRIMARY KEY, path BLOB NOT NULL, inside TEXT NOT NULL, "
                         "name BLOB NOT NULL, depth INTEGER NOT NULL)")  # fmt: skip
        self._db.execute("CREATE TABLE places (place BLOB PRIMARY KEY) WITHOUT ROWID")
        self.start, self.stop = 0, 0

    def add(self, files: Iterable[tuple[str, str, str, int]]) -> int:
        """Add files: path, where inside it, name, and of how many parts of the path the name is made.

        What was reached before, be it by a link to its folder, is listed once.

        Returns
        -------
        int
            How many are new.
        """
        before = self.stop
        self._db.execute("BEGIN")
        folder, real = "", ""
        for path, inside, name, depth in files:
            parent, last = os.path.split(path)
            if parent != folder or not real:
                folder, real = parent, os.path.realpath(parent)
            place = os.fsencode(f"{real}/{last}\0{inside}")
            if not self._db.execute("INSERT OR IGNORE INTO places VALUES (?)", (place,)).rowcount:
                continue
            self._db.execute("INSERT INTO images VALUES (?, ?, ?, ?, ?)",
                             (self.stop, os.fsencode(path), inside, encoded(name), depth))  # fmt: skip
            self.stop += 1
        self._db.execute("COMMIT")
        return self.stop - before

    def finish(self) -> "ImageList":
        """Lengthen names that clash by their parent folders, until they differ.

        Raises
        ------
        CamkitError
            Two images have one name all the same; members of archives keep theirs. The message names both.
        """
        self._db.execute("DROP TABLE places")
        self._db.execute("CREATE INDEX names ON images (name)")
        clashing = "SELECT name FROM images GROUP BY name HAVING count(*) > 1"
        while (first := self._db.execute(f"SELECT min(name) FROM ({clashing})").fetchone()[0]) is not None:
            self._db.execute(f"CREATE TEMP TABLE clashing AS {clashing}")
            longer = self._db.execute(
                "UPDATE images SET depth = depth + 1, name = lengthened(path, depth + 1) "
                "WHERE inside = '' AND name IN clashing AND name != lengthened(path, depth + 1)"
            )
            self._db.execute("DROP TABLE clashing")
            if not longer.rowcount:
                both = self._db.execute(
                    "SELECT path FROM images WHERE name = ? ORDER BY at LIMIT 2", (first,)
                ).fetchall()
                one, other = (os.fsdecode(path) for (path,) in both)
                raise CamkitError(f"two images would both be named {decoded(first)!r}, of {one} and of {other}: rename "
                                  "one, or give them in two runs")  # fmt: skip
        return self

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[ImageFile]:
        at = self.start
        while at < self.stop:
            end = min(at + CHUNK, self.stop)
            rows = self._db.execute(
                "SELECT path, name, inside FROM images WHERE at >= ? AND at < ? ORDER BY at", (at, end)
            )
            yield from [ImageFile(Path(os.fsdecode(path)), decoded(name), inside) for path, name, inside in rows]
            at = end

    def __contains__(self, name: object) -> bool:
        """Whether it is the name of one of the images."""
        if not isinstance(name, str):
            return False
        found = self._db.execute("SELECT at FROM images WHERE name = ?", (encoded(name),)).fetchone()
        return found is not None and self.start <= found[0] < self.stop

    def batches(self, size: int) -> Iterator[list[ImageFile]]:
        """So many files at a time, the last time fewer."""
        batch: list[ImageFile] = []
        for file in self:
            batch.append(file)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def evenly(self, limit: int) -> Iterator[ImageFile]:
        """As many files, or all where there are fewer, evenly spaced over the list; the first is among them."""
        count = len(self)
        for number in range(min(limit, count)):
            place = number * count // min(limit, count)
            yield from self.part(place, place + 1)

    def part(self, start: int, stop: int) -> "ImageList":
        """The files from one place to another; a view of this list."""
        view = object.__new__(ImageList)
        view._db, view.start, view.stop = self._db, self.start + start, min(self.start + stop, self.stop)
        return view


def encoded(name: str) -> bytes:
    """A name in bytes, whatever is in it: two names have two."""
    return name.encode("utf-8", "surrogatepass")


def decoded(name: bytes) -> str:
    """What `encoded` wrote."""
    return name.decode("utf-8", "surrogatepass")


def _tail(path: bytes, depth: int) -> bytes:
    """The last parts of a file's absolute path."""
    parts = Path(os.path.abspath(os.fsdecode(path))).parts[1:]
    return encoded("/".join(parts[-depth:]))
