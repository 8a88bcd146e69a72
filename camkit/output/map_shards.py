"""Score maps of a long run: piled up as they come, then put into shards in the images' order.

A pile is a file of ``.npy`` files one after the other; each process has its own, and the journal's line of an image
says where in which pile its map is. When all images are done, the maps are copied into shards
(`camkit.data.map_shards`) of so many images each, and piles go as they are used up. So a run that was killed and
resumed, or that several processes shared, leaves the same shards as one that was not.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar
from zipfile import ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from camkit.data.map_shards import NPY, MapShards, shard_file, shards_in
from camkit.data.names import written_path
from camkit.localization import Localization
from camkit.output.files import naming, whole
from camkit.output.journal import Journal

T = TypeVar("T")
FOLDER = "maps"
MAP = "map"  # of a journal's line: the pile, where in it the map begins, and of how many bytes it is
PILE = ".pile-*"

Names = Callable[[], Iterable[str]]
Claim = Callable[[list[str]], None]  # says of files, before they are written, that they are camkit's
Member = tuple[str, Callable[[], IO[bytes]]]  # an image, and its map as of a .npy file


class Piles:
    """What one process adds maps to.

    Parameters
    ----------
    folder : Path
        Of the run.
    name : str
        That no other process has, nor an earlier part of the run.
    most : int
        Maps in a pile.
    claim : callable
    """

    def __init__(self, folder: Path, name: str, most: int, claim: Claim) -> None:
        self.folder, self.name, self.most, self.claim = folder / FOLDER, name, most, claim
        self._count, self._end = 0, 0
        self._file: IO[bytes] | None = None

    def add(self, stack: NDArray[np.float32]) -> list[Any]:
        """Add an image's maps (H, W) or (K, H, W); where they are.

        Raises
        ------
        OSError
            With the file's name.
        """
        path = self.folder / f".pile-{self.name}-{self._count // self.most}"
        with naming(path):
            if self._file is None or self._count % self.most == 0:
                self.close()
                self.claim([f"{FOLDER}/{path.name}"])
                self.folder.mkdir(parents=True, exist_ok=True)
                self._file, self._end = path.open("wb", buffering=0), 0
            self._count += 1
            at = self._end
            for part in (npy_header(stack), np.ascontiguousarray(stack).reshape(-1).view(np.uint8).data):
                left = memoryview(part)
                while left:
                    left = left[self._file.write(left) :]
                self._end += len(part)
        return [path.name, at, self._end - at]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def stack_of(result: Sequence[Localization]) -> NDArray[np.float32]:
    """The score maps of an image as they are kept: (H, W), or (K, H, W) of several classes."""
    return np.stack([found.map for found in result]) if len(result) > 1 else result[0].map


def npy_header(stack: NDArray[np.float32]) -> bytes:
    """What stands before an array's values in a ``.npy`` file."""
    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(np.ascontiguousarray(stack)))
    return file.getvalue()


def shard_maps(folder: Path, journal: Journal, names: Names, per_file: int, claim: Claim) -> None:
    """Put the maps of a run into shards, and remove the piles.

    Parameters
    ----------
    folder : Path
        Of the run.
    journal : Journal
    names : callable
        Gives all images in their order.
    per_file : int
        Images of a shard, those that have failed among them.
    claim : callable

    Raises
    ------
    OSError
        With the file's name.
    """
    maps, held = folder / FOLDER, MapShards(folder / FOLDER)
    entries = ((name, journal.entry(name)) for name in names())
    left = Counter(entry[MAP][0] for name, entry in entries if entry and MAP in entry and name not in held)
    for number, group in enumerate(grouped(names(), per_file)):
        places = {name: entry[MAP] for name in group if (entry := journal.entry(name)) and MAP in entry}
        if places and [written_path(name) for name in places] != held.written_names(number):
            claim([f"{FOLDER}/{shard_file(number)}"])
            write_shard(maps / shard_file(number), _members(maps, places, held))
        for name, (pile, *_) in places.items():
            if name not in held:
                left[pile] -= 1
                if not left[pile]:
                    (maps / pile).unlink(missing_ok=True)
    for pile in maps.glob(PILE):  # of parts of the run that were killed
        pile.unlink()


def _members(maps: Path, places: dict[str, list[Any]], held: MapShards) -> Iterator[Member]:
    def open_pile(pile: str, at: int, size: int) -> IO[bytes]:
        with (maps / pile).open("rb") as file:
            file.seek(at)
            return BytesIO(file.read(size))

    for name, place in places.items():
        yield name, partial(held.open, name) if name in held else partial(open_pile, *place)


def write_shard(path: Path, members: Iterable[Member]) -> None:
    """Write a shard, of the same bytes whenever it is written; `OSError` names the file."""
    with whole(path, "wb") as file, ZipFile(file, "w") as archive:
        for name, opened in members:
            with opened() as source, archive.open(ZipInfo(f"{written_path(name)}{NPY}"), "w", force_zip64=True) as to:
                shutil.copyfileobj(source, to, 1 << 20)


def changed_shards(folder: Path, names: Names, per_file: int) -> str | None:
    """What differs between the images of shards that are there and those of today, None where nothing does."""
    found = dict(shards_in(folder / FOLDER))
    held = MapShards(folder / FOLDER)
    for number, group in enumerate(grouped(names(), per_file) if found else ()):
        if not set(held.written_names(number)) <= {written_path(name) for name in group}:
            break
        found.pop(number, None)
    if not found:
        return None
    return f"--images: have come, gone or moved since {next(iter(found.values()))} was made of them"


def grouped(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many items at a time, the last time fewer."""
    ahead = iter(items)
    while group := list(islice(ahead, size)):
        yield group
