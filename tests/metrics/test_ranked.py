import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.metrics import GTKnownLoc, RankedLoc
from camkit.metrics.ranked import best_of_ranked

WHOLE, HALF, LESS = [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4]


def test_one_of_the_first_boxes_has_to_be_right():
    boxes = [[LESS, LESS, WHOLE], [HALF], [], [LESS, LESS, LESS, WHOLE]]
    for k, right in ((1, [0, 1, 0, 0]), (2, [0, 1, 0, 0]), (3, [1, 1, 0, 0]), (4, [1, 1, 0, 1]), (9, [1, 1, 0, 1])):
        metric = RankedLoc(k)
        metric.update([torch.tensor(one) for one in boxes], [[WHOLE]] * 4)
        assert metric.per_image()[:, 0].tolist() == right
        assert metric.compute() == 25 * sum(right)
        assert metric.result(np.random.default_rng(0)).value == 25 * sum(right)
    with pytest.raises(CamkitError, match="k is 0"):
        RankedLoc(0)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_equals_the_best_so_far_and_with_one_box_gt_known_loc(seed, count):
    draw = torch.Generator().manual_seed(seed)
    corners = torch.randint(0, 8, (count + 2, 2), generator=draw)
    boxes = torch.cat([corners, corners + torch.randint(1, 9, (count + 2, 2), generator=draw)], 1)
    found, truth = boxes[:count], boxes[count:]
    so_far = best_of_ranked(found, truth)
    for k in range(1, count + 1):
        metric = RankedLoc(k)
        metric.update([found], [truth])
        assert bool(metric.per_image()[0, 0]) == bool(so_far[k - 1] >= 0.5)
        assert so_far[k - 1] == max(best_of_ranked(found[i : i + 1], truth)[0] for i in range(k))
    first, plain = RankedLoc(1), GTKnownLoc()
    first.update([found], [truth])
    plain.update(found[:1], [truth])
    assert first.compute() == plain.compute()
