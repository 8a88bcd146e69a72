"""The surface against a box for each setting."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import ImageColor

from camkit import CamkitError, PercentileThreshold, Recipe
from camkit.analysis import sweep
from camkit.figures import plot_sweep
from camkit.figures.palette import FIRST, SECOND, THIRD
from camkit.metrics.iou import best_iou

THETAS, PERCENTILES = (0.0, 0.2, 0.35, 0.7, 1.0), (80.0, 90.0, 100.0)


@pytest.fixture
def images(seen):
    rng = np.random.default_rng(0)
    features = [np.kron(rng.random((2, 4, 4)), np.ones((3, 3))) for _ in range(9)]
    boxes = [[(x, y, x + 6, y + 6)] for x, y in rng.integers(0, 6, (9, 2))]
    return [seen(f, [1, -0.4], box) for f, box in zip(features, boxes, strict=True)]


def test_every_setting_alone(images):
    found = sweep(images, THETAS, PERCENTILES)
    assert len(found.table) == 2 * len(THETAS) * len(PERCENTILES)
    for row in found.table.itertuples():
        recipe = Recipe(row.weighting, PercentileThreshold(row.theta, row.percentile))
        right = 0
        for image in images:
            boxes, _ = recipe.boxes(torch.from_numpy(image.score_map(recipe))[None])
            right += float(best_iou(torch.from_numpy(boxes), image.record.boxes)[0]) >= 0.5
        assert row.gt_loc == pytest.approx(100 * right / 9)
    for weighting in ("signed", "positive"):
        its, summary = found.table[found.table["weighting"] == weighting], found.summary[weighting]
        best = its["gt_loc"].max()
        assert summary["best"].value == pytest.approx(best)
        theta, percentile = summary["best"].thresholds
        chosen = its[(its["theta"] == theta) & (its["percentile"] == percentile)]
        assert chosen["gt_loc"].item() == pytest.approx(best)
        maximum = its[its["percentile"] == 100]
        assert summary["best_with_maximum"].value == pytest.approx(maximum["gt_loc"].max())
        assert summary["max_0.2"].value == pytest.approx(maximum[maximum["theta"] == 0.2]["gt_loc"].item())
        pas = its[(its["theta"] == 0.35) & (its["percentile"] == 90)]
        assert summary["pas_0.35_90"].value == pytest.approx(pas["gt_loc"].item())
        assert summary["within_a_point"] == pytest.approx((its["gt_loc"] >= best - 1).mean())
        assert summary["best"].threshold_split == "boxes of the reported split"
        assert summary["max_0.2"].threshold_split == "fixed beforehand"


def test_without_boxes(seen):
    with pytest.raises(CamkitError, match="ground-truth boxes"):
        sweep([seen(np.ones((1, 2, 2)), [1])])


def test_figures_of_one_and_of_two_settings(images):
    found = sweep(images, THETAS, PERCENTILES)
    assert len(found.plot().figure.axes) == 1 + 3  # the place, two surfaces and their scale
    table = found.table[found.table["percentile"] == 90]
    _, ax = plot_sweep(table, "theta", by="weighting").figure.axes
    assert len(ax.get_legend().texts) == 2
    assert ax.get_ylabel() == "GT-known Loc, %"
    signed = table[table["weighting"] == "signed"].sample(frac=1, random_state=0)
    _, ax = plot_sweep(signed.assign(gt_loc_low=0.0, gt_loc_high=100.0), "theta").figure.axes
    assert ax.lines[0].get_xdata().tolist() == list(THETAS)
    assert ax.get_ylim()[1] > 100


def test_up_to_three_curves_share_a_panel_and_more_have_one_each():
    runs = [(crr, frr, 50 + crr + 10 * frr) for crr in (5, 0, 1) for frr in (0, 1, 2, 3)]
    table = pd.DataFrame(runs, columns=["weight_crr", "weight_frr", "max_box_acc_v2"])
    few = table[table["weight_frr"] < 3]
    _, ax = plot_sweep(few, "weight_crr", "max_box_acc_v2", "weight_frr", reference=52).figure.axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert drawn["weight of FRR: 0"] == [[0, 50], [1, 51], [5, 55]]
    assert drawn["weight of FRR: 2"] == [[0, 70], [1, 71], [5, 75]]
    assert [y for _, y in drawn["CAM"]] == [52, 52]
    assert ax.get_xlabel() == "weight of CRR"
    _, *panels = plot_sweep(table, "weight_crr", "max_box_acc_v2", "weight_frr", reference=52).figure.axes
    assert [ax.get_title() for ax in panels] == [f"weight of FRR: {frr}" for frr in range(4)]
    assert panels[3].lines[0].get_xydata().tolist() == [[0, 80], [1, 81], [5, 85]]


def test_styles_are_told_apart_in_grey():
    """Lightness of the printed colours, and each line, marker and hatch once."""
    styles = (FIRST, SECOND, THIRD)
    grey = sorted(np.dot(ImageColor.getrgb(style.colour), (0.299, 0.587, 0.114)) / 255 for style in styles)
    assert min(np.diff(grey)) > 0.12
    for kind in ("line", "marker", "hatch"):
        assert len({getattr(style, kind) for style in styles}) == len(styles)
