"""Maps of many images in few files: ``shard-000000.npz`` and so on, NumPy archives with an array for each image.

An array is called as its image is in boxes.csv, and stored as it is, so that one is read without the others. Shards
follow each other in the images' order; `camkit.output.map_shards` writes them.
"""

import re
import sqlite3
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import IO
from zipfile import ZipFile

from camkit.data.names import written_path
from camkit.data.sources import ZipMember
from camkit.errors import CamkitError

SHARD = re.compile(r"shard-(\d{6,})\.npz")
NPY = ".npy"  # behind each array's name in such an archive
CACHE = 8  # MiB of the names that stay in memory
OPEN = 4  # archives


def shard_file(number: int) -> str:
    """The name of a shard."""
    return f"shard-{number:06d}.npz"


def shards_in(folder: Path) -> list[tuple[int, Path]]:
    """The shards in a folder, by number; none where there is no such folder."""
    found = ((SHARD.fullmatch(path.name), path) for path in folder.glob("shard-*.npz"))
    return sorted((int(match[1]), path) for match, path in found if match)


class MapShards:
    """A folder of shards; several threads may read.

    Names are in a temporary database, which is the process's own, and goes with it.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    CamkitError
        A shard cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._paths, self._lock = dict(shards_in(folder)), Lock()
        self._archive = lru_cache(OPEN)(lambda number: _opened(self._paths[number]))
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE << 10}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE maps (name TEXT PRIMARY KEY, shard INTEGER NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO maps VALUES (?, ?)",
                             ((name, number) for number in self._paths for name in self._names(number)))  # fmt: skip
        self._db.execute("COMMIT")

    def __len__(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM maps").fetchone()[0])

    def __contains__(self, image: str) -> bool:
        return self._shard_of(image) is not None

    def path_of(self, image: str) -> Path:
        """The shard with an image's map; `KeyError` where there is none."""
        number = self._shard_of(image)
        if number is None:
            raise KeyError(image)
        return self._paths[number]

    def reader(self, image: str) -> ZipMember:
        """What reads the bytes of an image's map; `KeyError` where there is none."""
        return ZipMember(str(self.path_of(image)), f"{written_path(image)}{NPY}")

    def open(self, image: str) -> IO[bytes]:
        """An image's map, as of a ``.npy`` file.

        Raises
        ------
        KeyError
            There is none.
        OSError, ValueError, BadZipFile
            The shard is broken.
        """
        number = self._shard_of(image)
        if number is None:
            raise KeyError(image)
        with self._lock:
            return self._archive(number).open(f"{written_path(image)}{NPY}")

    def written_names(self, number: int) -> list[str]:
        """The images of a shard in its order, as boxes.csv has them; none where there is no such shard."""
        return list(self._names(number)) if number in self._paths else []

    def _names(self, number: int) -> Iterator[str]:
        return (name.removesuffix(NPY) for name in self._archive(number).namelist())

    def _shard_of(self, image: str) -> int | None:
        with self._lock:
            found = self._db.execute("SELECT shard FROM maps WHERE name = ?", (written_path(image),)).fetchone()
        return None if found is None else int(found[0])


def _opened(path: Path) -> ZipFile:
    try:
        return ZipFile(path)
    except Exception as error:  # zipfile raises several types on a broken file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CamkitError(f"{path}: cannot be read as a shard of maps ({reason:.120}); make the maps anew") from error
