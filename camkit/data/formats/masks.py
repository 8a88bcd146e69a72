"""Masks in image files: the object's pixels, and those that do not count."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camkit.data.images import MAX_PIXELS
from camkit.data.sources import Read
from camkit.errors import UnreadableImage

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MaskFiles:
    """Reads the masks of one image when it is called, at the masks' own size.

    Parameters
    ----------
    instances : tuple of Read
        PNG files of one size, one an object; the mask is their union.
    ignore : Read or None
        The region that does not count, unless it is an object's.
    above : int
        A pixel is the object's where its grey value exceeds this.

    Raises
    ------
    UnreadableImage
        A file is missing or no PNG, or two of them differ in size.
    """

    instances: tuple[Read, ...]
    ignore: Read | None = None
    above: int = 0

    def __call__(self) -> tuple[Mask, Mask]:
        mask = self._load(self.instances[0])
        for read in self.instances[1:]:
            mask = mask | self._load(read, mask.shape)
        if self.ignore is None:
            return mask, np.zeros_like(mask)
        return mask, self._load(self.ignore, mask.shape) & ~mask

    def _load(self, read: Read, shape: tuple[int, ...] | None = None) -> Mask:
        encoded = read()
        try:
            with Image.open(BytesIO(encoded), formats=("PNG",)) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}")
                mask: Mask = np.asarray(image.convert("L")) > self.above
        except Exception as error:  # PIL raises nearly every type on a broken file
            raise UnreadableImage(f"cannot read the mask {read}: {' '.join(str(error).split())}") from None
        if shape not in (None, mask.shape):
            raise UnreadableImage(f"the mask {read} is {mask.shape}, and another of the same image {shape}")
        return mask
