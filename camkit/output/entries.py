"""Where in a journal the last line of each image stands: an index on disk, whose size in memory is bounded."""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

CACHE = 32  # MiB of the index that stay in memory
CHUNK = 1000


class Entry(NamedTuple):
    """Where a line begins, and whether it is of an image that is finished."""

    at: int
    done: bool


class Entries:
    """Images of a journal by name; a temporary database, which is the process's own, and goes with it."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE << 10}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE entries (name BLOB PRIMARY KEY, at INTEGER NOT NULL, done INTEGER NOT NULL) "
                         "WITHOUT ROWID")  # fmt: skip
        self._db.execute("BEGIN")

    @property
    def done(self) -> int:
        """How many are finished; the others have failed."""
        return int(self._db.execute("SELECT count(*) FROM entries WHERE done").fetchone()[0])

    def note(self, name: str, at: int, *, done: bool) -> None:
        """A line of an image, which takes the place of those before."""
        self._db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (_bytes(name), at, done))

    def get(self, name: str) -> Entry | None:
        found = self._db.execute("SELECT at, done FROM entries WHERE name = ?", (_bytes(name),)).fetchone()
        return None if found is None else Entry(found[0], bool(found[1]))

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM entries").fetchone()[0])

    def __iter__(self) -> Iterator[tuple[str, Entry]]:
        """Names and entries, in the order of their lines."""
        self._db.execute("CREATE INDEX IF NOT EXISTS places ON entries (at)")
        last = -1
        while rows := self._db.execute("SELECT at, name, done FROM entries WHERE at > ? ORDER BY at LIMIT ?",
                                       (last, CHUNK)).fetchall():  # fmt: skip
            yield from ((name.decode("utf-8", "surrogatepass"), Entry(at, bool(done))) for at, name, done in rows)
            last = rows[-1][0]


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")
