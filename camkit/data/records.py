"""What every reader gives: one record an image, whatever the format on disk."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


def no_boxes() -> NDArray[np.float64]:
    return np.zeros((0, 4))


@dataclass(frozen=True, eq=False)
class Record:
    """One annotated image.

    Attributes
    ----------
    image : str
        Identifier: the path below the data set's root, with forward slashes.
    read : callable
        Gives the bytes of the encoded image (a file, a member of an archive, a drawing).
    label : int or None
        The class, None where the format has none.
    boxes : ndarray (M, 4), float64
        Ground truth ``x0, y0, x1, y1`` in pixels of the original image, half open, 0-based.
    size : tuple of int or None
        Height and width as the annotation states them, None where it does not.
    read_mask : callable or None
        Gives (mask, ignore): bool arrays (H, W) of the object and of the pixels that do not count.
    """

    image: str
    read: Callable[[], bytes]
    label: int | None = None
    boxes: NDArray[np.float64] = field(default_factory=no_boxes)
    size: tuple[int, int] | None = None
    read_mask: Callable[[], tuple[NDArray[np.bool_], NDArray[np.bool_]]] | None = None

    @property
    def mask_files(self) -> tuple[Callable[[], bytes], ...]:
        """Readers of the files that the mask is in; none where the annotations hold it, or it is drawn."""
        return tuple(getattr(self.read_mask, "files", ()))

    @property
    def written_mask(self) -> Any:
        """The mask as the annotations hold it, None where they do not."""
        return getattr(self.read_mask, "written", None)

    def __repr__(self) -> str:
        masked = "" if self.read_mask is None else ", with a mask"
        return f"Record({self.image!r:.120}, label {self.label}, {len(self.boxes)} boxes{masked})"
