"""Slopes of exact power laws, and shares that can be counted."""

import numpy as np
import pytest
import torch

from camkit import MaxThreshold, PercentileThreshold, Recipe
from camkit.analysis import zipf
from camkit.analysis.zipf import slope_of
from camkit.boxes import boxes_from_maps

RAW = Recipe("signed", normalization="none")


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.5])
def test_slope_of_an_exact_power_law(seen, exponent):
    rng = np.random.default_rng(0)
    values = np.arange(1, 401.0) ** -exponent
    features = rng.permutation(values).reshape(1, 20, 20)
    found = zipf([seen(features, [1])], recipe=RAW)
    assert found.table["slope"][0] == pytest.approx(-exponent, abs=1e-4)
    assert found.table["fit"][0] == pytest.approx(1, abs=1e-6)
    assert found.summary["slope"].value == found.summary["slope_median"].value == found.table["slope"][0]


def test_slope_against_a_line_fitted_by_numpy():
    values = np.sort(np.random.default_rng(3).random(500))[::-1] + 0.2
    ranks = np.unique(np.geomspace(1, 500, 60).round().astype(int))
    slope, _ = np.polyfit(np.log(ranks), np.log(values[ranks - 1]), 1)
    found = slope_of(values)
    assert found["slope"] == pytest.approx(slope)
    assert found["fit"] == pytest.approx(np.corrcoef(np.log(ranks), np.log(values[ranks - 1]))[0, 1] ** 2)


def test_shares_by_hand(seen):
    """Ten columns from 10 down to 1, in tenths of the maximum; min-max takes them to 1, 8/9, ..., 0."""
    features = np.tile(np.arange(10.0, 0, -1), (1, 4, 1))
    found = zipf([seen(features, [2.0], [(0, 0, 7, 4)])], theta=0.35)
    row = found.table.iloc[0]
    assert row["share_max"] == 6 / 10  # 4/9 is above 0.35, 3/9 is not
    percentile = np.percentile(np.repeat(np.arange(10) / 9, 4), 90)
    assert row["percentile_over_max"] == pytest.approx(percentile)
    assert row["share_percentile"] == sum(value / 9 > 0.35 * percentile for value in range(10)) / 10
    assert row["iou_max"] == 6 / 7
    assert found.summary["gain"].value == 100 * (int(row["iou_percentile"] >= 0.5) - 1)


def test_summary_recomputed_the_slow_way(seen):
    rng = np.random.default_rng(5)
    images = [seen(rng.random((1, 6, 6)) ** power, [1], [(0, 0, 6, 3)], image=f"{power}.png") for power in range(1, 10)]
    found = zipf(images)
    table = found.table
    assert (table["slope"].diff().dropna() > 0).all()  # the most concentrated first
    for standard, rule in (("max", MaxThreshold(0.35)), ("percentile", PercentileThreshold())):
        shares = []
        for name in table["image"]:
            image = next(i for i in images if i.record.image == name)
            score_map = image.score_map(Recipe("signed"))
            shares.append((score_map > rule(score_map)).sum() / 36)
            box = boxes_from_maps(score_map, rule)
            x0, y0, x1, y1 = box
            inside = (x1 - x0) * max(0, min(y1, 3) - y0)
            iou = inside / ((x1 - x0) * (y1 - y0) + 18 - inside)
            assert table.set_index("image").loc[name, f"iou_{standard}"] == pytest.approx(iou)
        assert table[f"share_{standard}"].tolist() == pytest.approx(shares)
        assert found.summary[f"share_{standard}"].value == pytest.approx(np.mean(shares))
        assert found.summary[f"spread_{standard}"].value == pytest.approx(np.std(shares))
        assert found.summary[f"share_{standard}_concentrated"].value == pytest.approx(np.mean(shares[:2]))
        assert found.summary[f"share_{standard}_level"].value == pytest.approx(np.mean(shares[-2:]))


def test_curves_hold_the_sorted_values(seen):
    features = np.arange(100.0, -1, -1).reshape(1, 101, 1)
    curves = zipf([seen(features, [1])]).series["curves"]
    by_max = curves[curves["standard"] == "max"]
    assert by_max["middle"].to_numpy() == pytest.approx(np.linspace(1, 0, 101))
    by_percentile = curves[curves["standard"] == "percentile"]
    assert by_percentile["middle"].to_numpy() == pytest.approx(np.linspace(1, 0, 101) / 0.9)


def test_without_boxes_and_with_a_constant_map(seen):
    pixels = torch.zeros(3, 6, 6, dtype=torch.uint8)
    bare = seen(np.random.default_rng(0).random((1, 6, 6)), [1], pixels=pixels)
    flat = seen(np.ones((1, 6, 6)), [1], image="flat.png", pixels=pixels)
    found = zipf([bare, flat])
    assert np.isnan(found.table["iou_max"]).all()
    assert "gain" not in found.summary
    assert found.table["constant"].tolist() == [False, True]
    assert found.notes == ("1 of 2 class maps are constant, and count in no figure",)
    assert found.summary["share_max"].n == 1
    assert found.summary["examples"] == ["a.png"]
    assert found.plot().figure.axes[1:]
    only = zipf([flat])
    assert "slope" not in only.summary
    assert only.plot().figure.axes[1:]
