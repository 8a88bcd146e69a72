"""The box at every tau against labelling the map anew at each of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.boxes import boxes_from_maps
from camkit.boxes.every_tau import boxes_over_tau
from camkit.errors import CamkitError


@given(
    arrays(np.float32, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.sampled_from([-1, 0, 0.5, 2, 3]))
)
def test_every_tau_is_labelling(score_map):
    found = boxes_over_tau(score_map)
    levels = np.unique(score_map).astype(float)
    taus = np.concatenate([levels, levels - 1e-9, levels + 1e-9, [-7, 7]])
    for tau, box in zip(taus, found.at(taus), strict=True):
        assert box.tolist() == boxes_from_maps(score_map, lambda _, t=tau: np.array([t])).tolist()


@given(st.integers(0, 2**32 - 1))
def test_smooth_maps_and_taus_between(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.random((4, 5))
    score_map = np.kron(coarse, np.ones((5, 4))) + 0.3 * rng.random((20, 20)).round(2)
    taus = rng.uniform(score_map.min() - 0.1, score_map.max() + 0.1, 20)
    expected = [boxes_from_maps(score_map, lambda _, t=tau: np.array([t])).tolist() for tau in taus]
    assert boxes_over_tau(score_map).at(taus).tolist() == expected


def test_neighbours_in_the_list_differ():
    rng = np.random.default_rng(1)
    found = boxes_over_tau(rng.random((30, 20)).astype(np.float32))
    assert (np.diff(found.boxes, axis=0) != 0).any(1).all()
    assert (np.diff(found.starts) > 0).all()
    assert found.starts[0] == -np.inf
    assert found.boxes[0].tolist() == [0, 0, 20, 30]
    assert found.boxes[-1].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(4), np.full((2, 2), np.nan)])
def test_what_is_no_map(bad):
    with pytest.raises(CamkitError, match="a score map of shape"):
        boxes_over_tau(bad)
