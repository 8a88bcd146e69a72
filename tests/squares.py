"""Red and blue squares whose boxes are known, and a network that sees colours alone."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD, LABELS = 64, (0.0,) * 3, (1.0,) * 3, ["red", "blue"]
def build():
    net = nn.Sequential(nn.Conv2d(3, 3, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, False))
    net[0].weight.data = torch.eye(3).reshape(3, 3, 1, 1)
    net[3].weight.data = torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]])
    return net
"""


def random_boxes(count: int) -> list[tuple[int, int, int, int]]:
    """Boxes in 64 x 64 pixels, 12 to 29 on a side."""
    rng, boxes = np.random.default_rng(0), []
    for _ in range(count):
        x0, y0 = rng.integers(0, 30, 2).tolist()
        boxes.append((x0, y0, x0 + int(rng.integers(12, 30)), y0 + int(rng.integers(12, 30))))
    return boxes


def draw(file: Path, box: Sequence[int], label: int, size: tuple[int, int] = (64, 64)) -> None:
    """An image (height, width), black but for a box that is red (0) or blue (1)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*size, 3), np.uint8)
    x0, y0, x1, y1 = box
    pixels[y0:y1, x0:x1, 2 * label] = 255
    Image.fromarray(pixels).save(file)


def write_table(file: Path, label: str, rows: Iterable[Sequence[object]]) -> None:
    """A table of images, their classes (a number or a name) and boxes."""
    with file.open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["image", label, "x0", "y0", "x1", "y1"])
        table.writerows(rows)
