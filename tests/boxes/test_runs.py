"""Boxes without labelling, thresholds without float64 copies: against the slow and obvious ways, to the bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camkit.boxes import Threshold, boxes_from_maps, largest_region, normalize_maps, resize_maps
from camkit.boxes.geometry import box_of
from camkit.boxes.regions import above
from camkit.boxes.runs import largest_box
from camkit.boxes.score_maps import is_constant

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@settings(max_examples=300)
@given(arrays(bool, SHAPES))
def test_the_box_is_that_of_the_labelled_region(mask):
    np.testing.assert_array_equal(largest_box(mask), box_of(largest_region(mask)))


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.98), st.sampled_from([(1, 300), (300, 1), (40, 60), (128, 128)]))
@settings(max_examples=60)
def test_the_box_in_noise_of_any_density(seed, density, size):
    """Near the density at which regions grow together, there are hundreds of them with many equals."""
    mask = np.random.default_rng(seed).random(size) < density
    np.testing.assert_array_equal(largest_box(mask), box_of(largest_region(mask)))


def test_boxes_by_hand():
    assert largest_box(np.zeros((3, 4), bool)).tolist() == [0, 0, 0, 0]
    assert largest_box(np.ones((3, 4), bool)).tolist() == [0, 0, 4, 3]
    wrapped = np.zeros((2, 3), bool)
    wrapped[0, 2] = wrapped[1, 0] = True  # neighbours in memory, not in the image
    assert largest_box(wrapped).tolist() == [2, 0, 3, 1]


@given(
    arrays(np.float32, SHAPES, elements=st.floats(-(2.0**99), 2.0**99, width=32)),
    st.floats(-1e300, 1e300) | st.floats(-1, 1) | st.integers(0, 10**6),
)
def test_above_compares_as_float64_does(score_map, tau):
    if isinstance(tau, int):  # one of the values, or just beside it
        value = float(score_map.ravel()[tau % score_map.size])
        tau = float(np.nextafter(value, [-np.inf, value, np.inf][tau % 3]))
    np.testing.assert_array_equal(above(score_map, tau), score_map.astype(np.float64) > tau)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32])
@given(st.integers(0, 2**32 - 1), st.floats(0, 100), st.integers(1, 400), st.booleans())
@settings(max_examples=60)
def test_percentiles_are_numpys_of_float64_to_the_bit(dtype, seed, percentile, n, ties):
    values = np.random.default_rng(seed).normal(size=(2, 1, n)) * 10
    values = (np.round(values) if ties else values).astype(dtype)
    percentile = float(f"{percentile:.3f}")
    expected = 0.3 * np.percentile(values.astype(np.float64), percentile, axis=(-2, -1))
    np.testing.assert_array_equal(Threshold(0.3, 0.0, f"p{percentile:.3f}")(values), expected)


def slow_normalized(maps):
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    constant = is_constant(maps)
    return torch.where(constant, 0.0, (maps - low) / torch.where(constant, 1.0, high - low))


@given(st.integers(0, 2**32 - 1), st.integers(3, 14), st.integers(30, 90), st.sampled_from([0.0, 1e-7, 1.0]))
@settings(max_examples=40)
def test_from_class_map_to_box_as_before(seed, cells, side, spread):
    """Both ways from the same class maps: tau and box are equal to the bit and the pixel."""
    generator = torch.Generator().manual_seed(seed)
    maps = 3 + spread * torch.randn(2, cells, cells, generator=generator)
    maps[0] = torch.randn(cells, cells, generator=generator)
    resized = resize_maps(maps, (side, side + 7))
    expected = slow_normalized(resized)
    score_maps = normalize_maps(resized)
    assert torch.equal(score_maps, expected)
    rule = Threshold(0.35, "min", "p90")
    values = expected.double().flatten(1).numpy()
    taus = values.min(1) + 0.35 * (np.percentile(values, 90, axis=1) - values.min(1))
    assert rule(score_maps).tolist() == taus.tolist()
    boxes = [box_of(largest_region(one.numpy() > tau)) for one, tau in zip(expected, taus, strict=True)]
    np.testing.assert_array_equal(boxes_from_maps(score_maps, rule), boxes)
