"""Recipes against the papers' equations written out."""

import json

import numpy as np
import pytest
import torch

from camkit import (
    CamkitError,
    MaxThreshold,
    PercentileThreshold,
    Recipe,
    Threshold,
    register_threshold,
    register_weighting,
)
from camkit.boxes import THRESHOLDS
from camkit.cam import WEIGHTINGS


def test_the_four_names():
    assert Recipe.named("cam") == Recipe("signed", MaxThreshold(0.2))
    assert Recipe.named("nwc") == Recipe("positive", MaxThreshold(0.2))
    assert Recipe.named("pas") == Recipe("signed", PercentileThreshold(0.35, 90))
    assert Recipe.named("nwc+pas") == Recipe() == Recipe("positive", PercentileThreshold(0.35, 90))
    with pytest.raises(CamkitError, match="nwc"):
        Recipe.named("nwc,pas")


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_every_weighting_and_threshold_has_a_name(weighting, threshold):
    recipe = Recipe.named(f"{weighting}+{threshold}")
    assert (recipe.weighting, recipe.threshold) == (weighting, THRESHOLDS[threshold](None, None))
    assert recipe.normalization == ("none" if threshold == "max" else "minmax")


def test_names_by_hand():
    assert Recipe.named("nwc+ivr") == Recipe("positive", Threshold(0.2, "p60", "max"))
    assert Recipe.named("negative+p30:max") == Recipe("negative", Threshold(0.2, "p30", "max"))
    assert Recipe.named("cam+-1.5:p99") == Recipe("signed", Threshold(0.2, -1.5, "p99"))
    for wrong in ("signed", "signed+", "+max", "signed+maximum", "no+max", "", "signed+max:"):
        with pytest.raises(CamkitError):
            Recipe.named(wrong)


def test_boxes_and_thresholds_by_hand():
    """One 2x5 map, 0 to 9: max-min normalised it is i/9. theta 0.5 of the maximum keeps 5..9, the second row."""
    score_maps = Recipe().score_maps(torch.arange(10.0).reshape(1, 2, 5), (2, 5))
    np.testing.assert_allclose(score_maps.numpy().ravel(), np.arange(10) / 9, atol=1e-7)
    boxes, tau = Recipe(threshold=MaxThreshold(0.5)).boxes(score_maps)
    assert boxes.tolist() == [[0, 1, 5, 2]]
    assert tau == pytest.approx([0.5])
    # the 90th percentile of 0..9 is 8.1: 0.35 * 8.1 = 2.835 keeps 3..9, both rows
    boxes, tau = Recipe().boxes(score_maps)
    assert boxes.tolist() == [[0, 0, 5, 2]]
    assert tau == pytest.approx([0.35 * 8.1 / 9])


def test_without_normalisation_the_raw_map_is_cut():
    raw = torch.tensor([[[-3.0, 1.0, 2.0]]])
    recipe = Recipe(threshold=MaxThreshold(0.5), normalization="none")
    boxes, tau = recipe.boxes(recipe.score_maps(raw, (1, 3)))
    assert tau.tolist() == [1.0]
    assert boxes.tolist() == [[2, 0, 3, 1]]


def test_settings_of_0_1_0_still_load():
    held = {"weighting": "positive", "normalization": "minmax", "interpolation": "bilinear"}
    by_max = held | {"threshold": {"rule": "MaxThreshold", "theta": 0.3}}
    assert Recipe.from_dict(by_max) == Recipe("positive", Threshold(0.3, 0.0, "max"))
    by_percentile = held | {"threshold": {"rule": "PercentileThreshold", "theta": 0.4, "percentile": 87.0}}
    assert Recipe.from_dict(by_percentile) == Recipe("positive", Threshold(0.4, 0.0, "p87"))


@pytest.mark.parametrize("recipe", [Recipe(), Recipe("negative", Threshold(0.1, "p12.5", "p99"), "none", "bicubic")])
def test_what_is_written_is_read_back(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_ones_own_weighting_and_threshold_by_name():
    register_weighting("test first channel")(lambda weights, classes, logits, pooled: weights[classes] * 0)
    register_threshold("test mean", lambda maps: np.asarray(maps, float).mean((-2, -1)))
    held = Recipe().to_dict() | {"weighting": "test first channel", "threshold": {"rule": "test mean"}}
    recipe = Recipe.from_dict(held)
    assert recipe.to_dict() == held
    boxes, tau = recipe.boxes(torch.tensor([[[0.0, 0.0, 0.0, 1.0]]]))
    assert (boxes.tolist(), tau.tolist()) == ([[3, 0, 4, 1]], [0.25])
    with pytest.raises(CamkitError, match="camkit has a weighting called 'signed'"):
        register_weighting("signed")(lambda *_: None)
    with pytest.raises(CamkitError, match="camkit has a threshold called 'Threshold'"):
        register_threshold("Threshold", lambda maps: maps)


@pytest.mark.parametrize("wrong", [{"weighting": "postive"}, {"normalization": "max"}, {"interpolation": "area"}])
def test_a_wrong_name_is_refused_when_the_recipe_is_made(wrong):
    with pytest.raises(CamkitError, match=str(next(iter(wrong.values())))):
        Recipe(**wrong)


@pytest.mark.parametrize(("rule", "said"), [
    (lambda maps: maps.mean((-2, -1)), None),  # a tensor is as good as an array
    (lambda maps: 0.5, r"for maps \(2,\): give a finite number for each map"),
    (lambda maps: [float("nan")] * 2, "give a finite number for each map"),
    (lambda maps: maps.nothing, "fails to give a threshold: AttributeError"),
    (lambda maps: "high", "fails to give a threshold: ValueError"),
])  # fmt: skip
def test_what_a_rule_of_ones_own_may_give(rule, said):
    maps = torch.arange(8.0).reshape(2, 2, 2)
    if said is None:
        assert Recipe(threshold=rule).boxes(maps)[1].tolist() == [1.5, 5.5]
    else:
        with pytest.raises(CamkitError, match=said):
            Recipe(threshold=rule).boxes(maps)
