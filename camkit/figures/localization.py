"""One result in a matplotlib Axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from camkit.figures.heat import heat
from camkit.figures.overlay import BOX, Box
from camkit.figures.panels import one_panel


def plot_localization(
    pixels: torch.Tensor | None,
    score_map: NDArray[np.float32],
    boxes: Sequence[Box],
    title: str,
    tau: float,
    ax: Any = None,
) -> Any:
    """Draw image, heat, contour at tau and boxes into matplotlib Axes, by default new ones, and return them."""
    ax = one_panel(ax, 6.4, 4.8)
    height, width = score_map.shape
    extent = (0, width, height, 0)
    ax.imshow(heat(pixels, score_map), extent=extent)
    if score_map.min() <= tau < score_map.max() and min(score_map.shape) > 1:
        ax.contour(score_map, [tau], colors="white", linewidths=1, extent=extent, origin="upper")
    for x0, y0, x1, y1 in boxes:
        if x1 <= x0:
            continue
        ax.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=BOX, linewidth=2))
    ax.set_title(title)
    ax.set_axis_off()
    return ax
