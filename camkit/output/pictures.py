"""What is drawn for an image: its overlays and its maps, and how their files are called.

A PNG's picture has the PNG's own name: ``camera.png``. Every other image's is the image's name with more behind it,
``camera.jpg.png``, so that no two images of a run have one picture, and no name depends on which others there are.
"""

import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from torchvision.transforms.functional import to_pil_image

from camkit.data.images import SUFFIXES
from camkit.localization import Localization
from camkit.output.files import whole

OTHER = ".image"  # of files whose suffix says nothing


def picture_files(result: Sequence[Localization], *, overlays: bool, maps: bool) -> list[str]:
    """The files that `draw` writes, relative to the run's folder."""
    image, several = result[0].image, len(result) > 1
    names = [picture_name(image, found.rank if several else None) for found in result] if overlays else []
    return [_inside("overlays", name) for name in names] + ([map_file(image)] if maps else [])


def map_file(image: str) -> str:
    """The file of an image's score maps, relative to the run's folder."""
    return _inside("maps", f"{image}.npy")


def picture_name(image: str, rank: int | None = None) -> str:
    """The name of an image's picture: ``a.png`` of a.png, ``a.jpg.png`` of a.jpg, ``a.1.png`` of a.png's first class.

    Two images have two names. A PNG whose name might be that of another image's picture, ``a.jpg.png``, is treated as
    the others are, and an image without a suffix of images, ``a``, gets ``a.image.png``: ``a.png`` is that of a.png.
    """
    stem, suffix = os.path.splitext(image)
    inner = os.path.splitext(stem)[1]
    if suffix.lower() not in SUFFIXES:
        stem = f"{image}{OTHER}"
    elif suffix != ".png" or inner.lower() in SUFFIXES or inner == OTHER:
        stem = image
    return f"{stem}.png" if rank is None else f"{stem}.{rank}.png"


def draw(folder: Path, result: Sequence[Localization], *, overlays: bool, maps: bool) -> None:
    """Write an image's overlays, a PNG a result, and its score maps, a float32 array (H, W), or (K, H, W) of several.

    Raises
    ------
    OSError
        With the file's name: the disk is full, or no file can be named after the image.
    MemoryError
    """
    names = picture_files(result, overlays=overlays, maps=maps)
    for found, name in zip(result, names, strict=False) if overlays else ():
        encoded = BytesIO()  # PIL says nothing of use when it fails to write to a disk itself
        to_pil_image(found.overlay()).save(encoded, "PNG", compress_level=3)
        with whole(folder / name, "wb") as file:
            file.write(encoded.getbuffer())
    if maps:
        stack = np.stack([found.map for found in result]) if len(result) > 1 else result[0].map
        with whole(folder / names[-1], "wb") as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(stack))
            file.write(np.ascontiguousarray(stack).data)


def _inside(folder: str, name: str) -> str:
    return "/".join([folder, *(part for part in name.split("/") if part not in ("", ".", ".."))])
