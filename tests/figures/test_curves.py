"""Accuracy over thresholds: many recipes on one page."""

import warnings

import pandas as pd

from camkit.figures import plot_curves
from camkit.figures.palette import as_png


def curves(recipes: dict[str, float]) -> pd.DataFrame:
    rows = [(recipe, at / 10, best, best / 2, best / 4) for recipe, best in recipes.items() for at in range(11)]
    return pd.DataFrame(rows, columns=["recipe", "threshold", "iou_0.3", "iou_0.5", "iou_0.7"])


def test_a_grid_of_weightings_and_thresholds_has_a_line_and_a_name_a_weighting() -> None:
    weightings = [f"weighting {k}" for k in range(14)]
    grid = {f"{name}+{cut}": 40.0 + k for k, name in enumerate(weightings) for cut in ("max", "minmax", "pas", "ivr")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib says where the names leave the panels no room
        drawn = plot_curves(curves(grid))
        as_png(drawn)
    panels = drawn.figure.axes
    assert [len(panel.lines) for panel in panels[-3:]] == [14] * 3
    assert len({line.get_color() for line in panels[-1].lines}) == 14
    assert [text.get_text() for text in panels[-1].get_legend().get_texts()] == weightings


def test_recipes_of_one_curve_are_named_together() -> None:
    drawn = plot_curves(curves({"cam": 60.0, "pas": 60.0, "nwc+pas": 70.0}))
    names = [
        text.get_text() for panel in drawn.figure.axes if panel.get_legend() for text in panel.get_legend().get_texts()
    ]
    assert names == ["cam, pas", "nwc+pas"]
