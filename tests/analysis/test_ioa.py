"""IoA of rectangles, worked out by hand, and its summary figure by figure."""

import json
from itertools import pairwise

import numpy as np
import pytest

from camkit import CamkitError, PercentileThreshold, Recipe
from camkit.analysis import ioa
from camkit.analysis.ioa import BINS, histogram_overlap, share_inside


def rectangles(*corners, size=(8, 8)):
    """A channel for each x0, y0, x1, y1: 2 inside, 0 outside."""
    features = np.zeros((len(corners), *size))
    for channel, (x0, y0, x1, y1) in zip(features, corners, strict=True):
        channel[y0:y1, x0:x1] = 2
    return features


def test_two_rectangles_by_hand(seen):
    """Positive 4x4 all inside the box of 6x4; of the negative 4x4 the overlap is 2x2."""
    found = ioa([seen(rectangles((0, 0, 4, 4), (4, 2, 8, 6)), [1.5, -0.5], [(0, 0, 6, 4)])])
    table = found.table[found.table["rule"] == found.summary["rule"]].set_index("part")
    assert table.loc["positive", "ioa"] == 1
    assert table.loc["negative", "ioa"] == 4 / 16
    assert (table["area"] == 16 / 64).all()
    assert (table["truth"] == 24 / 64).all()
    assert found.summary["positive"].value == 1
    assert found.summary["negative_over_chance"].value == 0.25 - 0.375
    assert found.summary["difference"].value == 0.75
    assert found.summary["overlap"].value == 0
    assert found.summary["negative_inside"].value == 0


def test_two_boxes_are_their_union_and_a_half_pixel_counts_by_its_centre(seen):
    found = ioa([seen(rectangles((0, 0, 8, 2), (0, 6, 8, 8)), [1, -1], [(0, 0, 2, 8), (1, 0, 4.5, 8)])])
    table = found.table.drop_duplicates("part").set_index("part")
    assert table["ioa"].tolist() == [0.5, 0.5]  # columns 0 to 3: the centre of pixel 4 is at 4.5, outside


def test_summary_recomputed_the_slow_way(seen):
    rng = np.random.default_rng(0)
    observations = []
    for i in range(7):
        x, y = rng.integers(0, 5, 2)
        a, b = rng.integers(0, 5, 2)
        features = rectangles((x, y, x + 3, y + 3), (a, b, a + 3, b + 3))
        observations.append(seen(features, [1, -2], [(1, 1, 6, 7)], image=f"{i}.png"))
    found = ioa(observations)
    chosen = found.table[found.table["rule"] == found.summary["rule"]]
    positive, negative = (chosen[chosen["part"] == part]["ioa"].tolist() for part in ("positive", "negative"))
    for name, values in (("positive", positive), ("negative", negative)):
        assert found.summary[name].value == pytest.approx(sum(values) / 7)
        assert found.summary[f"{name}_median"].value == pytest.approx(sorted(values)[3])
        assert found.summary[f"{name}_over_chance"].value == pytest.approx(sum(values) / 7 - 30 / 64)
        assert found.summary[f"{name}_area"].value == pytest.approx(9 / 64)
    assert found.summary["negative_inside"].value == sum(value > 0.5 for value in negative) / 7
    shared = 0
    for low, high in pairwise(BINS):
        inside = [sum(low <= v < high or v == high == 1 for v in values) for values in (positive, negative)]
        shared += min(inside) / 7
    assert found.summary["overlap"].value == pytest.approx(shared)


def test_the_rule_decides_and_the_sensitivity_says_so(seen):
    """Positive part with steps 4, 2, 1 over rows; the higher the threshold, the fewer rows."""
    features = np.zeros((2, 8, 8))
    features[0, :2], features[0, 2:4], features[0, 4:6] = 4, 2, 1
    features[1] = np.arange(8)
    image = seen(features, [1, -1], [(0, 0, 8, 2)])
    found = ioa([image], Recipe("signed", PercentileThreshold(0.2, 80)))
    assert found.summary["rule"] == "0.2 of the percentile 80, min-max"
    assert found.summary["positive"].value == pytest.approx(1 / 3)
    assert len(found.summary["sensitivity"]) == 6
    for theta, rows in ((0.2, 6), (0.35, 4), (0.5, 2)):
        its = found.summary["sensitivity"][f"{theta} of the maximum, min-max"]
        assert its["positive"].value == pytest.approx(2 / rows)


def test_without_a_negative_part_it_says_so(seen):
    found = ioa([seen(rectangles((0, 0, 4, 4)), [1], [(0, 0, 4, 4)])] * 2)
    assert "negative" not in found.summary
    assert any("no image has a negative part" in note for note in found.notes)
    assert "NaN" not in json.dumps(found.as_json())
    assert found.plot().figure.axes[1:]


def test_constant_parts_have_no_region(seen):
    found = ioa([seen(np.ones((2, 4, 4)), [1, -1], [(0, 0, 2, 2)])])
    assert found.table["ioa"].isna().sum() == 8  # without normalisation a constant part is all active
    assert found.table["ioa"].dropna().unique() == [0.25]
    assert len(found.notes) == 2


def test_images_without_boxes_are_counted_and_a_set_without_is_refused(seen):
    boxed, bare = (seen(rectangles((0, 0, 4, 4)), [-1], boxes) for boxes in ([(0, 0, 4, 4)], []))
    assert ioa([boxed, bare]).notes[0] == "1 images have no ground-truth box and are left out"
    with pytest.raises(CamkitError, match="ground-truth boxes") as refusal:
        ioa([bare])
    assert "\n" not in str(refusal.value)


def test_parts_of_the_histograms(seen):
    rng = np.random.default_rng(1)
    first = rng.random(50)
    assert histogram_overlap(first, first).value == 1
    assert histogram_overlap(first / 2, first / 2 + 0.5).value == 0
    some = histogram_overlap(first, rng.random(50))
    assert 0 < some.low < some.value < some.high < 1
    assert np.isnan(share_inside(np.zeros((2, 2), bool), np.ones((2, 2), bool)))
