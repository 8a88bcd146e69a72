"""Boxes and contours one threshold at a time with OpenCV, as evaluators without a component tree find them."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from scipy import ndimage


def contours_above(grey: np.ndarray, level: int) -> list[np.ndarray]:
    _, mask = cv2.threshold(grey, level, 255, cv2.THRESH_BINARY)
    return list(cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)[-2])


def box_of(contour: np.ndarray) -> tuple[int, int, int, int]:
    x, y, width, height = cv2.boundingRect(contour)
    return x, y, x + width, y + height


def largest_by_border(grey: np.ndarray, level: int) -> tuple[int, int, int, int]:
    contours = contours_above(grey, level)
    return box_of(max(contours, key=cv2.contourArea)) if contours else (0, 0, 0, 0)


def largest_by_pixels(grey: np.ndarray, level: int) -> tuple[int, int, int, int]:
    mask = (grey > level).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if len(stats) == 1:
        return 0, 0, 0, 0
    first_pixels = np.unique(labels[labels > 0], return_index=True)[1]
    largest = np.lexsort((first_pixels, -stats[1:, cv2.CC_STAT_AREA]))[0]
    x, y, width, height, _ = stats[1 + largest].tolist()
    return x, y, x + width, y + height


def inclusive(a: Sequence[int], b: Sequence[int]) -> float:
    """IoU of two boxes whose far corners are the last pixels inside."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]) + 1)
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]) + 1)
    area = sum((c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b))
    return width * height / (area - width * height)


def all_contours(grey: np.ndarray, level: int) -> list[tuple[int, int, int, int]]:
    return [box_of(contour) for contour in contours_above(grey, level)]


def _resized(cells: int, interpolation: int, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(rng.random((cells, cells)), size[::-1], interpolation=interpolation)


def _blob(cells: int, interpolation: int, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """One object on a weak background: what the class maps of a trained network look like."""
    y, x = np.mgrid[:cells, :cells] - rng.uniform(0.2, 0.8, (2, 1, 1)) * cells
    cells_map = np.exp(-(x**2 + y**2) / (2 * (cells * rng.uniform(0.1, 0.3)) ** 2)) + 0.15 * rng.random((cells, cells))
    return cv2.resize(cells_map, size[::-1], interpolation=interpolation)


def _noise(scale: float, rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return ndimage.gaussian_filter(rng.random(size), scale)


def _plateaus(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return np.round(_noise(rng.choice([1, 3, 9]), rng, size) * rng.choice([9, 40]))


def _rings(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Rings of any width inside each other and beside each other, some one pixel wide, some with a tail."""
    y, x = np.mgrid[: size[0], : size[1]]
    score_map = np.zeros(size)
    for _ in range(rng.integers(1, 8)):
        cy, cx = rng.integers(0, size)
        reach = np.maximum(abs(y - cy), abs(x - cx)) if rng.random() < 0.5 else abs(y - cy) + abs(x - cx)
        inner = rng.integers(0, 20)
        score_map[(reach >= inner) & (reach <= inner + rng.choice([0, 0, 1, 5]))] += rng.integers(1, 6)
        score_map[cy, cx : cx + rng.integers(0, 30)] += rng.integers(0, 3)
    return score_map


def _single_pixels(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    score_map = np.zeros(size)
    places = rng.integers(0, size, (rng.integers(1, 40), 2))
    score_map[tuple(places.T)] = rng.integers(1, 5, len(places))
    return score_map


KINDS = {
    "7x7 bilinear": lambda *to: _resized(7, cv2.INTER_LINEAR, *to),
    "7x7 bicubic": lambda *to: _resized(7, cv2.INTER_CUBIC, *to),
    "14x14 bilinear": lambda *to: _resized(14, cv2.INTER_LINEAR, *to),
    "14x14 bicubic": lambda *to: _resized(14, cv2.INTER_CUBIC, *to),
    "7x7 one blob": lambda *to: _blob(7, cv2.INTER_CUBIC, *to),
    "14x14 one blob": lambda *to: _blob(14, cv2.INTER_CUBIC, *to),
    "noise, sigma 0": lambda *to: _noise(0, *to),
    "noise, sigma 1": lambda *to: _noise(1, *to),
    "noise, sigma 3": lambda *to: _noise(3, *to),
    "noise, sigma 10": lambda *to: _noise(10, *to),
    "plateaus": _plateaus,
    "rings": _rings,
    "single pixels": _single_pixels,
    "constant": lambda rng, size: np.full(size, rng.random()),
}


def quantize(score_map: np.ndarray) -> np.ndarray:
    """Min-max normalised in float64, then 8 bits, truncated; a constant map gives zeros."""
    low, high = float(score_map.min()), float(score_map.max())
    if low == high:
        return np.zeros(score_map.shape, np.uint8)
    return ((score_map - low) / (high - low) * 255).astype(np.uint8)


def score_maps(n: int, size: tuple[int, int], seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """`n` maps with their kinds in turn."""
    rng = np.random.default_rng(seed)
    kinds = list(KINDS)
    for i in range(n):
        kind = kinds[i % len(kinds)]
        yield kind, KINDS[kind](rng, size)
