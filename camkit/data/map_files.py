"""Score maps that another tool left on disk, one file an image."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camkit.data.records import Record
from camkit.errors import CamkitError

SUFFIXES = (".npy", ".npz", ".png")
GREY = ("1", "L", "I", "F")  # and I;16 with its orders of bytes


class MapFolder:
    """A folder of maps: ``.npy``, ``.npz`` with one array, or grey ``.png`` of 8 or 16 bits.

    A map's path below the folder is its image's path below the data set's root, with the map's suffix put after the
    image's (``a/cat.jpg.npy``) or in its place (``a/cat.npy``). Where a data set has an image under several classes,
    the class is named too: ``a/cat.jpg.3.npy``.

    Parameters
    ----------
    root : Path
    records : sequence of Record
        Of the data set that the maps are for.

    Raises
    ------
    CamkitError
        There is no such folder, or no map in it.
    """

    def __init__(self, root: Path, records: Sequence[Record]) -> None:
        if not root.is_dir():
            raise CamkitError(f"{root}: there is no such folder; check --maps")
        self.root = root
        self.files: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file():
                self.files[path.relative_to(root).with_suffix("").as_posix()].append(path)
        if not self.files:
            raise CamkitError(f"{root}: holds no map; {', '.join(SUFFIXES)} files are wanted")
        self.classes = Counter(record.image for record in records)
        self.stems = Counter(_stem(image) for image in self.classes)
        self.read_from: set[Path] = set()

    def read(self, image: str, label: int | None = None) -> NDArray[np.float64]:
        """The map (h, w) of one image; several threads may read.

        Raises
        ------
        CamkitError
            There is no map, or more than one; it cannot be read, is no array of two dimensions with numbers in it, or
            holds NaN or infinities.
        """
        path = self._path(image, label)
        self.read_from.add(path)
        try:
            array = _grey(path) if path.suffix.lower() == ".png" else _array(path)
        except CamkitError:
            raise
        except Exception as error:  # numpy, zipfile and PIL raise nearly every type on a broken file
            reason = " ".join(str(error).split()) or type(error).__name__
            raise CamkitError(f"{path}: cannot be read as a map ({reason}); write it again") from error
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "biuf":
            raise CamkitError(
                f"{path}: an array of shape {array.shape} and type {array.dtype}; a map is numbers of shape (h, w)"
            )
        values = array.astype(np.float64)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise CamkitError(f"{path}: {bad} of its {values.size} values are NaN or infinite; mend the map")
        return values

    def unread(self) -> int:
        """How many of the folder's maps belong to no image that was read."""
        return sum(len(paths) for paths in self.files.values()) - len(self.read_from)

    def _path(self, image: str, label: int | None) -> Path:
        if self.classes[image] > 1:
            names = [f"{image}.{label}"]
        else:
            names = [image] + ([_stem(image)] if self.stems[_stem(image)] == 1 else [])
        found = [path for name in dict.fromkeys(names) for path in self.files.get(name, [])]
        if not found:
            wanted = " or ".join(f"{name}.npy" for name in dict.fromkeys(names))
            raise CamkitError(f"no map for it in {self.root}: {wanted} (or .npz, .png) is wanted")
        if len(found) > 1:
            raise CamkitError(f"{len(found)} maps for it, {found[0]} and {found[1]}: leave one")
        return found[0]


def _stem(image: str) -> str:
    return PurePosixPath(image).with_suffix("").as_posix()


def _array(path: Path) -> NDArray[Any]:
    held = np.load(path, allow_pickle=False)
    if isinstance(held, np.ndarray):
        return held
    with held:
        if len(held.files) != 1:
            raise CamkitError(f"{path}: holds {len(held.files)} arrays; a map's file holds one")
        return np.asarray(held[held.files[0]])


def _grey(path: Path) -> NDArray[Any]:
    with Image.open(path, formats=["PNG"]) as image:
        if image.mode not in GREY and not image.mode.startswith("I;16"):
            raise CamkitError(
                f"{path}: its pixels are {image.mode}, not grey; a picture of a map is no map, save its values"
            )
        return np.asarray(image)
