"""A score map as heat over its image."""

from functools import cache
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray
from PIL import Image

# Inferno rises evenly in lightness. Its ends are left out: at the upper one it is nearly white, and so are photographs.
FIRST, LAST = 0.05, 0.82
# How much of the picture is heat. The same everywhere: the image is dimmed where the map is low, so that bright parts
# of it do not pass for high ones, in a grey print neither.
STRENGTH = 0.6
LEVELS = 256


@cache
def palette() -> Any:
    """The colours of a map from its minimum to its maximum, as a matplotlib colormap."""
    colours = mpl.colormaps["inferno"](np.linspace(FIRST, LAST, LEVELS))
    return LinearSegmentedColormap.from_list("heat", colours, LEVELS)


@cache
def colours() -> NDArray[np.uint8]:
    """The palette, (256, 3)."""
    shades: NDArray[np.uint8] = palette()(np.arange(LEVELS), bytes=True)[:, :3]
    return shades


def share_of(value: float, score_map: NDArray[np.float32]) -> float:
    """Where a value lies between a map's minimum (0) and its maximum (1); NaN in a map that has but one value."""
    low, high = float(score_map.min()), float(score_map.max())
    return (value - low) / (high - low) if high > low else float("nan")


def heat(pixels: torch.Tensor | None, score_map: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image with the score map laid over it, (H, W, 3).

    Parameters
    ----------
    pixels : Tensor (3, H, W), uint8, or None
        Without them the colours alone.
    score_map : ndarray (H, W)
        Any range: the colours span it.
    """
    low, high = float(score_map.min()), float(score_map.max())
    level = ((score_map - low) * ((LEVELS - 1) / ((high - low) or 1.0)) + 0.5).astype(np.uint8)
    if pixels is None:
        return colours()[level]
    glow = Image.fromarray(level)
    glow.putpalette(colours().tobytes())
    photograph = Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()))
    return np.array(Image.blend(photograph, glow.convert("RGB"), STRENGTH))
