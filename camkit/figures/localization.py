"""The picture of one result: the image, the score map as heat, the box."""

from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from camkit.errors import CamkitError

HEAT = "inferno"
BOX = "#ffd60a"  # yellow, as the papers draw boxes from the percentile threshold
LARGEST = 4_000_000  # pixels of a picture; a larger image is drawn smaller, so that memory has a bound
STRENGTH = 0.65  # of the heat where the map is highest; where it is lowest the image shows through unchanged

Box = tuple[int, int, int, int]


def heat(pixels: torch.Tensor | None, score_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image with the score map laid over it, (H, W, 3).

    Parameters
    ----------
    pixels : Tensor (3, H, W), uint8
    score_map : ndarray (H, W)
        Any range: the colours span it.
    """
    if pixels is None:
        raise CamkitError("the image's pixels were not kept: localize with keep_image=True to draw it")
    low, high = float(score_map.min()), float(score_map.max())
    share = (score_map - low) / ((high - low) or 1.0)
    colours = mpl.colormaps[HEAT](share)[..., :3] * 255
    alpha = STRENGTH * share[..., None]
    blended: NDArray[np.uint8] = (
        ((1 - alpha) * pixels.permute(1, 2, 0).numpy() + alpha * colours).round().astype(np.uint8)
    )
    return blended


def overlay(pixels: torch.Tensor | None, score_map: NDArray[np.float32], box: Box, title: str) -> torch.Tensor:
    """The image under its heat, with box and title drawn in, (3, H, W), uint8.

    The title stands in the picture's upper left corner, its letters a sixteenth of the shorter side. An empty box is
    left out.
    """
    picture = Image.fromarray(heat(pixels, score_map))
    draw = ImageDraw.Draw(picture)
    title = "".join(character if character.isprintable() else "\ufffd" for character in title)
    line = max(1, round(min(picture.size) / 100))
    x0, y0, x1, y1 = box
    if x1 > x0:
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline="black", width=line + 2 * (line > 1))
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=BOX, width=line)
    size = min(picture.size) / 16
    if size >= 6:
        font = ImageFont.load_default(size)
        draw.rectangle((0, 0, draw.textlength(title, font) + size * 0.6, size * 1.5), fill="black")
        draw.text((size * 0.3, size * 0.1), title, fill="white", font=font)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)


def picture_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the picture of an image: its own, up to `LARGEST` pixels."""
    height, width = size
    share = min(1.0, (LARGEST / (height * width)) ** 0.5)
    return max(1, int(height * share)), max(1, int(width * share))


def plot_localization(
    pixels: torch.Tensor | None, score_map: NDArray[np.float32], box: Box, title: str, ax: Any = None
) -> Any:
    """Draw image, heat and box into a matplotlib Axes, a new one where none is given, and return it."""
    if ax is None:
        ax = Figure(layout="constrained").subplots()
    ax.imshow(heat(pixels, score_map), extent=(0, score_map.shape[1], score_map.shape[0], 0))
    x0, y0, x1, y1 = box
    if x1 > x0:
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=BOX, linewidth=2))
    ax.set_title(title)
    ax.set_axis_off()
    return ax
