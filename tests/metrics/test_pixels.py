import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from camkit.errors import CamkitError
from camkit.metrics.pixels import PxAP, average_precision, protocol_mask, score_bins, score_histograms
from camkit.metrics.threshold_splits import NO_THRESHOLD
from camkit.metrics.wsol import protocol_map


def rng(seed=0):
    return np.random.default_rng(seed)


def naive_average_precision(scores, foreground, thresholds):
    """Threshold by threshold, the pixels at or above it counted anew."""
    area, recall_before = 0.0, None
    for t in sorted([*thresholds, 1.0, 2.0], reverse=True):
        predicted = scores >= t
        right = int((predicted & foreground).sum())
        recall = right / int(foreground.sum())
        if recall_before is not None and predicted.any():
            area += right / int(predicted.sum()) * (recall - recall_before)
        recall_before = recall
    return 100 * area


def test_average_precision_by_hand():
    # Scores 0.1 (background), 0.3 (foreground), 0.6 (background), 0.9 (foreground); bins of width 0.25.
    bins = np.append(np.arange(0, 1, 0.25), [1, 2, 3])
    scores = np.array([[0.1, 0.3], [0.6, 0.9]])
    foreground = np.array([[False, True], [False, True]])
    histograms = score_histograms(scores, foreground, np.zeros((2, 2), bool), bins)
    assert histograms.tolist() == [[0, 1, 0, 1, 0, 0], [1, 0, 1, 0, 0, 0]]
    # Precision 1 when recall reaches 1/2, then 2/3 when it reaches 1.
    assert average_precision(histograms) == pytest.approx(100 * (1 * 0.5 + 2 / 3 * 0.5))


def test_ignored_pixels_count_only_as_foreground():
    bins = np.append(np.arange(0, 1, 0.5), [1, 2, 3])
    foreground, ignored = np.array([[True, True, False, False]]), np.array([[True, False, True, False]])
    histograms = score_histograms(np.array([[0.1, 0.2, 0.7, 0.8]]), foreground, ignored, bins)
    assert histograms.tolist() == [[2, 0, 0, 0], [0, 1, 0, 0]]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.001, 0.01, 0.07, 0.3, 1.0]))
def test_histograms_are_numpys_to_the_last_pixel(seed, step):
    """On the edges of the bins too, and a last digit beside them."""
    bins, draw = score_bins(step), rng(seed)
    edges = bins[bins <= 1]
    scores = np.concatenate([edges, np.nextafter(edges[1:], 0), np.nextafter(edges[:-1], 1), draw.random(50)])
    foreground, ignored = draw.random(len(scores)) < 0.5, draw.random(len(scores)) < 0.3
    expected = [np.histogram(scores[pixels], bins)[0] for pixels in (foreground, ~(foreground | ignored))]
    assert (score_histograms(scores, foreground, ignored, bins) == expected).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([0.01, 0.1, 0.3]), st.sampled_from([None, 1, 2]))
def test_average_precision_equals_a_loop_over_thresholds(seed, n, step, decimals):
    scores = rng(seed).random(n)
    scores = scores if decimals is None else scores.round(decimals)
    foreground = rng(seed + 1).random(n) < 0.5
    foreground[0] = True
    thresholds = np.arange(0, 1, step)
    bins = np.append(thresholds, [1, 2, 3])
    histograms = score_histograms(scores, foreground, np.zeros(n, bool), bins)
    assert average_precision(histograms) == pytest.approx(naive_average_precision(scores, foreground, thresholds))


@pytest.mark.parametrize("size", [(36, 72), (224, 224), (1, 3), (500, 333), (225, 223)])
def test_masks_are_resized_as_opencv_does(size):
    mask = rng().random(size) < 0.5
    resized = cv2.resize(mask.astype(np.float32), (224, 224), interpolation=cv2.INTER_NEAREST) > 0.5
    assert (protocol_mask(mask) == resized).all()


def fed(metric, rows, n=12):
    """The metric, shown these of n images, half of them of another size."""
    draw = rng(5)
    maps = [torch.from_numpy(draw.normal(size=(7, 7))) for _ in range(n)]
    masks = []
    for i in range(n):
        size = (60, 80) if i % 2 else (45, 30)
        masks.append((draw.random(size) < 0.3, draw.random(size) < 0.2))
    metric.update(maps[rows], masks[rows])
    return metric, maps, masks


def test_whole_data_set_equals_a_loop_over_pixels_and_thresholds():
    metric, maps, masks = fed(PxAP(step=0.01), slice(None))
    scores, labels = [], []
    for class_map, (mask, ignore) in zip(maps, masks, strict=True):
        foreground, ignored = protocol_mask(mask), protocol_mask(ignore)
        counted = foreground | ~ignored
        scores.append(protocol_map(class_map)[counted])
        labels.append(foreground[counted])
    loop = naive_average_precision(np.concatenate(scores), np.concatenate(labels), np.arange(0, 1, 0.01))
    assert metric.compute().item() == pytest.approx(loop, abs=1e-10)
    result = metric.result(rng())
    assert result.value == metric.compute().item()
    assert result.low < result.value < result.high
    assert (result.n, result.threshold_split) == (12, NO_THRESHOLD)


def test_perfect_and_constant_maps():
    mask = np.zeros((224, 224), bool)
    mask[50:120, 30:200] = True
    perfect, constant = PxAP(), PxAP()
    perfect.update([torch.from_numpy(mask).double()], [(mask, ~mask & False)])
    constant.update([torch.zeros(7, 7)], [(mask, ~mask & False)])
    assert perfect.compute() == 100.0
    assert constant.compute().item() == pytest.approx(100 * mask.mean())


def test_two_halves_merged_equal_the_whole():
    whole, first, second = (fed(PxAP(), rows)[0] for rows in (slice(None), slice(0, 5), slice(5, 12)))
    first.merge_state(second)
    assert first.compute() == whole.compute()
    assert first.result(rng()) == whole.result(rng())


def test_masks_without_foreground_are_refused():
    metric = PxAP(0.1)
    metric.update([torch.rand(7, 7)], [(np.zeros((9, 9), bool), np.zeros((9, 9), bool))])
    with pytest.raises(CamkitError, match="needs foreground pixels"):
        metric.compute()


@pytest.mark.parametrize("step", [0, -0.1, 1.5])
def test_steps_out_of_range_are_refused(step):
    with pytest.raises(CamkitError, match="step is"):
        PxAP(step)
