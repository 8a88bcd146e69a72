"""Draws the figures of docs/explanation/three-problems.md, from a drawn animal and photographs of scikit-image.

python docs/images/make_problems.py docs/images
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from skimage.data import chelsea, coffee

import camkit
from camkit.data.formats.shapes import Shapes
from camkit.figures import save_figure
from camkit.figures.palette import BOXES
from camkit.nn import GlobalAvgPool2d, ThresholdedAvgPool2d

HEAD, BODY = 25.0, 24.75  # the maxima of the two channels, as in the paper's Fig. 2
THETA = 0.35


def show(ax: Any, picture: Any, title: str, **how: Any) -> None:
    ax.imshow(picture, **how)
    ax.set_title(title, fontsize="small")
    ax.set_axis_off()


def box_into(ax: Any, box: Any, kind: str) -> None:
    colour, line, _ = BOXES[kind]
    x0, y0, x1, y1 = box
    ax.add_patch(
        Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linestyle=line, linewidth=2)
    )


def areas(seed: int = 3) -> Figure:
    """Two channels of nearly one maximum, the head's and the body's: what GAP and TAP make of them."""
    drawing = Shapes(1, 64, 4, seed).drawing(0)
    body = drawing.mask & ~drawing.part
    channels = torch.from_numpy(np.stack([HEAD * drawing.part, BODY * body]).astype(np.float32))
    figure = Figure(figsize=(7.2, 2.1), layout="constrained")
    axes = figure.subplots(1, 5)
    show(axes[0], drawing.image, "the image")
    show(axes[1], channels[0], f"channel 1: head\n{100 * drawing.part.mean():.0f} % of the map", vmin=0, vmax=HEAD)
    show(axes[2], channels[1], f"channel 2: body\n{100 * body.mean():.0f} % of the map", vmin=0, vmax=HEAD)
    for ax, pool, name in ((axes[3], GlobalAvgPool2d(), "GAP"), (axes[4], ThresholdedAvgPool2d(0.1), "TAP")):
        pooled = pool(channels[None]).flatten()
        weights = 1 / pooled  # both say the same in the logit
        class_map = torch.einsum("c,chw->hw", weights, channels)
        show(ax, class_map, f"class map, {name}\nweights {weights[0] / weights[1]:.1f} : 1")
        box_into(ax, drawing.box, "truth")
        box_into(ax, camkit.boxes_from_maps(class_map[None], camkit.MaxThreshold(THETA))[0], "max")
    return figure


def negative() -> Figure:
    """The parts of a class map from positive and from negative weights, of two photographs."""
    localizer = camkit.Localizer("tiny", device="cpu")
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    rows = figure.subplots(2, 4)
    with camkit.CAM(localizer.inference.classifier.model, localizer.inference.classifier.input.size) as cam:
        for axes, pixels in zip(rows, (chelsea(), coffee()), strict=True):
            image = torch.from_numpy(pixels).permute(2, 0, 1)
            features = cam.features(localizer.preprocess(image)[0][None])
            maps = {name: features.class_maps(weighting=name).maps[0, 0] for name in ("signed", "positive", "negative")}
            (found,) = localizer(pixels)
            show(axes[0], pixels, found.name)
            extent = (0, pixels.shape[1], pixels.shape[0], 0)
            peak = float(max(maps["positive"].max(), maps["negative"].abs().max()))
            for ax, (name, title) in zip(
                axes[1:],
                {"positive": "positive part", "negative": "negative part, its size", "signed": "sum: CAM"}.items(),
                strict=True,
            ):
                values = maps[name].abs() if name == "negative" else maps[name]
                show(
                    ax,
                    values,
                    title,
                    extent=extent,
                    vmin=min(0.0, float(values.min())),
                    vmax=peak,
                    interpolation="bilinear",
                )
    return figure


def main(target: Path) -> None:
    for name, figure in {"problem-areas": areas(), "problem-negative": negative()}.items():
        with (target / f"{name}.png").open("wb") as file:
            save_figure(figure, file, "png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
