"""Class maps to score maps: resized to the image's pixels, then normalised."""

from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from camkit.boxes.geometry import Window, pixels_inside
from camkit.errors import CamkitError

Interpolation = Literal["bilinear", "bicubic"]
Normalization = Literal["minmax", "none"]

# Of a map's magnitude: a smaller span is what sums leave of a constant map, and would be blown up to 0..1.
NOISE = {torch.float64: 1e-12}
NOISE_FLOAT32 = 1e-5


def resize_maps(
    maps: torch.Tensor,
    size: tuple[int, int],
    window: Window | None = None,
    interpolation: Interpolation = "bilinear",
) -> torch.Tensor:
    """Class maps sampled at the centres of an image's pixels (half-pixel centres, ``align_corners=False``).

    Parameters
    ----------
    maps : Tensor (..., h, w), floating point
    size : tuple of int
        The image's height and width in pixels.
    window : tuple of float, optional
        ``x0, y0, x1, y1``, in pixels of the image: the rectangle that the maps cover, where it is not the whole
        image. The numbers need not be integers, and the rectangle may reach beyond the image.
    interpolation : "bilinear" or "bicubic"

    Returns
    -------
    Tensor
        (..., H, W) without a window, what `torch.nn.functional.interpolate` gives; with one, the part of that shape
        that `camkit.boxes.geometry.pixels_inside` names. Same dtype and device as `maps`.

    Raises
    ------
    CamkitError
        An unknown interpolation, an empty map, or a window that holds no pixel.

    Examples
    --------
    >>> resize_maps(torch.tensor([[0.0, 4.0]]), (1, 4)).tolist()
    [[0.0, 1.0, 3.0, 4.0]]
    """
    _check_choice("interpolation", interpolation, Interpolation)
    if maps.ndim < 2 or maps.numel() == 0 or min(size) < 1:
        raise CamkitError(
            f"cannot resize class maps of shape {tuple(maps.shape)} to {size}: give (..., h, w), none of them 0"
        )
    if window is None:
        stack = maps.reshape(1, -1, *maps.shape[-2:])
        resized = F.interpolate(stack, size=size, mode=interpolation, align_corners=False)
        return resized.reshape(*maps.shape[:-2], *size)
    rows, columns = pixels_inside(window, size)
    x0, y0, x1, y1 = window
    down = _sampling(rows, y0, y1, maps.shape[-2], interpolation)
    across = _sampling(columns, x0, x1, maps.shape[-1], interpolation)
    return torch.from_numpy(down).to(maps) @ maps @ torch.from_numpy(across.T).to(maps)


def normalize_maps(maps: torch.Tensor, normalization: Normalization = "minmax") -> torch.Tensor:
    """Score maps on a common scale.

    Parameters
    ----------
    maps : Tensor (..., H, W)
    normalization : "minmax" or "none"
        "minmax": each map by itself, ``(M - min) / (max - min)``, as the papers' published code does; a constant map
        (`is_constant`) gives zeros. The gradient goes through minimum and maximum; that of a constant map is zero.
        "none": the map as it is, as the equations are printed.

    Returns
    -------
    Tensor (..., H, W)
        float64 for float64 maps, else float32.

    Raises
    ------
    CamkitError
        A map with NaN or infinite values, or an unknown normalization.

    Examples
    --------
    >>> normalize_maps(torch.tensor([[-1.0, 1.0], [3.0, 1.0]])).tolist()
    [[0.0, 0.5], [1.0, 0.5]]
    """
    _check_choice("normalization", normalization, Normalization)
    maps = maps if maps.dtype == torch.float64 else maps.float()
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    span = high - low
    # NaN passes through amin and amax, and an infinity on either side leaves no finite span.
    if not span.isfinite().all():
        index = int((~span.isfinite()).flatten().nonzero()[0])
        raise CamkitError(
            f"class map {index} (of {span.numel()}) holds NaN or infinite values: "
            "look for them in the weights and the image, or compute in fp32"
        )
    return maps if normalization == "none" else stretched(maps)


def stretched(maps: torch.Tensor) -> torch.Tensor:
    """Maps (..., H, W), each by itself from 0 to 1: `normalize_maps`, where NaN stays that map's NaN."""
    low, high, constant = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True), is_constant(maps)
    if not (maps.requires_grad or constant.any()):
        return (maps - low).div_(high - low)
    return torch.where(constant, 0.0, (maps - low) / torch.where(constant, 1.0, high - low))  # 0 / 0 has no gradient


def is_constant(maps: torch.Tensor) -> torch.Tensor:
    """Which maps (..., H, W) say nothing of any place, (..., 1, 1), bool.

    Those whose span, between minimum and maximum, is at most what rounding leaves of a constant map: 1e-5 of its
    magnitude, 1e-12 in float64.
    """
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return (high - low) <= NOISE.get(maps.dtype, NOISE_FLOAT32) * torch.maximum(low.abs(), high.abs())


def _sampling(
    pixels: slice, start: float, stop: float, length: int, interpolation: Interpolation
) -> NDArray[np.float64]:
    """(pixels, length): each pixel's value as a weighted sum of the `length` cells that cover start..stop."""
    centres = np.arange(pixels.start, pixels.stop) + 0.5
    cells = (centres - start) * (length / (stop - start)) - 0.5
    left = np.floor(cells).astype(np.int64)
    weights = np.zeros((len(cells), length))
    kernel, taps = (_triangle, (0, 1)) if interpolation == "bilinear" else (_keys, (-1, 0, 1, 2))
    for tap in taps:  # beyond the border the outermost cell goes on
        weights[np.arange(len(cells)), np.clip(left + tap, 0, length - 1)] += kernel(np.abs(cells - left - tap))
    return weights


def _triangle(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 - distance


def _keys(distance: NDArray[np.float64], a: float = -0.75) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel on [0, 2], with the slope that torch and OpenCV use."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)


def _check_choice(what: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise CamkitError(f"{what} is {value!r}: give one of {', '.join(get_args(choices))}")
