"""What is drawn for an image: its overlays, masks and maps, and how their files are called.

A PNG's picture has the PNG's own name: ``camera.png``. Every other image's is the image's name with more behind it,
``camera.jpg.png``, so that no two images of a run have one picture, and no name depends on which others there are.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from camkit.data.images import SUFFIXES
from camkit.localization import Localization
from camkit.output.files import whole

OTHER = ".image"  # of files whose suffix says nothing


@dataclass(frozen=True)
class Pictures:
    """What is drawn for each image: overlays, score maps, masks."""

    overlays: bool = True
    maps: bool = False
    masks: bool = False


def picture_files(result: Sequence[Localization], wanted: Pictures) -> list[str]:
    """The files that `draw` writes, relative to the run's folder."""
    image = result[0].image
    names = [name for found in result for name in _names(found, wanted, several=len(result) > 1).values()]
    return names + ([map_file(image)] if wanted.maps else [])


def _names(found: Localization, wanted: Pictures, *, several: bool) -> dict[str, str]:
    """The files of one result by what is in them."""
    name = picture_name(found.image, found.rank if several else None)
    kinds = [kind for kind in ("overlays", "masks") if getattr(wanted, kind)]
    return {kind: _inside(kind, name) for kind in kinds}


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


def draw(folder: Path, result: Sequence[Localization], wanted: Pictures) -> None:
    """Write an image's overlays and masks, a PNG a result, and its score maps, float32 (H, W), or (K, H, W) of several.

    A mask is grey, of the image's size: 255 in the regions of the class, 0 elsewhere.

    Raises
    ------
    OSError
        With the file's name: the disk is full, or no file can be named after the image.
    MemoryError
    """
    for found in result:
        for kind, name in _names(found, wanted, several=len(result) > 1).items():
            picture = to_pil_image(found.overlay()) if kind == "overlays" else _mask(found)
            encoded = BytesIO()  # PIL says nothing of use when it fails to write to a disk itself
            picture.save(encoded, "PNG", compress_level=3)
            with whole(folder / name, "wb") as file:
                file.write(encoded.getbuffer())
    if wanted.maps:
        stack = np.stack([found.map for found in result]) if len(result) > 1 else result[0].map
        with whole(folder / map_file(result[0].image), "wb") as file:
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(stack))
            file.write(np.ascontiguousarray(stack).data)


def _mask(found: Localization) -> Image.Image:
    return Image.fromarray(found.masks().any(0).astype(np.uint8) * 255)


def _inside(folder: str, name: str) -> str:
    return "/".join([folder, *(part for part in name.split("/") if part not in ("", ".", ".."))])
