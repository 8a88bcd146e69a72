"""Score maps that another tool left on disk, one file an image."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile

from camkit.data.file_names import is_litter
from camkit.data.images import MAX_PIXELS
from camkit.data.map_shards import MapShards, shards_in
from camkit.data.png import SIGNATURE, essential
from camkit.data.records import Record
from camkit.data.sources import FileBytes, Read, read_file, walk_files
from camkit.errors import CamkitError

SUFFIXES = (".npy", ".npz", ".png")
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# A header is a Python literal. Where two threads parse at once, Python 3.11 may fail in one of them with a SystemError.
PARSING = Lock()
Values = NDArray[np.float32] | NDArray[np.float64]
Load = Callable[[], NDArray[Any]]

GREY = ("1", "L", "I", "F")  # and I;16 with its orders of bytes


class MapFolder:
    """A folder of maps: ``.npy``, ``.npz`` with one array, or grey ``.png`` of 8 or 16 bits.

    A map's path below the folder is its image's path below the data set's root, with the map's suffix put after the
    image's (``a/cat.jpg.npy``) or in its place (``a/cat.npy``). Where a data set has an image under several classes,
    the class is named too: ``a/cat.jpg.3.npy``. Or a folder of shards, as `camkit.data.map_shards` has them.

    Parameters
    ----------
    root : Path
    records : sequence of Record
        Of the data set, or of several of its splits, that the maps are for.

    Raises
    ------
    CamkitError
        There is no such folder, a part of it cannot be listed, or it holds no map.
    """

    def __init__(self, root: Path, records: Sequence[Record]) -> None:
        if not root.is_dir():
            raise CamkitError(f"{root}: there is no such folder; check --maps")
        self.root = root
        self.files: dict[str, list[Path]] = defaultdict(list)
        self.shards = MapShards(root) if shards_in(root) else None
        for path in sorted(walk_files(root)) if self.shards is None else ():
            if path.suffix.lower() in SUFFIXES and path.is_file() and not is_litter(path.name):
                self.files[path.relative_to(root).with_suffix("").as_posix()].append(path)
        if not self.files and not self.shards:
            raise CamkitError(f"{root}: holds no map; {', '.join(SUFFIXES)} files are wanted")
        self.classes = Counter(image for image, _ in {(record.image, record.label) for record in records})
        self.stems = Counter(_stem(image) for image in self.classes)
        self.read_from: set[Path] = set()

    def read(self, image: str, label: int | None = None) -> Values:
        """The map (h, w) of one image; several threads may read.

        float32 where the file holds values of that precision, in whatever type: how large rounding noise is depends on
        it. float64 where it holds finer ones, or whole numbers.

        Raises
        ------
        CamkitError
            There is no map, or more than one; it cannot be read, is no array of two dimensions with numbers in it, has
            more than 100 million of them, or holds NaN or infinities.
        """
        path, load = self._found(image, label)
        self.read_from.add(path)
        try:
            array = load()
        except CamkitError:
            raise
        except _NoMap as error:
            raise CamkitError(f"{path}: {error}") from None
        except Exception as error:  # numpy, zipfile and PIL raise nearly every type on a broken file
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CamkitError(f"{path}: cannot be read as a map ({reason}); write it again") from error
        values = _as_precise(array)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise CamkitError(f"{path}: {bad} of its {values.size} values are NaN or infinite; mend the map")
        return values

    def note_read(self, image: str, label: int | None = None) -> None:
        """Count an image's map among those that were read: an earlier part of the run, or another process, has."""
        with suppress(CamkitError):
            self.read_from.add(self.path(image, label))

    def unread(self) -> int:
        """How many of the folder's maps belong to no image that was read."""
        there = sum(len(paths) for paths in self.files.values()) if self.shards is None else len(self.shards)
        return there - len(self.read_from)

    def path(self, image: str, label: int | None) -> Path:
        """Where the map of an image is; `CamkitError` where there is none, or more than one."""
        return self._found(image, label)[0]

    def reader(self, image: str, label: int | None) -> Read:
        """What reads the bytes of an image's map; `CamkitError` where there is none, or more than one."""
        path = self.path(image, label)
        if self.shards is None:
            return FileBytes(str(path))
        return self.shards.reader(self._shard_name(self.shards, image, label))

    def _found(self, image: str, label: int | None) -> "tuple[Path, Load]":
        return self._file(image, label) if self.shards is None else self._in_shard(self.shards, image, label)

    def _names(self, image: str, label: int | None) -> list[str]:
        """What a map of it may be called."""
        if self.classes[image] > 1:
            return [f"{image}.{label}"]
        return list(dict.fromkeys([image, *([_stem(image)] if self.stems[_stem(image)] == 1 else [])]))

    def _file(self, image: str, label: int | None) -> tuple[Path, Load]:
        names = self._names(image, label)
        found = [path for name in names for path in self.files.get(name, [])]
        if not found:
            wanted = " or ".join(f"{name}.npy" for name in names)
            raise CamkitError(f"no map for it in {self.root}: {wanted} (or .npz, .png) is wanted")
        if len(found) > 1:
            raise CamkitError(f"{len(found)} maps for it, {found[0]} and {found[1]}: leave one")
        return found[0], partial(_grey if found[0].suffix.lower() == ".png" else _array, found[0])

    def _in_shard(self, shards: MapShards, image: str, label: int | None) -> tuple[Path, Load]:
        name = self._shard_name(shards, image, label)

        def load() -> NDArray[Any]:
            with shards.open(name) as member:
                return _npy(member)

        return shards.path_of(name) / name, load

    def _shard_name(self, shards: MapShards, image: str, label: int | None) -> str:
        names = self._names(image, label)
        name = next((name for name in names if name in shards), None)
        if name is None:
            raise CamkitError(f"no map for it in the shards of {self.root}: {' or '.join(names)} is wanted")
        return name


