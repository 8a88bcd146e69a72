"""One image with its map as heat and its boxes, as the papers show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
import torch
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from camkit.figures.heat import heat
from camkit.figures.palette import BOXES


@dataclass(frozen=True, eq=False)
class Example:
    """An image chosen for a figure.

    Attributes
    ----------
    image : str
        Its name.
    pixels : Tensor (3, H, W), uint8
    score_map : ndarray (H, W)
    boxes : mapping from a name in `BOXES` to array_like (M, 4)
        ``x0, y0, x1, y1``, half open; an empty box is not drawn.
    values : ndarray or None
        The map's values, the highest first, where a figure shows how they fall off.
    """

    image: str
    pixels: torch.Tensor
    score_map: NDArray[np.float64]
    boxes: Mapping[str, ArrayLike]
    values: NDArray[np.float64] | None = None


def draw_example(ax: Any, example: Example, width: float = 2.0) -> None:
    """Image, heat and boxes into a matplotlib Axes; boxes carry labels for a legend."""
    down, across = example.score_map.shape
    ax.imshow(heat(example.pixels, example.score_map.astype(np.float32)), extent=(0, across, down, 0))
    draw_boxes(ax, example.boxes, width)
    ax.set_axis_off()


def draw_boxes(ax: Any, boxes: Mapping[str, ArrayLike], width: float = 2.0) -> None:
    """Boxes into a matplotlib Axes, as `BOXES` has their kinds, with lines of so many points."""
    for name, its in boxes.items():
        colour, line, label = BOXES[name]
        for x0, y0, x1, y1 in np.asarray(its, float).reshape(-1, 4):
            if x1 > x0:
                style: dict[str, Any] = {"edgecolor": colour, "linestyle": line, "linewidth": width}
                frame = Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, **style)
                frame.set_path_effects([effects.withStroke(linewidth=1.75 * width, foreground="black")])
                frame.set_label(label)
                ax.add_patch(frame)
                label = "_nolegend_"
