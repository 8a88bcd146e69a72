"""Pillow without what is global about it: its limit on pixels, its leniency, its warnings, and what libtiff prints."""

import logging
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from io import BytesIO
from tempfile import TemporaryFile

from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from camkit.data.refusal import Damaged, Refused

# What is decoded, by its first bytes. A closed list, because some of Pillow's other decoders run programs (EPS).
KINDS: dict[str, tuple[type[ImageFile.ImageFile], tuple[bytes, ...]]] = {
    "JPEG": (JpegImageFile, (b"\xff\xd8\xff",)),
    "PNG": (PngImageFile, (b"\x89PNG\r\n\x1a\n",)),
    "BMP": (BmpImageFile, (b"BM",)),
    "GIF": (GifImageFile, (b"GIF87a", b"GIF89a")),
    "WEBP": (WebPImageFile, (b"RIFF",)),
    "TIFF": (TiffImageFile, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    "PPM": (PpmImageFile, (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"Pf")),
}

# What Pillow logs of a broken file it also raises; without a handler Python would print it.
logging.getLogger("PIL").addHandler(logging.NullHandler())
_lock = threading.Lock()


@contextmanager
def one_at_a_time(*, fill: bool = False) -> Iterator[None]:
    """No limit of Pillow's own on pixels, no warnings on the screen; what is global is put back afterwards.

    Parameters
    ----------
    fill : bool
        Decode what there is of a damaged image. Only in this thread: another one may be reading a mask.
    """
    with _lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        limit, lenient = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS = None
        ImageFile.LOAD_TRUNCATED_IMAGES = _InThisThread() if fill else False  # type: ignore[assignment]
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limit, lenient


def kind_of(encoded: bytes) -> str:
    """Which of `KINDS` a file is; `Refused` where it is none."""
    for kind, (_, signatures) in KINDS.items():
        if encoded.startswith(signatures) and (kind != "WEBP" or encoded[8:12] == b"WEBP"):
            return kind
    what = f"not an image of a known kind ({', '.join(KINDS)})" if encoded else "the file is empty"
    raise Refused(f"{what}; replace the file or leave it out")


def opened(encoded: bytes, kind: str) -> ImageFile.ImageFile:
    """An image whose header is read, and no more."""
    return KINDS[kind][0](BytesIO(encoded))


def load(image: ImageFile.ImageFile) -> None:
    """Decode the pixels; `Damaged` says why that cannot be done."""
    by_libtiff = getattr(image, "use_load_libtiff", False)
    listening: AbstractContextManager[list[str]] = _errors_printed() if by_libtiff else nullcontext([])
    try:
        with listening as printed:
            image.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises nearly every type on a broken file
        raise Damaged(printed[0] if printed else reason_of(error)) from None
    if printed and not ImageFile.LOAD_TRUNCATED_IMAGES:
        raise Damaged(printed[0])


def reason_of(error: Exception) -> str:
    """An error in one line."""
    if str(error) == "unknown pixel mode":
        return "it is a TIFF whose kind of pixels Pillow does not know; save it as 8-bit RGB"
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def _errors_printed() -> Iterator[list[str]]:
    """What libtiff prints meanwhile, which says better than Pillow what is wrong, and does not belong on the screen."""
    printed: list[str] = []
    try:
        screen = os.dup(2)
    except OSError:  # there is none
        yield printed
        return
    with TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield printed
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            file.seek(0)
            printed += [" ".join(line.split()) for line in file.read().decode(errors="replace").splitlines()]


class _InThisThread:
    """True in the thread that made it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def __bool__(self) -> bool:
        return threading.get_ident() == self.thread
