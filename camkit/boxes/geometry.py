"""Boxes and windows in pixels of an image: ``x0, y0, x1, y1``, half open, (0, 0) the image's upper left corner.

Pixel ``x`` covers the interval ``[x, x + 1)`` and has its centre at ``x + 0.5``.
"""

import math

import numpy as np
from numpy.typing import NDArray

from camkit.errors import CamkitError

Window = tuple[float, float, float, float]


def box_of(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The smallest box round the true pixels of a mask.

    Parameters
    ----------
    mask : ndarray (H, W), bool

    Returns
    -------
    ndarray (4,), int64
        ``x0, y0, x1, y1``, half open: one pixel has ``x1 = x0 + 1``. ``0, 0, 0, 0``, empty, where no pixel is true.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return np.zeros(4, np.int64)
    columns = np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.int64)


def pixels_inside(window: Window, size: tuple[int, int]) -> tuple[slice, slice]:
    """Those pixels of an image whose centres lie in a window.

    Parameters
    ----------
    window : tuple of float
        ``x0, y0, x1, y1``, half open, in pixels of the image; it may reach beyond the image.
    size : tuple of int
        The image's height and width.

    Returns
    -------
    tuple of slice
        Rows and columns.

    Raises
    ------
    CamkitError
        No pixel's centre lies in the window.
    """
    (x0, y0, x1, y1), (height, width) = window, size
    rows = slice(max(math.ceil(y0 - 0.5), 0), min(math.ceil(y1 - 0.5), height))
    columns = slice(max(math.ceil(x0 - 0.5), 0), min(math.ceil(x1 - 0.5), width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise CamkitError(
            f"the window {window} holds no pixel's centre of an image of {height}x{width} pixels (height x width): "
            "show the model the whole image (fit: stretch or keep)"
        )
    return rows, columns
