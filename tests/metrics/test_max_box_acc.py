"""MaxBoxAcc and MaxBoxAccV2 against the protocol written out with OpenCV, one threshold after the other."""

import cv2
import numpy as np
import pytest
import torch
from opencv_reference import inclusive

from camkit.errors import CamkitError
from camkit.metrics.max_box_acc import MaxBoxAcc, MaxBoxAccV2
from camkit.metrics.threshold_splits import REPORTED


def rng(seed=0):
    return np.random.default_rng(seed)


def ious_over_thresholds(class_map, truths, size, step, all_contours):
    """One image: resized, normalised, thresholded and outlined by OpenCV; the best IoU at each threshold."""
    scores = cv2.resize(class_map.astype(np.float64), (224, 224), interpolation=cv2.INTER_CUBIC)
    spread = scores.max() - scores.min()
    scores = (scores - scores.min()) / spread if spread > 0 else np.zeros_like(scores)
    grey = (scores * 255).astype(np.uint8)
    height, width = size
    ground = [
        [int(c * 224 / side) for c, side in zip((x0, y0, x1 - 1, y1 - 1), [width, height] * 2, strict=True)]
        for x0, y0, x1, y1 in truths
    ]
    ious = []
    for t in np.arange(0, 1, step):
        _, mask = cv2.threshold(grey, int(t * grey.max()), 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(mask, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        if contours and not all_contours:
            contours = [max(contours, key=cv2.contourArea)]
        boxes = [(x, y, min(x + w, 223), min(y + h, 223)) for x, y, w, h in map(cv2.boundingRect, contours)]
        ious.append(max(inclusive(box, truth) for box in boxes or [(0, 0, 0, 0)] for truth in ground))
    return np.array(ious)


def reference(images, step, deltas, all_contours):
    ious = np.array([ious_over_thresholds(*image, step, all_contours) for image in images])
    curves = [100.0 * (ious >= delta).sum(axis=0) / len(images) for delta in deltas]
    return np.mean([curve.max() for curve in curves]), np.array(curves)


def images(n, seed=0):
    """Maps of several sizes and kinds, with one or two ground-truth boxes in images of several sizes."""
    drawn = rng(seed)
    result = []
    for i in range(n):
        side = (7, 14, 28)[i % 3]
        class_map = drawn.normal(size=(side, side))
        if i % 2:  # a bump, as a trained model would make
            y, x = np.mgrid[:side, :side] / side - drawn.uniform(0.3, 0.7, (2, 1, 1))
            class_map = 6 * np.exp(-8 * (x**2 + y**2)) + 0.3 * class_map
        if i == 4:
            class_map = np.full((7, 7), 3.0)
        size = (int(drawn.integers(40, 500)), int(drawn.integers(40, 500)))
        corners = drawn.uniform(0, 0.5, (1 + i % 2, 2))
        truths = np.hstack([corners, corners + drawn.uniform(0.2, 0.5, corners.shape)]) * [*size[::-1], *size[::-1]]
        result.append((class_map, np.round(truths), size))
    return result


def fed(metric, data):
    maps, truths, sizes = zip(*data, strict=True)
    metric.update([torch.from_numpy(m) for m in maps], truths, sizes)
    return metric


@pytest.mark.parametrize(("new", "all_contours"), [(MaxBoxAcc, False), (MaxBoxAccV2, True)])
def test_equals_opencv_threshold_by_threshold(new, all_contours):
    data, metric = images(24), new(step=0.01)
    value, curves = reference(data, 0.01, metric.deltas, all_contours)
    fed(metric, data)
    assert metric.compute().item() == value
    table = metric.curve()
    assert (curves == table.drop(columns="threshold").to_numpy().T).all()
    assert (table["threshold"] == np.arange(0, 1, 0.01)).all()


def test_equals_opencv_at_a_thousand_thresholds():
    data = images(3, seed=1)
    assert fed(MaxBoxAcc(), data).compute().item() == reference(data, 0.001, (0.5,), all_contours=False)[0]


def square_map(side):
    """14x14 with a bright square in the upper left corner and a dim one twice as wide."""
    class_map = torch.zeros(14, 14)
    class_map[: 2 * side, : 2 * side] = 1
    class_map[:side, :side] = 2
    return class_map


def test_one_threshold_serves_all_images():
    # Each image has a threshold that is right, but not the same one: an oracle for each image would say 100.
    maps = torch.stack([square_map(4), square_map(4)])
    truths = [[[0, 0, 64, 64]], [[0, 0, 128, 128]]]
    metric = MaxBoxAcc(step=0.01)
    metric.update(maps, truths, [(224, 224)] * 2)
    assert metric.correct().any(axis=2).all()
    assert metric.compute() == 50.0


def test_the_result_says_that_the_threshold_was_chosen_on_the_reported_split():
    for new in (MaxBoxAcc, MaxBoxAccV2):
        metric = fed(new(step=0.01), images(24))
        result = metric.result(rng())
        assert result.threshold_split == REPORTED
        assert result.value == metric.compute().item()
        assert result.low <= result.value <= result.high
        table = metric.curve().set_index("threshold")
        best = [table.loc[t, f"iou_{delta}"] for t, delta in zip(result.thresholds, metric.deltas, strict=True)]
        assert best == table.max().tolist()


@pytest.mark.parametrize("new", [MaxBoxAcc, MaxBoxAccV2])
def test_two_halves_merged_equal_the_whole(new):
    data = images(20)
    whole, first, second = fed(new(0.01), data), fed(new(0.01), data[:7]), fed(new(0.01), data[7:])
    second.merge_state(first)
    assert second.compute() == whole.compute()
    assert second.result(rng()) == whole.result(rng())


def test_an_image_without_ground_truth_is_refused():
    with pytest.raises(CamkitError, match="at least one box an image"):
        MaxBoxAcc().update(torch.rand(1, 7, 7), [np.zeros((0, 4))], [(64, 64)])


@pytest.mark.parametrize("kind", [MaxBoxAcc, MaxBoxAccV2])
def test_what_images_count_for_adds_up_to_the_figure(kind):
    measure = kind(0.05)
    for class_map, truths, size in images(12):
        measure.update([torch.from_numpy(class_map)], [truths], [size])
    counted = measure.at_best()
    assert counted.shape == (12,)
    assert set(np.round(counted, 6)) <= {round(100 * k / len(kind.deltas), 6) for k in range(len(kind.deltas) + 1)}
    assert counted.mean() == pytest.approx(float(measure.compute()))
