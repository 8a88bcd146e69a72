"""Figures by size and by class, and means over groups, against loops over images."""

import numpy as np
import populations
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassAccuracy

from camkit.errors import CamkitError
from camkit.metrics import ByClass, BySize, GTKnownLoc
from camkit.metrics.groups import by_group, mean_of_groups, size_groups, size_names
from camkit.metrics.intervals import accuracy

WHOLE, NOWHERE = [0, 0, 10, 10], [0, 0, 0, 0]


def rng(seed=0):
    return np.random.default_rng(seed)


def square(share, side=100):
    return [0, 0, round(side * share**0.5), round(side * share**0.5)]


def test_sizes_by_hand():
    metric = BySize("boxes of val")
    truths = [square(s) for s in (0.01, 0.04, 0.0841, 0.09, 0.25, 0.36, 0.81, 1)]
    right = [1, 0, 0, 1, 1, 0, 1, 0]
    boxes = torch.tensor([truth if yes else NOWHERE for truth, yes in zip(truths, right, strict=True)])
    metric.update(boxes, [[truth] for truth in truths], [(100, 100)] * 8)
    found = metric.result(rng())
    assert {name: (round(of.value, 6), of.n) for name, of in found.items()} == {
        "small": (33.333333, 3), "medium": (100.0, 2), "large": (33.333333, 3), "mean": (55.555556, 8)
    }  # fmt: skip
    assert {of.threshold_split for of in found.values()} == {"boxes of val"}
    small = accuracy(np.array([True, False, False]))  # Wilson's
    assert (found["small"].low, found["small"].high) == pytest.approx((small.low, small.high))
    assert {name: value.item() for name, value in metric.compute().items()} == {
        name: of.value for name, of in found.items()
    }


def test_the_largest_true_box_is_the_truths_share_whichever_is_met():
    met_small = BySize()
    met_small.update(torch.tensor([[0, 0, 10, 10]]), [[[0, 0, 10, 10], [20, 20, 95, 95]]], [(100, 100)])
    assert {name: value.item() for name, value in met_small.compute().items()} == {"large": 100.0}


def test_a_size_without_images_is_left_out_and_the_mean_with_it():
    metric = BySize()
    metric.update(torch.tensor([WHOLE, WHOLE]), [[WHOLE]] * 2, [(10, 10), (100, 100)])
    assert list(metric.result(rng())) == ["small", "large"]


def test_edges_of_the_authors_code():
    edges = (0.01, 0.04, 0.09, 0.16, 0.25, 0.36, 0.49, 0.64, 0.81)
    assert size_names(edges)[:2] == ["0-0.01", "0.01-0.04"]
    assert size_groups(np.array([0.0, 0.01, 0.5, 1.0]), edges).tolist() == [0, 1, 7, 9]
    metric = BySize(edges=edges)
    for tenth in range(10):
        metric.update(torch.tensor([WHOLE if tenth < 4 else NOWHERE]), [[WHOLE]], [(1000 // (10 * tenth + 5),) * 2])
    shares = metric.per_image()[:, 1]
    filled = set(size_groups(shares, edges).tolist())
    assert ("mean" in metric.compute()) == (len(filled) == 10)
    for wrong in ((), (0.5, 0.2), (0.0,), (1.0,), (0.2, 0.2)):
        with pytest.raises(CamkitError, match="edges of sizes"):
            BySize(edges=wrong)


def test_the_mean_over_classes_equals_torchmetrics_macro_accuracy():
    draw = rng(3)
    labels, right = torch.from_numpy(draw.integers(0, 6, 200)), torch.from_numpy(draw.random(200) < 0.6)
    own = MulticlassAccuracy(6, average="macro")
    own.update(torch.where(right, labels, (labels + 1) % 6), labels)
    metric = ByClass()
    boxes = torch.where(right[:, None], torch.tensor(WHOLE), torch.tensor(NOWHERE))
    metric.update(boxes, [[WHOLE]] * 200, labels)
    assert metric.compute().item() == pytest.approx(100 * own.compute().item(), abs=1e-4)
    table = metric.table()
    assert table["value"].is_monotonic_decreasing
    first = table.iloc[0]
    mask = (labels == int(first["label"])).numpy()
    assert (first["value"], first["n"]) == (100 * right.numpy()[mask].mean(), mask.sum())


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 60), st.booleans())
def test_groups_equal_a_loop(seed, n, graded):
    draw = rng(seed)
    values = draw.integers(0, 4, n) * 100 / 3 if graded else 100.0 * (draw.random(n) < 0.5)
    groups = draw.integers(0, 4, n)
    found = by_group(values, groups)
    assert list(found) == sorted(set(groups.tolist()))
    for group, of in found.items():
        own = [value for value, g in zip(values, groups, strict=True) if g == group]
        assert of.value == pytest.approx(sum(own) / len(own))
        assert 0 <= of.low <= of.value <= of.high <= 100
        assert of.n == len(own)
    whole = mean_of_groups(values, groups)
    assert whole.value == pytest.approx(np.mean([of.value for of in found.values()]))
    assert whole.low <= whole.value <= whole.high
    assert whole.n == n


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [((15, 40, 120), (0.35, 0.6, 0.9)), ((10,) * 60, tuple(np.linspace(0.6, 1, 60))), ((1,) * 80, (0.2, 0.9) * 40)],
    ids=["three sizes", "classes of ten images", "of one"],
)
def test_the_interval_of_a_mean_of_groups_holds_the_truth(sizes, shares):
    group = np.repeat(np.arange(len(sizes)), sizes)

    def draw(drawn, _):
        return 100.0 * np.concatenate([drawn.random(n) < p for n, p in zip(sizes, shares, strict=True)])

    def measure(values):
        return mean_of_groups(values, group)

    covered = populations.simulated(measure, draw, 100 * float(np.mean(shares)), sum(sizes), 800)
    assert 0.925 <= covered <= 0.995


def test_few_images_that_are_all_right_do_not_say_that_all_are():
    found = mean_of_groups(np.full(6, 100.0), np.array([0, 0, 0, 1, 1, 1]))
    assert (found.value, found.high, found.n) == (100, 100, 6)
    assert found.low < 90
    order = np.random.default_rng(0).permutation(90)
    values, groups = np.arange(90) / 0.9, np.arange(90) % 7
    assert mean_of_groups(values[order], groups[order]) == mean_of_groups(values, groups)


def test_all_in_one_class_is_gt_known_loc():
    boxes, truths = torch.tensor([WHOLE, NOWHERE, WHOLE]), [[WHOLE]] * 3
    plain, metric = GTKnownLoc(), ByClass()
    plain.update(boxes, truths)
    metric.update(boxes, truths, torch.tensor([4, 4, 4]))
    a, b = plain.result(rng()), metric.result(rng())
    assert b.value == pytest.approx(a.value)
    assert b.low <= a.low + 5  # not narrower for being one class
