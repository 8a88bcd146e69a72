"""Peaks that coincide or do not, counted by hand."""

import numpy as np
import pytest
import torch

from camkit.analysis import overlap
from camkit.analysis.overlap import scattered, top_regions


def points(*places, size=(4, 5)):
    features = np.zeros((len(places), *size))
    for channel, (y, x) in zip(features, places, strict=True):
        channel[y, x] = 1
    return features


def test_three_of_four_channels_at_one_place(seen):
    features = points((1, 2), (1, 2), (1, 2), (3, 0))
    found = overlap([seen(features, [1, 1, 1, -1], [(2, 1, 3, 2)])])
    row = found.table.iloc[0]
    assert row["channels"] == 4
    assert row["peak"] == 0.75
    assert row["even"] == pytest.approx(4 / 4 / 20)
    assert row["peak_inside"] == 1
    assert found.summary["over_even"].value == pytest.approx(0.75 / 0.05)
    grid = found.series["map"].pivot(index="y", columns="x", values="overlap").to_numpy()
    assert grid[1, 2] == 0.75
    assert grid[3, 0] == 0.25
    assert grid.sum() == pytest.approx(1)


def test_the_peak_outside_the_box_and_channels_that_are_silent(seen):
    features = points((0, 0), (0, 0), (3, 4))
    features[2] = 0
    row = overlap([seen(features, [1, 1, 1], [(2, 1, 3, 2)])]).table.iloc[0]
    assert (row["channels"], row["peak"], row["peak_inside"]) == (2, 1, 0)
    silent = overlap([seen(np.zeros((2, 3, 3)), [1, 1])])
    assert silent.notes == ("in 1 of 1 images no channel fires",)
    assert silent.plot().figure.axes[1:]


def test_regions_are_those_above_a_share_of_each_channels_maximum():
    features = np.array([[[1.0, 0.81, 0.79, 0.0]], [[10.0, 8.0, 8.5, 0.0]]])
    regions = top_regions(torch.from_numpy(features), 0.8)
    assert regions[:, 0].tolist() == [[True, True, False, False], [True, False, True, False]]


def test_scattering_moves_regions_and_keeps_them():
    rng = np.random.default_rng(0)
    regions = rng.random((50, 6, 7)) > 0.8
    moved = scattered(regions, rng)
    assert (moved.sum((1, 2)) == regions.sum((1, 2))).all()
    shifts = [(dy, dx) for dy in range(6) for dx in range(7)]
    for before, after in zip(regions, moved, strict=True):
        assert any((np.roll(before, shift, (0, 1)) == after).all() for shift in shifts)


def test_by_chance_regions_coincide_less(seen):
    features = points(*[(2, 2)] * 40, size=(7, 7))
    row = overlap([seen(features, [1] * 40)]).table.iloc[0]
    assert row["peak"] == 1
    assert row["peak_by_chance"] < 0.3


def test_the_map_is_the_mean_over_images(seen):
    first, second = seen(points((0, 0)), [1]), seen(points((0, 0), (1, 1)), [1, 1])
    grid = overlap([first, second]).series["map"].pivot(index="y", columns="x", values="overlap").to_numpy()
    assert (grid[0, 0], grid[1, 1]) == (0.75, 0.25)
    curve = overlap([first]).series["curve"]
    measured = curve[curve["regions"] == "measured"]
    assert measured["middle"].iloc[0] == 1
    assert measured["middle"].iloc[-1] == 0