def _as_precise(array: NDArray[Any]) -> Values:
    if array.dtype.kind != "f":
        return array.astype(np.float64)
    with np.errstate(over="ignore"):  # beyond float32's range
        single = array.astype(np.float32)
    return single if np.array_equal(single, array, equal_nan=True) else array.astype(np.float64)


def _stem(image: str) -> str:
    return PurePosixPath(image).with_suffix("").as_posix()


def _array(path: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            return _npy(file)
    with ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise CamkitError(f"{path}: holds {len(names)} arrays; a map's file holds one")
        with archive.open(names[0]) as member:
            return _npy(member)


def _npy(file: IO[bytes]) -> NDArray[Any]:
    """An array in NumPy's format, once its header says that it may be a map. Nothing in it is run."""
    version = npy.read_magic(file)
    if version not in HEADERS:
        raise _NoMap(f"NumPy's format {version[0]}.{version[1]}, which arrays of numbers do not need")
    with PARSING:
        shape, is_fortran, kind = HEADERS[version](file)
    _check(shape, kind)
    wanted = math.prod(shape) * kind.itemsize
    content = file.read(wanted)
    if len(content) < wanted:
        raise ValueError(f"it is cut off: {len(content)} of {wanted} bytes of values")
    return np.frombuffer(content, kind).reshape(shape, order="F" if is_fortran else "C")


def _check(shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    if len(shape) != 2 or 0 in shape or kind.kind not in "biuf":
        raise _NoMap(f"an array of shape {shape} and type {kind}; a map is numbers of shape (h, w)")
    if math.prod(shape) > MAX_PIXELS:
        raise _NoMap(f"{shape[0]} x {shape[1]} values are more than {MAX_PIXELS}; save the map smaller")


def _grey(path: Path) -> NDArray[Any]:
    content = read_file(path)
    if not content.startswith(SIGNATURE):
        raise ValueError("it is no PNG")
    content, damage = essential(content)
    if damage:
        raise ValueError(damage)
    image = PngImageFile(BytesIO(content))
    if image.mode not in GREY and not image.mode.startswith("I;16"):
        raise _NoMap(f"its pixels are {image.mode}, not grey; a picture of a map is no map, save its values")
    _check((image.height, image.width), np.dtype(np.uint16))
    return np.asarray(image)


class _NoMap(Exception):
    """A file that can be read, and is no map."""
