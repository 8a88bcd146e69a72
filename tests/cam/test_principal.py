"""DDT's direction against a singular value decomposition of all positions, and maps of an object that is there."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.boxes import Threshold
from camkit.cam import Moments
from camkit.errors import CamkitError


def by_svd(features):
    """Slow and obvious: all positions as rows, centred, their first right singular vector."""
    rows = np.concatenate([one.reshape(one.shape[0], -1).T for one in features.numpy().astype(np.float64)])
    mean = rows.mean(0)
    _, values, vectors = np.linalg.svd(rows - mean)
    first = vectors[0] if vectors[0].sum() >= 0 else -vectors[0]
    return mean, first, values[0] ** 2 / (values**2).sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 6), st.floats(0, 1e4))
def test_against_a_singular_value_decomposition(seed, images, channels, shift):
    rng = np.random.default_rng(seed)
    features = torch.tensor(rng.normal(size=(images, channels, 4, 5)) * rng.uniform(0.5, 3, (channels, 1, 1)) + shift)
    moments = Moments()
    for one in features:
        moments.add(one[None])
    found = moments.direction()
    mean, first, share = by_svd(features)
    assert found.vector.sum() >= 0
    assert found.share == pytest.approx(share, abs=1e-9)
    maps = found.maps(features).numpy()
    expected = np.einsum("c,nchw->nhw", first, features.numpy() - mean[:, None, None])
    gap = np.sort(
        np.linalg.eigvalsh(np.atleast_2d(np.cov(features.numpy().transpose(1, 0, 2, 3).reshape(channels, -1))))
    )
    if (channels == 1 or gap[-1] - gap[-2] > 1e-2 * gap[-1]) and abs(first.sum()) > 1e-3:
        np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


def test_the_object_is_on_the_positive_side_and_above_0_is_its_box():
    features = torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.1
    features[:, 1:3, 2:5, 3:7] += 2
    moments = Moments()
    moments.add(features)
    maps = moments.direction().maps(features)
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:5, 3:7] = True
    assert torch.equal(maps > 0, inside.expand(3, -1, -1))
    assert float(Threshold(0.0, 0.0, "max")(maps.numpy())[0]) == 0


def test_what_has_no_direction():
    with pytest.raises(CamkitError, match="no features were seen"):
        Moments().direction()
    moments = Moments()
    moments.add(torch.full((2, 3, 4, 4), 0.1))
    with pytest.raises(CamkitError, match="the same at all positions"):
        moments.direction()
    with pytest.raises(CamkitError, match="NaN"):
        moments.add(torch.full((2, 3, 4, 4), torch.nan))
    with pytest.raises(CamkitError, match="channels"):
        moments.add(torch.zeros(1, 2, 4, 4))
