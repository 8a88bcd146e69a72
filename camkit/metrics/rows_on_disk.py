"""Rows of numbers in a temporary file: what a measure keeps of images, however many they are."""

from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class RowsOnDisk:
    """Rows of one shape and type, in the order in which they were added; the file goes with its process.

    Parameters
    ----------
    dtype : dtype
        May be structured.
    shape : tuple of int
        Of one row.
    """

    def __init__(self, dtype: DTypeLike, shape: tuple[int, ...] = ()) -> None:
        self.dtype, self.shape, self._count = np.dtype(dtype), shape, 0
        self._file = TemporaryFile()  # noqa: SIM115 - open as long as its rows are wanted

    def append(self, rows: NDArray[np.generic]) -> None:
        """Add rows (N, ...)."""
        self._file.write(np.ascontiguousarray(rows, self.dtype).tobytes())
        self._count += len(rows)

    def __len__(self) -> int:
        return self._count

    def array(self) -> NDArray[Any]:
        """All rows (n, ...), mapped from the file: what is looked at is read, and no more of it is held than fits."""
        self._file.flush()
        shape = (self._count, *self.shape)
        return (
            np.memmap(self._file, self.dtype, "c", shape=shape)
            if self._count and self.dtype.itemsize
            else np.empty(shape, self.dtype)
        )
