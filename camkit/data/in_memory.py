"""What a caller gives for images: names of files, pixels in memory, or a list of both."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from camkit.data.image_file import ImageFile
from camkit.data.listing import find_images
from camkit.errors import CamkitError


def given_images(images: Any) -> list[ImageFile | torch.Tensor]:
    """Files and images in memory, as one list.

    Parameters
    ----------
    images : path, glob, "@list.txt", array (H, W, 3) uint8, Tensor (3, H, W) uint8, PIL image, or a list of them

    Raises
    ------
    CamkitError
        There is no such file, or something is no image.
    """
    many = images if isinstance(images, (list, tuple)) else [images]
    named = [image for image in many if isinstance(image, (str, Path))]
    if len(named) == len(many):
        return list(find_images(named))
    return [
        one for image in many for one in (find_images(image) if isinstance(image, (str, Path)) else [as_pixels(image)])
    ]


def as_pixels(image: Any) -> torch.Tensor:
    """An image in memory as a uint8 tensor (3, H, W)."""
    pixels = image if isinstance(image, torch.Tensor) else torch.from_numpy(np.array(image))
    if not isinstance(image, torch.Tensor):
        pixels = pixels.expand(3, -1, -1) if pixels.ndim == 2 else pixels.movedim(-1, 0)
    if pixels.ndim != 3 or len(pixels) != 3 or pixels.dtype != torch.uint8:
        raise CamkitError(
            f"an image of shape {tuple(pixels.shape)} and type {pixels.dtype}: give uint8 (H, W, 3) arrays, "
            "uint8 (3, H, W) tensors, PIL images in RGB, or paths"
        )
    return pixels
