"""MaxBoxAccV3 against OpenCV's contours and a greedy matching, one threshold after the other."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from opencv_reference import inclusive

from camkit.metrics import MaxBoxAccV2, MaxBoxAccV3
from camkit.metrics.max_box_acc_v3 import DELTAS, matches
from camkit.metrics.threshold_splits import REPORTED
from camkit.metrics.wsol import protocol_boxes, protocol_map


def rng(seed=0):
    return np.random.default_rng(seed)


def greedy(ious, delta):
    """Take the largest number of the table again and again, and strike out its row and its column."""
    table, found = np.array(ious, float), 0
    while table.size and table.max() >= delta:
        row, column = np.unravel_index(table.argmax(), table.shape)
        table[row], table[:, column] = -1, -1
        found += 1
    return found


def reference(images, step):
    """Recall, precision and F1 from sums over images."""
    times = np.arange(0, 1, step)
    found, boxes, total = np.zeros((3, len(times))), np.zeros(len(times)), 0
    for class_map, truths, size in images:
        grey = (protocol_map(class_map) * 255).astype(np.uint8)
        truth = protocol_boxes(truths, size).tolist()
        total += len(truth)
        for i, t in enumerate(times):
            mask = (grey > int(t * grey.max())).astype(np.uint8)
            contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
            own = sorted((x, y, min(x + w, 223), min(y + h, 223)) for x, y, w, h in map(cv2.boundingRect, contours))
            own = own or [(0, 0, 0, 0)]
            boxes[i] += len(own)
            table = [[inclusive(box, one) for one in truth] for box in own]
            found[:, i] += [greedy(table, delta) for delta in DELTAS]
    best = found.argmax(1)
    hits = found[range(3), best]
    recall, precision = np.mean(100 * hits / total), np.mean(100 * hits / boxes[best])
    return {"recall": recall, "precision": precision, "f1": 2 * recall * precision / (recall + precision)}


def images(n, seed=0):
    drawn, result = rng(seed), []
    for i in range(n):
        side = (7, 14)[i % 2]
        class_map = drawn.normal(size=(side, side))
        if i == 3:
            class_map = np.full((7, 7), 2.0)
        size = (int(drawn.integers(60, 300)), int(drawn.integers(60, 300)))
        corners = drawn.uniform(0, 0.7, (1 + i % 4, 2))
        truths = np.hstack([corners, corners + drawn.uniform(0.1, 0.3, corners.shape)]) * [*size[::-1], *size[::-1]]
        result.append((torch.from_numpy(class_map), np.round(truths), size))
    return result


def fed(data, step=0.05):
    metric = MaxBoxAccV3(step)
    metric.update(*zip(*data, strict=True))
    return metric


def test_equals_opencv_threshold_by_threshold():
    data = images(14)
    values = {name: value.item() for name, value in fed(data).compute().items()}
    assert values == pytest.approx(reference(data, 0.05))
    assert values["recall"] > 0


def test_with_one_true_box_an_image_recall_is_max_box_acc_v2():
    data = [(class_map, truths[:1], size) for class_map, truths, size in images(12, seed=5)]
    v2 = MaxBoxAccV2(0.01)
    v2.update(*zip(*data, strict=True))
    assert fed(data, 0.01).compute()["recall"].item() == pytest.approx(v2.compute().item())


def test_a_box_answers_for_one_true_box():
    ious = np.array([[0.9, 0.8], [0.6, 0.2]])
    # The first box is the better one for both; it goes to the first, and the second box meets the second with 0.2.
    assert matches(ious).tolist() == [1, 1, 1]
    assert matches(np.array([[0.9, 0.8], [0.6, 0.4]])).tolist() == [2, 1, 1]
    assert matches(np.zeros((0, 3))).tolist() == [0, 0, 0]


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.sampled_from([1, 2]))
def test_matches_equal_striking_out(seed, boxes, truths, decimals):
    ious = rng(seed).random((boxes, truths)).round(decimals)
    assert matches(ious).tolist() == [greedy(ious, delta) for delta in DELTAS]


def test_the_interval_is_that_of_leaving_out_images_one_by_one():
    data = images(9, seed=2)
    found = fed(data).result(rng())
    whole, left_out = fed(data).compute(), []
    for i in range(9):
        left_out.append(fed(data[:i] + data[i + 1 :]).compute()["f1"].item())
    assert found["f1"].value == whole["f1"].item()
    spread = 8 * np.var(left_out)
    assert found["f1"].low <= found["f1"].value - 0.5 * spread**0.5
    assert found["f1"].high >= found["f1"].value + 0.5 * spread**0.5
    assert found["recall"].n == 9
    assert found["recall"].threshold_split == REPORTED
    assert len(found["recall"].thresholds) == 3


def test_two_halves_merged_equal_the_whole():
    data = images(8, seed=4)
    whole, first, second = fed(data), fed(data[:3]), fed(data[3:])
    first.merge_state(second)
    assert first.result(rng()) == whole.result(rng())
