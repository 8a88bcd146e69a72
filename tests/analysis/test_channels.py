"""Fig. 2 of Rethinking CAM in numbers, and every figure against scipy or a loop."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from camkit.analysis import channels, pooled_values
from camkit.analysis.channels import rank_correlation_between


def head_and_body():
    """Two channels of about the same maximum, the second active on 4 times the first's area."""
    head, body = torch.zeros(2, 10, 10)
    head[:2, :5], body[:8, :5] = 25.0, 24.75
    return torch.stack([head, body])


def test_the_worked_example_of_figure_2(seen):
    pooled = pooled_values(head_and_body())
    assert pooled.gap == pytest.approx([2.5, 9.9])
    # what the classifier learns to bring both to the same say in the logit ...
    weight = np.array([0.040, 0.010])
    assert weight * pooled.gap == pytest.approx([0.100, 0.099])
    # ... makes the small region four times as bright in the class map
    assert (weight * pooled.maximum)[0] / (weight * pooled.maximum)[1] == pytest.approx(4, rel=0.02)
    # TAP pools both to about the same value, and equal weights will do
    assert pooled.tap == pytest.approx([25, 24.75])
    assert pooled.area == pytest.approx([0.1, 0.4])
    found = channels([seen(head_and_body(), weight)])
    for quantity in ("area", "gap"):  # the larger, the smaller the weight
        assert found.summary[f"rank_{quantity}"].value == pytest.approx(-1)
    assert found.summary["variation_gap"].value == pytest.approx(3.7 / 6.2)  # mean 6.2, both 3.7 away
    assert found.summary["variation_tap"].value == pytest.approx(0.125 / 24.875)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_without_a_threshold_gap_is_area_times_tap(seed):
    features = (torch.randn(5, 4, 6, generator=torch.Generator().manual_seed(seed)) - 0.3).clamp(min=0)
    pooled = pooled_values(features, tap_theta=0.0)
    assert pooled.gap == pytest.approx(pooled.area * pooled.tap, rel=1e-5)
    assert pooled.fires.tolist() == [bool((channel > 0).any()) for channel in features]


def test_table_and_summary_recomputed_the_slow_way(seen):
    rng = np.random.default_rng(0)
    images = []
    for i in range(4):
        features = np.maximum(rng.normal(size=(9, 5, 5)) - 0.2, 0)
        features[rng.integers(9)] = 0
        features[8] = 0
        images.append(seen(features, rng.normal(size=9), label=i))
    found = channels(images, tap_theta=0.3)
    rhos = {"area": [], "gap": []}
    sums = np.zeros((9, 4))
    for image in images:
        rows = {"area": [], "gap": [], "weight": []}
        for c in range(9):
            channel, w = image.features[c].numpy(), float(image.weight[c])
            if channel.max() <= 0:
                continue
            active = channel[channel > 0.3 * channel.max()]
            sums[c] += [1, len(active) / 25, channel.mean(), w * w]
            if w > 0:
                rows["area"].append(len(active) / 25)
                rows["gap"].append(channel.mean())
                rows["weight"].append(w)
        for quantity, values in rhos.items():
            values.append(spearmanr(rows[quantity], rows["weight"])[0])
    assert found.summary["rank_area"].value == pytest.approx(np.mean(rhos["area"]))
    assert found.summary["rank_gap"].value == pytest.approx(np.mean(rhos["gap"]))
    for c in range(8):
        row = found.table.loc[c]
        assert row["fires"] == sums[c, 0] / 4
        assert row[["area", "gap"]].tolist() == pytest.approx((sums[c, 1:3] / sums[c, 0]).tolist())
        assert row["weight"] == pytest.approx((sums[c, 3] / sums[c, 0]) ** 0.5)
    alive = found.table[:8]
    assert found.summary["rank_gap_channels"].value == pytest.approx(spearmanr(alive["gap"], alive["weight"])[0])
    assert found.notes[0] == "1 of 9 channels fire in no image"


def test_correlation_of_ranks_and_its_interval():
    rng = np.random.default_rng(0)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)
    estimate = rank_correlation_between(x, y)
    r = spearmanr(x, y)[0]
    assert estimate.value == pytest.approx(r)
    reach = 1.959964 * ((1 + r * r / 2) / 197) ** 0.5
    assert estimate.low == pytest.approx(np.tanh(np.arctanh(r) - reach))
    assert estimate.high == pytest.approx(np.tanh(np.arctanh(r) + reach))
    few = rank_correlation_between(x[:3], y[:3])
    assert (few.low, few.high) == (-1, 1)


def test_one_channel_and_a_dead_network(seen):
    one = channels([seen(np.ones((1, 3, 3)), [1])])
    assert any("too few channels differ" in note for note in one.notes)
    assert one.plot().figure.axes[1:]
    dead = channels([seen(np.zeros((3, 3, 3)), [1, 1, 1])])
    assert (dead.table["fires"] == 0).all()
    assert dead.plot().figure.axes[1:]
