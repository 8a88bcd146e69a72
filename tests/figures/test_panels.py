"""Plots go where they are told, return that, and leave nothing behind."""

import gc
import io
import weakref

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from camkit import figures
from camkit.errors import CamkitError
from camkit.localization import Failure

TABLE = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "val_gt_loc": [30.0, 40.0]})
CURVE = pd.DataFrame({"threshold": [0.1, 0.5], "iou_0.3": [90, 80], "iou_0.5": [60, 50], "iou_0.7": [20, 10]})
SURFACE = pd.DataFrame(
    [(w, p, t, p + 10 * t) for w in ("signed", "own") for p in (80, 90) for t in (0.1, 0.2)],
    columns=["weighting", "percentile", "theta", "gt_loc"],
)
MAPS = np.random.default_rng(0).normal(size=(2, 3, 4, 5))

PLOTS = {
    "training": lambda ax: figures.plot_training(TABLE, ax),
    "curve": lambda ax: figures.plot_curve(CURVE, ax),
    "surface": lambda ax: figures.plot_surface(SURFACE, ("own", 90, 0.2), ax),
    "class maps": lambda ax: figures.plot_class_maps(MAPS, [["a"] * 3] * 2, ax),
    "grid": lambda ax: figures.grid([np.zeros((4, 6, 3), np.uint8)] * 5, ax=ax),
}


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_a_plot_stays_within_the_place_of_its_axes_and_returns_it(plot):
    """Beside another: that stays white, and the plot's own place does not."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set_axis_off()
    assert plot(right) is right
    shown = io.BytesIO()
    figure.set_dpi(50)
    figure.savefig(shown, format="png", dpi=50)
    pixels = np.asarray(Image.open(shown).convert("L"))
    (own, other), high = (right.get_window_extent(), left.get_window_extent()), len(pixels)
    beside, within = (
        pixels[high - int(one.y1) : high - int(one.y0), int(one.x0) : int(one.x1) - 1] for one in (other, own)
    )
    assert beside.size > 0
    assert (beside == 255).all()
    assert (within < 128).any()


@pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)
def test_a_plot_of_its_own_is_nobodys_and_goes(plot):
    mpl.use("agg")
    from matplotlib import pyplot

    ax = plot(None)
    assert figures.as_png(ax).startswith(b"\x89PNG")
    assert pyplot.get_fignums() == []
    gone = weakref.ref(ax.figure)
    del ax
    gc.collect()
    assert gone() is None


def test_an_axes_without_a_place_in_a_grid_is_enough():
    figure = Figure()
    ax = figure.add_axes((0.5, 0.5, 0.4, 0.4))
    figures.plot_class_maps(MAPS, [["a"] * 3] * 2, ax)
    figure.draw_without_rendering()
    boxes = [panel.get_position() for panel in figure.axes[1:]]
    assert len(boxes) == 6
    corners = [panel.get_window_extent().transformed(figure.transFigure.inverted()) for panel in figure.axes[1:]]
    assert all(0.5 <= one.x0 < one.x1 <= 0.9 and 0.5 <= one.y0 < one.y1 <= 0.9 for one in corners)


def test_class_maps_say_when_they_are_more_than_a_page_bears():
    ax = figures.plot_class_maps(np.zeros((2, 20, 3, 3)), [["c"] * 20] * 2)
    assert len(ax.figure.axes) == 1 + 2 * 8
    assert "8 of 20 classes" in ax.figure.subfigs[0]._supxlabel.get_text()


def test_a_grid_shows_images_results_and_what_failed():
    red = torch.zeros(3, 4, 6, dtype=torch.uint8)
    red[0] = 255
    _, *cells = figures.grid([red, red.permute(1, 2, 0).numpy(), Failure("a.jpg", "it is no image")], 2).figure.axes
    assert len(cells) == 4
    assert all((cell.images[0].get_array() == [255, 0, 0]).all() for cell in cells[:2])
    assert "a.jpg" in cells[2].texts[0].get_text()
    for wrong in ([], [np.zeros((3, 3))], ["a.jpg"], [red] * 401):
        with pytest.raises(CamkitError):
            figures.grid(wrong)


def test_rows_of_a_comparison():
    pixels = torch.zeros(3, 40, 60, dtype=torch.uint8)
    example = figures.Example("a", pixels, np.eye(40, 60), {"truth": [[1, 2, 30, 30]], "prediction": [[0, 0, 9, 9]]})
    empty = figures.Example("a", pixels, np.eye(40, 60), {"truth": [[1, 2, 30, 30]], "prediction": [[0, 0, 0, 0]]})
    rows = [
        figures.ComparisonRow("a: cat", pixels, [[1, 2, 30, 30]], [example, empty], ["IoU 0.10", "IoU 0.00"]),
        figures.ComparisonRow("b: dog", pixels, [[1, 2, 30, 30]], [example, example], ["IoU 0.10", "IoU 0.10"]),
    ]
    ax = figures.plot_comparison(rows, ["CAM", "+ NWC"])
    _, photograph, first, second, *_ = ax.figure.axes
    drawn = [[(box.get_x(), box.get_width(), box.get_edgecolor()[:2]) for box in one.patches] for one in
             (photograph, first, second)]  # fmt: skip
    red, green = (0xE4 / 255, 0x1A / 255), (0x35 / 255, 0xD0 / 255)
    assert drawn == [[(1, 29, red)], [(1, 29, red), (0, 9, green)], [(1, 29, red)]]
    assert [one.get_title() for one in (photograph, first, second)] == ["a: cat", "CAM\nIoU 0.10", "+ NWC\nIoU 0.00"]
    legend = ax.figure.subfigs[0].legends[0]
    assert [text.get_text() for text in legend.texts] == ["ground truth", "prediction"]
