"""What is drawn for an image: its overlays and its maps, and how their files are called.

A picture is a PNG, or a JPEG. That of an image of the same kind has the image's own name: ``camera.png``. Every other
image's is the image's name with more behind it, ``camera.jpg.png``, so that no two images of a run have one picture,
and no name depends on which others there are.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
import simplejpeg
from PIL import Image

from camkit.data.file_names import SUFFIXES
from camkit.localization import Localization
from camkit.output.files import whole
from camkit.output.map_shards import npy_header, stack_of
from camkit.worker_threads import THREADS, worker_threads

T = TypeVar("T")
OTHER = ".image"  # of files whose suffix says nothing
QUALITY = 90  # of JPEG
LONGEST_JPEG = 40_000  # pixels of the image: JPEG holds 65,535, and there are words above and below
ENDINGS: dict[str, str] = {"png": ".png", "jpeg": ".jpg"}


@dataclass(frozen=True)
class OverlayOptions:
    """How overlays are drawn.

    Attributes
    ----------
    format : "png" or "jpeg"
    side : int or None
        Pixels of the longer side of the image, at most.
    """

    format: str = "png"
    side: int | None = None

    def encoded(self, found: Localization) -> bytes:
        """The picture's file."""
        jpeg = self.format == "jpeg"
        side = min(self.side or LONGEST_JPEG, LONGEST_JPEG) if jpeg else self.side
        picture = found.overlay(side).permute(1, 2, 0).contiguous().numpy()
        if jpeg:
            return bytes(simplejpeg.encode_jpeg(picture, QUALITY, "RGB", "444"))
        file = BytesIO()  # PIL says nothing of use when it fails to write to a disk itself
        Image.fromarray(picture).save(file, "PNG", compress_level=1)
        return file.getvalue()


PNG = OverlayOptions()


def picture_files(
    result: Sequence[Localization], *, overlays: bool, maps: bool, masks: bool = False, options: OverlayOptions = PNG
) -> list[str]:
    """The files that `draw` writes, relative to the run's folder."""
    image, several = result[0].image, len(result) > 1
    ending = ENDINGS[options.format]
    names = [picture_name(image, found.rank if several else None, ending) for found in result] if overlays else []
    names = [_inside("overlays", name) for name in names] + [
        name for found in result if masks for name in [mask_file(found, several=several)]
    ]
    return names + ([map_file(image)] if maps else [])


def mask_file(found: Localization, *, several: bool) -> str:
    """The file of a result's mask, relative to the run's folder; of `several` classes of an image with its rank."""
    return _inside("masks", picture_name(found.image, found.rank if several else None))


def map_file(image: str) -> str:
    """The file of an image's score maps, relative to the run's folder."""
    return _inside("maps", f"{image}.npy")


def picture_name(image: str, rank: int | None = None, ending: str = ".png") -> str:
    """The name of an image's picture: ``a.png`` of a.png, ``a.jpg.png`` of a.jpg, ``a.1.png`` of a.png's first class.

    As JPEG, with the ending ``.jpg``, it is ``a.jpg`` of a.jpg and ``a.png.jpg`` of a.png.

    Two images have two names. A PNG whose name might be that of another image's picture, ``a.jpg.png``, is treated as
    the others are, and an image without a suffix of images, ``a``, gets ``a.image.png``: ``a.png`` is that of a.png.
    """
    stem, suffix = os.path.splitext(image)
    inner = os.path.splitext(stem)[1]
    if suffix.lower() not in SUFFIXES:
        stem = f"{image}{OTHER}"
    elif suffix != ending or inner.lower() in SUFFIXES or inner == OTHER:
        stem = image
    return f"{stem}{ending}" if rank is None else f"{stem}.{rank}{ending}"


def draw(
    folder: Path,
    result: Sequence[Localization],
    *,
    overlays: bool,
    maps: bool,
    masks: bool = False,
    options: OverlayOptions = PNG,
    encoded: Sequence["Future[bytes]"] = (),
) -> None:
    """Write an image's overlays, a picture a result, and its score maps, a float32 array (H, W) or (K, H, W).

    `encoded` has the overlays' files, one a result, where they were begun before; see `drawn_ahead`.

    Raises
    ------
    OSError
        With the file's name: the disk is full, or no file can be named after the image.
    MemoryError
    """
    names = picture_files(result, overlays=overlays, maps=maps, options=options)
    if overlays:
        pictures = [one.result() for one in encoded] or [options.encoded(found) for found in result]
        for name, picture in zip(names, pictures, strict=False):
            with whole(folder / name, "wb") as file:
                file.write(picture)
    for found in result if masks else ():
        file = BytesIO()
        Image.fromarray(found.masks().any(0).astype(np.uint8) * 255).save(file, "PNG", compress_level=1)
        with whole(folder / mask_file(found, several=len(result) > 1), "wb") as target:
            target.write(file.getbuffer())
    if maps:
        stack = stack_of(result)
        with whole(folder / map_file(result[0].image), "wb") as file:
            file.write(npy_header(stack))
            file.write(np.ascontiguousarray(stack).data)


def drawn_ahead(
    results: Iterable[tuple[T, list[Localization]]],
    options: OverlayOptions,
    draws: Callable[[str], bool],
    threads: int = THREADS,
) -> Generator[tuple[T, list[Localization], list["Future[bytes]"]], None, None]:
    """Results of images in their order, whose overlays threads draw meanwhile.

    Parameters
    ----------
    results : iterable of (anything, list of Localization)
    options : OverlayOptions
    draws : callable
        Whether an image of that name has overlays.
    threads : int
        A result waits for at most eight others a thread.
    """
    waiting: deque[tuple[T, list[Localization], list[Future[bytes]]]] = deque()
    with worker_threads(threads) as pool:
        try:
            for what, found in results:
                drawn = [pool.submit(options.encoded, one) for one in found if draws(one.image)]
                waiting.append((what, found, drawn))
                if len(waiting) > 8 * threads:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _inside(folder: str, name: str) -> str:
    return "/".join([folder, *(part for part in name.split("/") if part not in ("", ".", ".."))])
