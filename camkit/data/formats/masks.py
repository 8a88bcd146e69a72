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

    @property
    def files(self) -> tuple[Read, ...]:
        """All that it reads."""
        return self.instances if self.ignore is None else (*self.instances, self.ignore)

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


@dataclass(frozen=True)
class MaskValues:
    """Reads the mask of one image when it is called, from a PNG whose values are numbers of classes.

    Parameters
    ----------
    read : Read
    objects : int
        The object's number.
    ignored : int
        The number of pixels that do not count.
    known : sequence of int
        All numbers that there may be; empty where any may.
    pairs : bool
        Whether a number is red + 256 * green; else it is the one channel's value, or a palette's index.

    Raises
    ------
    UnreadableImage
        The file is missing or no such PNG, holds a number that is none of those known, or no pixel of the object.
    """

    read: Read
    objects: int
    ignored: int
    known: tuple[int, ...] = ()
    pairs: bool = False

    @property
    def files(self) -> tuple[Read, ...]:
        """All that it reads."""
        return (self.read,)

    def __call__(self) -> tuple[Mask, Mask]:
        numbers = _numbers(self.read, pairs=self.pairs)
        strange = set(np.unique(numbers).tolist()) - set(self.known) if self.known else set()
        if strange:
            raise UnreadableImage(f"the mask {self.read} holds {min(strange)}, which is none of {self.known}; fetch it "
                                  "again")  # fmt: skip
        mask: Mask = numbers == self.objects
        if not mask.any():
            raise UnreadableImage(
                f"the mask {self.read} has no pixel of {self.objects}, its image's own class; mend it"
            )
        return mask, numbers == self.ignored


def _numbers(read: Read, *, pairs: bool) -> NDArray[np.int64]:
    encoded = read()
    try:
        with Image.open(BytesIO(encoded), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}")
            if pairs:
                if image.mode not in ("RGB", "RGBA"):
                    raise ValueError(f"its pixels are {image.mode}, not red, green and blue")
                pixels = np.asarray(image).astype(np.int64)
                return np.asarray(pixels[..., 0] + 256 * pixels[..., 1])
            if image.mode not in ("1", "L", "P"):
                raise ValueError(f"its pixels are {image.mode}, not one number each")
            return np.asarray(image).astype(np.int64)
    except Exception as error:  # PIL raises nearly every type on a broken file
        raise UnreadableImage(f"cannot read the mask {read}: {' '.join(str(error).split())}") from None
