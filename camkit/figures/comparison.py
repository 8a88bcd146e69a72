"""Photographs under several recipes, a row each, as the papers show them (Rethinking CAM, Fig. 5 and 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Patch
from numpy.typing import ArrayLike

from camkit.figures.examples import Example, draw_boxes, draw_example
from camkit.figures.palette import BOXES, on_paper
from camkit.figures.panels import panels

SIDE = 1.45  # inches across a picture
LOWEST, HIGHEST = 0.5, 1.4  # of it, down one
ABOVE = 0.42  # inches for the words above a picture
LETTERS = 22  # across it
LINE = 1.4  # points of a box


@dataclass(frozen=True, eq=False)
class ComparisonRow:
    """One photograph under each recipe.

    Attributes
    ----------
    title : str
    pixels : Tensor (3, H, W), uint8
    truth : array_like (M, 4)
        ``x0, y0, x1, y1`` in these pixels; none where it is not known.
    examples : sequence of Example
        With boxes "prediction" and, where it is known, "truth".
    notes : sequence of str
        What stands above each of them.
    """

    title: str
    pixels: torch.Tensor
    truth: ArrayLike
    examples: Sequence[Example]
    notes: Sequence[str]


@on_paper
def plot_comparison(rows: Sequence[ComparisonRow], heads: Sequence[str], ax: Any = None) -> Any:
    """Draw photographs, and beside each of them its maps and boxes under the recipes.

    Parameters
    ----------
    rows : sequence of ComparisonRow
    heads : sequence of str
        What the recipes are called, above their columns; a line break stays one.
    ax : matplotlib Axes, optional
        Its place is taken; a new page by default. Returned.
    """
    sides = [SIDE * min(max(row.pixels.shape[-2] / row.pixels.shape[-1], LOWEST), HIGHEST) for row in rows]
    columns, height, width = 1 + len(heads), sum(sides) + ABOVE * len(rows) + 0.5, SIDE * (1 + len(heads)) + 0.1
    place, part, grid = panels(ax, len(rows), columns, height, width, height_ratios=sides)
    for cells, row in zip(grid, rows, strict=True):
        photograph, *maps = cells
        down, across = row.pixels.shape[-2:]
        photograph.imshow(row.pixels.permute(1, 2, 0).numpy(), extent=(0, across, down, 0))
        draw_boxes(photograph, {"truth": row.truth}, LINE)
        photograph.set_axis_off()
        photograph.set_title(_short(row.title), fontsize="small")
        for cell, example, note in zip(maps, row.examples, row.notes, strict=True):
            draw_example(cell, example, LINE)
            cell.set_title(_short(note), fontsize="small")
    for cell, head in zip(grid[0, 1:], heads, strict=True):
        lines = [fill(line, LETTERS) for line in head.split("\n")]
        cell.set_title("\n".join([*lines, cell.get_title()]), fontsize="small")
    kinds = ["truth", "prediction"] if any(np.size(row.truth) for row in rows) else ["prediction"]
    keys = [Patch(fill=False, edgecolor=BOXES[kind][0], linewidth=2, label=BOXES[kind][2]) for kind in kinds]
    part.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False, fontsize="small")
    return place


def _short(text: str) -> str:
    """Text above a picture, in two lines at most."""
    return fill(text, LETTERS, max_lines=2, placeholder=" ...")
