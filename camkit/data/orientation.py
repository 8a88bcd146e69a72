"""Which way an image is up: the orientation in its EXIF block (Exif 2.32, tag 0x0112) or among its TIFF tags."""

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange width and height
UPRIGHT = 1
_FLIPPED: dict[int, tuple[int, ...]] = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1, which is upright, where nothing or nonsense is said."""
    try:
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    except Exception:  # a broken EXIF block says nothing, and the pixels are fine
        return UPRIGHT
    return orientation if 1 <= orientation <= 8 else UPRIGHT


def turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Stored pixels (H, W, C), upright; a view."""
    if orientation in SIDEWAYS:
        pixels = pixels.swapaxes(0, 1)
    return np.flip(pixels, _FLIPPED[orientation]) if orientation in _FLIPPED else pixels


def turned_back(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Upright pixels (H, W, C) as they are stored; a view."""
    return turned(pixels, {6: 8, 8: 6}.get(orientation, orientation))
