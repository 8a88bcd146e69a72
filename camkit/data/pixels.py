"""What Pillow decodes, in whatever mode, as 8-bit RGB."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from camkit.data.refusal import Refused

RGB = NDArray[np.uint8]

# Pixels that are converted at a time, so that a large image is never in memory four times over.
STRIP = 1 << 20
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # TIFF 6.0
WHITE_IS_ZERO, SIGNED = 0, 2


def to_rgb(image: Image.Image) -> RGB:
    """Loaded pixels as RGB (H, W, 3), over white where they are transparent.

    Raises
    ------
    Refused
        Nothing says which value is white, or Pillow knows no way from the mode to RGB.
    """
    convert = _conversion(image)
    width, height = image.size
    if width * height <= STRIP:
        return convert(image)
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        out[top:bottom] = convert(image.crop((0, top, width, bottom)))
    return out


def inks_to_rgb(inks: NDArray[np.uint8]) -> RGB:
    """Four inks (H, W, 4) as JPEG files have them, 255 for none of it (Adobe's way, which all others follow)."""
    height, width, _ = inks.shape
    out = np.empty((height, width, 3), np.uint8)
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = Image.fromarray(255 - inks[top : top + rows], "CMYK")
        out[top : top + rows] = np.asarray(strip.convert("RGB"))
    return out


def _conversion(image: Image.Image) -> Callable[[Image.Image], RGB]:
    tags = getattr(image, "tag_v2", {})
    if _first(tags.get(SAMPLE_FORMAT)) == SIGNED:
        raise Refused("its pixels are signed numbers, so none is known to be white; save it as 16-bit, unsigned")
    if image.mode == "F":
        raise Refused("its pixels are floating-point numbers, so none is known to be white; save it as 16-bit")
    if image.mode == "I" or image.mode.startswith("I;"):
        bits = _first(tags.get(BITS_PER_SAMPLE)) or 16
        if bits > 16:
            raise Refused(f"its pixels have {bits} bits, so none is known to be white; save it as 16-bit")
        inverted = bool(tags) and _first(tags.get(PHOTOMETRIC)) == WHITE_IS_ZERO
        return lambda strip: _grey((1 << bits) - 1, inverted, strip)
    return _colours


def _grey(white: int, inverted: bool, image: Image.Image) -> RGB:
    grey = np.asarray(image).astype(np.int64)
    if grey.min() < 0 or grey.max() > white:
        raise Refused("its grey values exceed 16 bits, so none is known to be white; save it as 16-bit")
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey[grey == clear] = white
    if inverted:
        grey = white - grey
    eight = ((255 * grey + white // 2) // white).astype(np.uint8)
    return np.repeat(eight[..., None], 3, axis=2)


def _colours(image: Image.Image) -> RGB:
    try:
        if image.has_transparency_data:
            image = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))
    except ValueError as error:  # LAB, say
        raise Refused(f"{error}; save it as RGB") from None


def _first(value: object) -> int | None:
    """A tag's value, which is a number or several of them."""
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None
