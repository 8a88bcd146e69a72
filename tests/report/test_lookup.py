"""What the page holds of a map gives the library's box at every stop of the sliders."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.boxes import THRESHOLDS, Threshold, boxes_at_taus, boxes_from_maps
from camkit.boxes.tree import level_boxes
from camkit.metrics.wsol import quantise
from camkit.recipe import RECIPES, Recipe
from camkit.report.lookup import decode, drawn, lookup_of, lookup_of_levels
from camkit.report.rules import pair_of, sliders_for

SLIDERS = sliders_for([*RECIPES.values(), Recipe("signed", Threshold(0.123, "p7", "p93")), None])


def a_map(seed, size=(23, 31)):
    class_map = torch.rand(5, 6, generator=torch.Generator().manual_seed(seed))
    return Recipe().score_maps(class_map[None], size)[0].numpy()


def every_stop(rule):
    return [(p, pair) for p, pair in zip(rule.percentiles or (None,), rule.levels, strict=True)]


@pytest.mark.parametrize("seed", [0, 1])
def test_every_stop_of_every_rule(seed):
    score_map = a_map(seed)
    held = decode(lookup_of(score_map, SLIDERS).as_json())
    place = {level: i for i, level in enumerate(SLIDERS.levels)}
    for rule in SLIDERS.rules:
        for percentile, (lo, hi) in every_stop(rule):
            taus = [held.values[place[lo]] + theta * (held.values[place[hi]] - held.values[place[lo]])
                    for theta in SLIDERS.thetas]  # fmt: skip
            own = [THRESHOLDS[rule.name](theta, percentile) if rule.name in THRESHOLDS else Threshold(theta, lo, hi)
                   for theta in SLIDERS.thetas]  # fmt: skip
            assert taus == [float(threshold(score_map)) for threshold in own]
            assert held.at(taus).tolist() == boxes_at_taus(score_map, taus).tolist()


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(0, 100), st.integers(0, 20))
def test_a_stop_is_labelling_the_map(seed, theta, stop):
    score_map = a_map(seed, (14, 17))
    held = decode(lookup_of(score_map, SLIDERS).as_json())
    rule = next(rule for rule in SLIDERS.rules if rule.name == "pas")
    threshold = THRESHOLDS["pas"](theta / 100, rule.percentiles[stop])
    assert held.at(threshold(score_map)).tolist() == boxes_from_maps(score_map, threshold).tolist()


def test_a_map_of_one_value_and_one_below_zero():
    for score_map in (np.zeros((4, 5), np.float32), np.full((4, 5), -2.0), -a_map(3)):
        held = decode(lookup_of(score_map, SLIDERS).as_json())
        for rule in ("max", "minmax", "pas"):
            for theta in (0.0, 0.35, 1.0):
                threshold = THRESHOLDS[rule](theta, None)
                assert held.at(threshold(score_map)).tolist() == boxes_from_maps(score_map, threshold).tolist()


def test_float64_maps_keep_their_digits():
    score_map = a_map(4).astype(np.float64) / 3
    held = lookup_of(score_map, SLIDERS)
    assert not held.as_json()["single"]
    taus = np.linspace(0, 1 / 3, 50)
    stops = SLIDERS.taus(held.values)
    assert decode(held.as_json()).at(stops[::7]).tolist() == boxes_at_taus(score_map, stops[::7]).tolist()
    assert held.at(taus).shape == (50, 4)


def test_the_part_of_an_image_that_was_shown_is_moved_into_place():
    score_map = a_map(5)
    here, there = (decode(lookup_of(score_map, SLIDERS, offset).as_json()) for offset in ((0, 0), (40, 9)))
    assert (there.at(0.5) - here.at(0.5)).tolist() == [40, 9, 40, 9]
    assert there.at(2.0).tolist() == [0, 0, 0, 0]


def test_grey_levels_of_the_wsol_protocol():
    score_map = a_map(6).astype(np.float64)
    boxes = level_boxes(quantise(score_map), "border").astype(np.int64)
    held = decode(lookup_of_levels(score_map, boxes, SLIDERS).as_json())
    for tau in np.linspace(0, 1, 777):
        assert held.at(tau).tolist() == boxes[int(tau * 255)].tolist()


def test_recipes_begin_at_their_own_stops():
    for recipe in (*RECIPES.values(), Recipe("signed", Threshold(0.123, "p7", "p93"))):
        start = SLIDERS.start_of(recipe)
        rule = SLIDERS.rules[start["rule"]]
        assert rule.levels[start["percentile"]] == pair_of(recipe)
        assert SLIDERS.thetas[start["theta"]] == recipe.threshold.theta
    assert SLIDERS.start_of(Recipe("signed", lambda maps: np.zeros(len(maps)))) is None
    assert [rule.name for rule in SLIDERS.rules[: len(THRESHOLDS)]] == list(THRESHOLDS)
    assert next(rule for rule in SLIDERS.rules if rule.name == "pas").percentiles == tuple(range(80, 101))


def test_what_is_drawn_is_the_mean_of_cells():
    score_map = np.arange(64 * 96, dtype=np.float32).reshape(64, 96)
    picture = drawn(score_map)
    assert (picture["height"], picture["width"]) == (32, 32)
    small = drawn(np.array([[0.0, 1.0]]))
    assert (small["height"], small["width"], small["grey"]) == (1, 2, "AP8=")
