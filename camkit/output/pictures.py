"""What is drawn for an image: its overlays and its maps."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from torchvision.transforms.functional import to_pil_image

from camkit.localization import Localization
from camkit.output.files import whole


def picture_files(result: Sequence[Localization], *, overlays: bool, maps: bool) -> list[str]:
    """The files that `draw` writes, relative to the run's folder."""
    ranks = [f".{found.rank}" for found in result] if len(result) > 1 else [""]
    pictures = [_beside("overlays", result[0].image, f"{rank}.png") for rank in ranks] if overlays else []
    return pictures + ([_beside("maps", result[0].image, ".npy")] if maps else [])


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


def _beside(folder: str, image: str, suffix: str) -> str:
    parts = [part for part in image.split("/") if part not in ("", ".", "..")]
    return "/".join([folder, *parts[:-1], parts[-1] + suffix])
