"""Recipes against the papers' equations written out."""

import numpy as np
import pytest
import torch

from camkit import CamkitError, MaxThreshold, PercentileThreshold, Recipe


def test_the_four_names():
    assert Recipe.named("cam") == Recipe("signed", MaxThreshold(0.2))
    assert Recipe.named("nwc") == Recipe("positive", MaxThreshold(0.2))
    assert Recipe.named("pas") == Recipe("signed", PercentileThreshold(0.35, 90))
    assert Recipe.named("nwc+pas") == Recipe() == Recipe("positive", PercentileThreshold(0.35, 90))
    with pytest.raises(CamkitError, match="nwc"):
        Recipe.named("nwc,pas")


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
