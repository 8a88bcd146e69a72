"""Sizes and normalisations as people write them, to numbers; `TypeError` or `ValueError` for anything else."""

import math
import operator
from typing import Any


def pixels(value: Any) -> int:
    """A whole number above 0."""
    number = operator.index(value)
    if number < 1:
        raise ValueError(value)
    return number


def height_width(value: Any) -> tuple[int, int]:
    """Two whole numbers above 0, or one for both."""
    if hasattr(value, "__index__"):
        return pixels(value), pixels(value)
    height, width = value
    return pixels(height), pixels(width)


def triple(value: Any) -> tuple[float, float, float]:
    """One finite number a channel of an RGB image; a single one stands for all three, as grey models have it."""
    numbers = [float(number) for number in ([value] if isinstance(value, int | float) else value)]
    red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    if not math.isfinite(red + green + blue):
        raise ValueError(value)
    return red, green, blue


def positive_triple(value: Any) -> tuple[float, float, float]:
    """One number above 0 a channel."""
    numbers = triple(value)
    if not min(numbers) > 0:
        raise ValueError(value)
    return numbers
