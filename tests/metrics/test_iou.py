import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.metrics.iou import best_iou, half_open_iou, inclusive_iou

SIDE = 12


def boxes(far_corner_from):
    def box(corners):
        x0, y0, width, height = corners
        return (x0, y0, x0 + far_corner_from + width, y0 + far_corner_from + height)

    return st.tuples(*[st.integers(0, 5)] * 4).map(box)


def pixels(box, inclusive):
    x0, y0, x1, y1 = (int(v) for v in box)
    return {(x, y) for x in range(x0, x1 + inclusive) for y in range(y0, y1 + inclusive)}


def counted(a, b, inclusive):
    a, b = pixels(a, inclusive), pixels(b, inclusive)
    return len(a & b) / len(a | b) if a | b else 0.0


@pytest.mark.parametrize(
    ("first", "second", "half_open", "inclusive"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0, 1.0),
        ((0, 0, 10, 10), (0, 0, 10, 5), 0.5, 66 / 121),
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7, 4 / 14),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0.0, 3 / 15),  # side by side: they share a column where corners are inclusive
        (
            (0, 0, 10, 10),
            (20, 20, 30, 30),
            0.0,
            0.0,
        ),  # disjoint in x and in y: unclamped sides would multiply to an area
        ((0, 0, 0, 0), (3, 3, 8, 8), 0.0, 0.0),
        ((0, 0, 0, 0), (0, 0, 4, 4), 0.0, 1 / 25),  # no region: nothing when half open, one pixel when inclusive
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0, 1.0),
    ],
)
def test_by_hand(first, second, half_open, inclusive):
    a, b = torch.tensor([first]), torch.tensor([second])
    assert half_open_iou(a, b).item() == half_open
    assert inclusive_iou(a, b).item() == inclusive


@given(st.lists(boxes(0), min_size=1, max_size=4), st.lists(boxes(0), min_size=1, max_size=4))
def test_equals_counting_pixels(first, second):
    a, b = torch.tensor(first), torch.tensor(second)
    assert half_open_iou(a, b).tolist() == [[counted(p, q, inclusive=False) for q in second] for p in first]
    assert inclusive_iou(a, b).tolist() == [[counted(p, q, inclusive=True) for q in second] for p in first]


def test_large_boxes_lose_no_digit():
    # In float32 the areas, above 2**24, would round.
    a, b = torch.tensor([[0, 0, 5001, 5001]]), torch.tensor([[0, 0, 5001, 5000]])
    assert half_open_iou(a.float(), b.float()).item() == 5000 / 5001
    assert inclusive_iou(a, b).item() == 5001 / 5002


def test_best_of_several_ground_truth_boxes():
    truth = [[100, 100, 110, 110], [0, 0, 10, 5], [0, 0, 10, 9]]
    assert best_iou(torch.tensor([[0, 0, 10, 10], [100, 100, 110, 110]]), truth).tolist() == [0.9, 1.0]


@pytest.mark.parametrize("truth", [torch.zeros(0, 4), torch.zeros(4), []])
def test_an_image_without_ground_truth_is_refused(truth):
    with pytest.raises(CamkitError, match="at least one box an image"):
        best_iou(torch.zeros(1, 4), truth)
