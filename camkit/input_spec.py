"""What a classifier wants to be shown: sizes and normalisation, as numbers."""

import math
import numbers
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace

from camkit.errors import CamkitError

USUAL = "0.485,0.456,0.406"
LEVELS = 255  # of 8-bit pixels, which some code normalises with means such as 123.675
INTERPOLATIONS = ("bilinear", "bicubic")


@dataclass(frozen=True)
class InputSpec:
    """The preprocessing that belongs to a model's weights.

    Attributes
    ----------
    size : tuple of int
        Height and width of the input, in pixels.
    resize : int, or tuple of int
        Length of the short side before the centre crop of `size` (torchvision's ``resize_size``), in pixels; or height
        and width, whatever the image's shape, where the network was shown images that were squashed first.
    mean, std : tuple of float
        Per channel, or one for all, of an RGB image in [0, 1]: ``(x - mean) / std``. Both are of numbers in [0, 1], so
        that none can be above 1.
    interpolation : str
        "bilinear" or "bicubic"; how the image is resized, antialiased.

    Raises
    ------
    CamkitError
        A value cannot be.
    """

    size: tuple[int, int] = (224, 224)
    resize: int | tuple[int, int] = 256
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        height, width = _several("size", self.size, (2,), "height and width, such as (224, 224)")
        checked = {
            "size": (_pixels("size", height), _pixels("size", width)),
            "resize": _resize(self.resize),
            "mean": _channels("mean", self.mean),
            "std": _channels("std", self.std),
        }
        for name, value in checked.items():  # lists as tuples, NumPy's numbers as Python's
            object.__setattr__(self, name, value)
        if self.interpolation not in INTERPOLATIONS:
            raise CamkitError(f"interpolation {self.interpolation!r:.80} is unknown: use bilinear or bicubic")

    def at(self, size: tuple[int, int]) -> "InputSpec":
        """The same for inputs of another size: `resize` keeps its proportion to it."""
        if isinstance(self.resize, int):
            return replace(self, size=size, resize=round(min(size) * self.resize / min(self.size)))
        height, width = (round(new * side / old) for new, side, old in zip(size, self.resize, self.size, strict=True))
        return replace(self, size=size, resize=(height, width))


def _several(name: str, value: object, counts: tuple[int, ...], wanted: str) -> Sequence[object]:
    try:
        values: list[object] = list(value)  # type: ignore[call-overload]
    except TypeError:
        values = []
    if len(values) not in counts or isinstance(value, str):
        raise CamkitError(f"{name} {value!r:.80}: give {wanted}")
    return values


def _resize(value: object) -> int | tuple[int, int]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        height, width = _several("resize", value, (2,), "pixels of the short side, or height and width")
        return _pixels("resize", height), _pixels("resize", width)
    return _pixels("resize", value)


def _pixels(name: str, value: object) -> int:
    try:
        pixels = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        pixels = 0
    if pixels < 1 or isinstance(value, bool):
        raise CamkitError(f"{name} {value!r:.80}: give pixels, a whole number above 0")
    return pixels


def _channels(name: str, value: object) -> tuple[float, float, float]:
    """A mean or standard deviation of RGB in [0, 1]; a single number stands for all three, as grey models have it."""
    wanted = f"three numbers, one a channel of RGB, such as {USUAL}, or one for all"
    alone = isinstance(value, numbers.Real) and not isinstance(value, bool)
    given = [value] if alone else _several(name, value, (1, 3), wanted)
    try:
        channels = [float(number) for number in given]  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        channels = [math.nan]
    shown = ",".join(f"{number:g}" for number in channels)
    if not all(map(math.isfinite, channels)):
        raise CamkitError(f"{name} {value!r:.80}: give three numbers, such as {USUAL}")
    above = name == "std"
    if not all((number > 0 if above else number >= 0) and number <= 1 for number in channels):
        told = ""
        if all(1 < number <= LEVELS for number in channels):
            scaled = ",".join(f"{number / LEVELS:.3f}" for number in channels)
            told = f"; if it is of pixels from 0 to 255, divide it by 255: {scaled}"
        between = "above 0 and at most 1" if above else "from 0 to 1"
        raise CamkitError(f"{name} {shown}: it is of RGB in [0, 1], so that each number is {between}{told}")
    red, green, blue = channels * 3 if len(channels) == 1 else channels
    return red, green, blue
