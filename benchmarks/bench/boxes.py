"""Maps to boxes: at one threshold at the image's size, and at all of them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from alternate import Settings, Work

from camkit import Recipe
from camkit.boxes.tree import level_boxes
from camkit.metrics.wsol import quantise

sys.path.append(str(Path(__file__).resolve().parents[1]))
import component_tree  # beside this folder, with the evaluators' loop in OpenCV

GROUP = "Maps to boxes"
THRESHOLDS = np.arange(0, 1, 0.001)
CELLS = (14, 7)
TARGETS = {("14x14", "one"): 50, ("7x7", "one"): 40, ("one blob", "one"): 25,
           ("14x14", "all"): 35, ("7x7", "all"): 25, ("one blob", "all"): 15}  # fmt: skip


def work(settings: Settings) -> Iterator[Work]:
    cv2.setNumThreads(1)
    for size in ((400, 460), (1000, 1200)) if settings.full else ((400, 460),):
        yield one_threshold(size)
    every = score_maps(32 if settings.full else 12)
    if settings.clock == "wall":
        yield by_two(40 * every["14x14"])
    for kind, maps in every.items():
        for which, (opencv, ours) in component_tree.SIDES.items():
            what = {"one": "largest region", "all": "all contours"}[which]
            sides = {"camkit": over(ours, maps), "OpenCV, threshold by threshold": over(opencv, maps),
                     "floor: sorting the pixels": lambda maps=maps: [np.sort(one.ravel()) for one in maps]}  # fmt: skip
            yield Work(GROUP, f"{kind} map, {len(THRESHOLDS)} thresholds, {what}", sides, len(maps),
                       {"OpenCV, threshold by threshold": TARGETS[kind, which]})  # fmt: skip


def by_two(maps: list[np.ndarray]) -> Work:
    """Maps shared between two threads, enough of them that starting the threads does not count.

    The process's time says nothing here: it adds the threads' up.
    """
    grey = np.stack([quantise(one) for one in maps])
    one_thread = "floor: by one thread"
    return Work(GROUP, f"{len(maps)} 14x14 maps, largest regions at all levels, by two threads",
                {"camkit": lambda: level_boxes(grey, "border", threads=2),
                 one_thread: lambda: level_boxes(grey, "border")}, len(maps), {one_thread: 1.8})  # fmt: skip


def over(side: Callable[[np.ndarray, np.ndarray], object], maps: list[np.ndarray]) -> Callable[[], object]:
    return lambda: [side(one, THRESHOLDS) for one in maps]


def class_map(cells: int, seed: int) -> torch.Tensor:
    """A class map as networks give them: smooth noise round a bump."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, cells)] * 2, indexing="ij")
    return torch.exp(-2 * (x**2 + y**2)) + 0.2 * torch.randn(cells, cells, generator=generator)


def score_maps(n: int) -> dict[str, list[np.ndarray]]:
    """By kind, float64 of 224x224 pixels, from 0 to 1."""
    recipe = Recipe.named("cam+minmax")
    found = {f"{cells}x{cells}": [recipe.score_maps(class_map(cells, seed)[None], (224, 224))[0].double().numpy()
                                  for seed in range(n)] for cells in CELLS}  # fmt: skip
    y, x = np.mgrid[:224, :224]
    blobs = [np.exp(-(((x - 90 - 9 * k) / 50) ** 2) - ((y - 110) / 60) ** 2) for k in range(n)]
    return found | {"one blob": [(blob - blob.min()) / (blob.max() - blob.min()) for blob in blobs]}


def one_threshold(size: tuple[int, int]) -> Work:
    maps, recipe = torch.stack([class_map(7, seed) for seed in range(8)]), Recipe.named("nwc+pas")

    def camkit() -> object:
        return [recipe.boxes(recipe.score_maps(one[None], size)) for one in maps]

    def opencv() -> object:
        return [opencv_box(one.numpy(), size) for one in maps]

    sides = {"camkit": camkit, "OpenCV": opencv,
             "floor: resizing and min-max": lambda: [recipe.score_maps(one[None], size) for one in maps]}  # fmt: skip
    return Work(GROUP, f"one threshold, {size[1]}x{size[0]} pixels", sides, len(maps))


def opencv_box(class_map: np.ndarray, size: tuple[int, int]) -> tuple[int, ...]:
    """The same in OpenCV and NumPy: resize, min-max, percentile, largest component."""
    resized = cv2.resize(class_map, size[::-1], interpolation=cv2.INTER_LINEAR)
    low, high = resized.min(), resized.max()
    score = (resized - low) / (high - low)
    mask = (score > 0.35 * np.percentile(score, 90)).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    x, y, width, height, _ = stats[1 + stats[1:, cv2.CC_STAT_AREA].argmax()]
    return x, y, x + width, y + height
