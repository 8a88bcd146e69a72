"""Image files as upright 8-bit RGB: one decoder for JPEG, Pillow for all else, and a reason for what neither reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile

from camkit.data.jpeg import decode_jpeg
from camkit.data.large import alone
from camkit.data.orientation import SIDEWAYS, UPRIGHT, orientation_of, turned, turned_back
from camkit.data.pillow import kind_of, load, one_at_a_time, opened, reason_of
from camkit.data.pixels import inks_to_rgb, to_rgb
from camkit.data.png import essential
from camkit.data.refusal import Damaged, Refused
from camkit.data.sources import read_file
from camkit.errors import UnreadableImage, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 100_000_000
# No file of so many pixels is larger: 8 bytes a pixel for 16-bit RGBA, the rest for comments and previews.
BYTES_A_PIXEL, BYTES_BESIDE = 8, 1 << 26

Truncated = Literal["fail", "fill"]


class Decoded(NamedTuple):
    """An image, and what is wrong with it.

    Attributes
    ----------
    pixels : Tensor (3, H, W), uint8
        Not always contiguous.
    damage : str or None
        Why some of the pixels are made up; None where all are the image's.
    """

    pixels: "Tensor"
    damage: str | None


def read_image(
    source: str | Path | bytes,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
    upright: bool = True,
    truncated: Truncated = "fail",
) -> "Tensor":
    """Read an image as a person sees it: the first frame, upright, in 8-bit RGB.

    EXIF orientation is applied; 16-bit grey is scaled by 255/65535 and rounded, 16-bit colours keep their upper 8 bits;
    transparent pixels are composited over white; other colour spaces are converted by Pillow, without colour profiles.

    Parameters
    ----------
    source : str, Path or bytes
        The file, or the bytes of one.
    max_pixels : int
        Images with more pixels than this are refused before they are decoded.
    name : str, optional
        What messages call the image; by default the path.
    upright : bool
        Apply the orientation. Public data sets annotate the pixels as they are stored, whatever EXIF says.
    truncated : {"fail", "fill"}
        What to do with an image whose data are cut or broken behind a header that can be read: refuse it, or give what
        image viewers show of it, with the missing pixels grey or black. `load_image` tells which images those are.

    Returns
    -------
    Tensor (3, H, W), uint8
        Not always contiguous.

    Raises
    ------
    UnreadableImage
        The file is missing, not allowed to be read, no image, damaged, or too large for `max_pixels` or the memory.
    """
    return load_image(source, max_pixels, name, upright, truncated).pixels


def load_image(
    source: str | Path | bytes,
    max_pixels: int = MAX_PIXELS,
    name: str | None = None,
    upright: bool = True,
    truncated: Truncated = "fail",
) -> Decoded:
    """As `read_image`, and say whether the image is damaged."""
    shown = repr(name or ("<bytes>" if isinstance(source, bytes) else str(source)))
    try:
        most = BYTES_BESIDE + BYTES_A_PIXEL * max_pixels
        encoded = source if isinstance(source, bytes) else read_file(source, most)
        return _decoded(encoded, max_pixels, upright, truncated)
    except Refused as refusal:
        reason = str(refusal)
    except Exception as error:  # Pillow raises nearly every type on a broken file
        short = is_out_of_memory(error)
        reason = "not enough memory; leave it out" if short else f"{reason_of(error)}; replace the file or leave it out"
    raise UnreadableImage(f"cannot read {shown}: {reason}")


def read_size(encoded: bytes, name: str, upright: bool = True) -> tuple[int, int]:
    """Height and width of an image that `read_image` would give, from the file's header alone.

    Raises
    ------
    UnreadableImage
        As `read_image`; what is broken behind the header is not seen.
    """
    try:
        kind = kind_of(encoded)
        if kind == "PNG":
            encoded, _ = essential(encoded)
        with one_at_a_time():
            header = _header(opened(encoded, kind), kind)
    except Exception as error:  # Pillow raises nearly every type on a broken file
        raise UnreadableImage(f"cannot read {name!r}: {reason_of(error)}") from None
    height, width = header.size
    return (width, height) if upright and header.orientation in SIDEWAYS else (height, width)


class _Header(NamedTuple):
    size: tuple[int, int]  # height and width, as stored
    orientation: int


def _header(image: ImageFile, kind: str) -> _Header:
    if kind == "TIFF":  # whose size Pillow gives as stored or upright, by its version
        width, height = (int(image.tag_v2[tag]) for tag in (256, 257))  # type: ignore[attr-defined]
        return _Header((height, width), orientation_of(image))
    # asked for an orientation that is not in the header, Pillow would read all of a PNG
    absent = kind == "PNG" and "exif" not in image.info
    return _Header((image.height, image.width), UPRIGHT if absent else orientation_of(image))


def _decoded(encoded: bytes, max_pixels: int, upright: bool, truncated: Truncated) -> Decoded:
    import torch  # noqa: PLC0415 - names and sizes of images are known without it

    kind, damage = kind_of(encoded), None
    if kind == "PNG":
        encoded, damage = essential(encoded)
    with one_at_a_time():
        image = opened(encoded, kind)
        header = _header(image, kind)
    height, width = header.size
    if width * height > max_pixels:
        raise Refused(
            f"{width} x {height} pixels are more than the {max_pixels} allowed; --max-pixels {width * height} admits it"
        )
    try:
        with alone(width * height):
            if damage is None:
                try:
                    pixels = _pixels(encoded, image, kind, header, upright)
                except Damaged as error:
                    damage = str(error)
            if damage is not None:
                if truncated == "fail":
                    raise Refused(
                        f"damaged: {damage}; replace the file, or give --truncated fill for what is left of it"
                    )
                pixels = _filled(encoded, image, kind, header, upright, damage)
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise Refused(f"its {width} x {height} pixels do not fit into memory; leave it out") from None
        raise
    return Decoded(torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1), damage)


def _pixels(
    encoded: bytes, image: ImageFile, kind: str, header: _Header, upright: bool, *, fill: bool = False
) -> NDArray[np.uint8]:
    if kind == "JPEG":
        count, scans = image.width * image.height, "progressive" in image.info
        stored = decode_jpeg(encoded, image.mode, count, progressive=scans, fill=fill)
        if stored is not None:
            pixels = inks_to_rgb(stored) if image.mode == "CMYK" else stored
            return turned(pixels, header.orientation) if upright else pixels
    with one_at_a_time(fill=fill):
        load(image)
        pixels = to_rgb(image)
    if kind == "TIFF":  # which Pillow has turned already
        return pixels if upright else turned_back(pixels, header.orientation)
    return turned(pixels, header.orientation) if upright else pixels


def _filled(
    encoded: bytes, image: ImageFile, kind: str, header: _Header, upright: bool, damage: str
) -> NDArray[np.uint8]:
    """What image viewers show of a damaged image; the pixels that are not there are grey or black."""
    with one_at_a_time(fill=True):
        image = opened(encoded, kind)
    try:
        return _pixels(encoded, image, kind, header, upright, fill=True)
    except Damaged:
        raise Refused(f"damaged: {damage}; nothing is left of it: replace the file or leave it out") from None
