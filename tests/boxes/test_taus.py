"""Boxes at many thresholds against one after the other."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.boxes import boxes_at_taus, boxes_from_maps


@given(st.integers(0, 10_000), st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_each_threshold_alone(seed, count):
    rng = np.random.default_rng(seed)
    score_map = rng.choice([rng.random((9, 7)), rng.integers(-3, 4, (9, 7)) / 3, np.zeros((9, 7))])
    taus = rng.choice([rng.uniform(-1.2, 1.2, count), rng.choice(score_map.ravel(), count)])
    expected = [boxes_from_maps(score_map, lambda _, tau=tau: np.array([tau])) for tau in taus]
    assert np.array_equal(boxes_at_taus(score_map, taus), expected)
