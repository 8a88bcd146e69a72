"""The class maps of a run in one file, small as they left the network: all that boxes at other thresholds need.

A NumPy archive (``.npz``). `CHUNK` images share entries: ``K/size`` (n, 2), heights and widths of the images;
``K/window`` (n, 4), the part of each that its map covers (NaN: all of it); ``K/shape`` (n, 2) of the maps; and
``K/maps-J``, the maps of weighting J one after the other. ``weightings`` names the weightings. Images are in the order
of per_image.csv.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from zipfile import ZipFile, ZipInfo

import numpy as np
import torch
from numpy.typing import NDArray

from camkit.boxes import Window
from camkit.errors import CamkitError

CLASS_MAPS = "class_maps.npz"
CHUNK = 512


@dataclass(frozen=True, eq=False)
class SavedMaps:
    """What is kept of one image.

    Attributes
    ----------
    size : tuple of int
        Height and width of the image.
    window : tuple of float or None
        The part of it that the maps cover; None for all of it.
    maps : dict from weighting to Tensor (h, w)
    """

    size: tuple[int, int]
    window: Window | None
    maps: Mapping[str, torch.Tensor]


class ClassMapWriter:
    """Writes such a file, image by image; it is no file of camkit's before it is closed.

    Raises
    ------
    OSError
    """

    def __init__(self, path: Path) -> None:
        self.path, self.waiting, self.chunks = path, list[SavedMaps](), 0
        self.weightings: tuple[str, ...] = ()
        self._archive = ZipFile(path, "w")

    def __enter__(self) -> "ClassMapWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            self._write("weightings", np.array(self.weightings, dtype=np.str_))
        self._archive.close()

    def add(self, image: SavedMaps) -> None:
        """One image more, with the weightings of the first."""
        self.weightings = self.weightings or tuple(image.maps)
        self.waiting.append(image)
        if len(self.waiting) == CHUNK:
            self._flush()

    def _flush(self) -> None:
        if not self.waiting:
            return
        nowhere = (float("nan"),) * 4
        first = [image.maps[self.weightings[0]] for image in self.waiting]
        columns = {
            "size": np.array([image.size for image in self.waiting], np.int64),
            "window": np.array([image.window or nowhere for image in self.waiting], np.float64),
            "shape": np.array([tuple(one.shape) for one in first], np.int64),
        }
        for j, weighting in enumerate(self.weightings):
            columns[f"maps-{j}"] = np.concatenate([image.maps[weighting].numpy().ravel() for image in self.waiting])
        for name, column in columns.items():
            self._write(f"{self.chunks}/{name}", column)
        self.waiting, self.chunks = [], self.chunks + 1

    def _write(self, name: str, array: NDArray[np.generic]) -> None:
        # an entry's time is 1980: the same maps are the same bytes
        with self._archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
            np.lib.format.write_array(member, array, allow_pickle=False)


class ClassMapReader(Sequence[SavedMaps]):
    """The images of such a file; what is kept in memory is one chunk.

    Raises
    ------
    CamkitError
        It cannot be read, or is something else; also of a single image.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._chunk: tuple[int, dict[str, NDArray[np.generic]]] = (-1, {})
        try:
            self._archive = np.load(path, allow_pickle=False)
            self.weightings = tuple(str(name) for name in self._archive["weightings"])
            self._starts = [0]
            while f"{len(self._starts) - 1}/size" in self._archive.files:
                self._starts.append(self._starts[-1] + len(self._archive[f"{len(self._starts) - 1}/size"]))
        except Exception as error:  # whatever numpy and zipfile raise on a broken file
            raise self._broken(error) from error

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> SavedMaps:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        try:
            chunk, i = self._read(number), index - self._starts[number]
            height, width = (int(side) for side in chunk["size"][i])
            window = tuple(float(side) for side in chunk["window"][i])
            shape = tuple(int(side) for side in chunk["shape"][i])
            start = int(chunk["shape"][:i].prod(axis=1).sum())
            maps = {
                weighting: torch.from_numpy(
                    chunk[f"maps-{j}"][start : start + shape[0] * shape[1]].reshape(shape).copy()
                )
                for j, weighting in enumerate(self.weightings)
            }
        except Exception as error:
            raise self._broken(error) from error
        return SavedMaps((height, width), None if np.isnan(window).any() else window, maps)  # type: ignore[arg-type]

    def _read(self, number: int) -> dict[str, NDArray[np.generic]]:
        if self._chunk[0] != number:
            names = ("size", "window", "shape", *(f"maps-{j}" for j in range(len(self.weightings))))
            self._chunk = number, {name: self._archive[f"{number}/{name}"] for name in names}
        return self._chunk[1]

    def _broken(self, error: Exception) -> CamkitError:
        reason = " ".join(str(error).split()) or type(error).__name__
        return CamkitError(
            f"{self.path}: cannot be read as camkit's class maps ({reason:.120}); run with --save-maps anew"
        )
