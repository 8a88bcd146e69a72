"""Peak IoU and mPxAP against loops over thresholds, classes and images."""

import numpy as np
import pytest
import torch

from camkit.errors import CamkitError
from camkit.metrics import MeanPxAP, PeakIoU, PxAP
from camkit.metrics.intervals import jackknife
from camkit.metrics.pixels import protocol_mask
from camkit.metrics.threshold_splits import REPORTED_MASKS
from camkit.metrics.wsol import protocol_map

STEP = 0.05


def rng(seed=0):
    return np.random.default_rng(seed)


def images(n=10, seed=5):
    draw = rng(seed)
    maps = [torch.from_numpy(draw.normal(size=(7, 7))) for _ in range(n)]
    masks = []
    for i in range(n):
        size = (60, 80) if i % 2 else (45, 30)
        masks.append((draw.random(size) < 0.3, draw.random(size) < 0.2))
    return maps, masks, torch.arange(n) % 3


def test_peak_iou_equals_a_loop_over_thresholds():
    maps, masks, _ = images()
    metric = PeakIoU(STEP)
    metric.update(maps, masks)
    best, where = 0.0, None
    for t in np.append(np.arange(0, 1, STEP), 1.0):
        met = union = 0
        for class_map, (mask, ignore) in zip(maps, masks, strict=True):
            foreground = protocol_mask(mask)
            counted = foreground | ~protocol_mask(ignore)
            above = (protocol_map(class_map) >= t) & counted
            met, union = met + (above & foreground).sum(), union + (above | foreground).sum()
        if 100 * met / union > best:
            best, where = 100 * met / union, t
    assert metric.compute().item() == pytest.approx(best)
    result = metric.result(rng())
    assert result.thresholds == pytest.approx((where,))
    assert result.threshold_split == REPORTED_MASKS
    assert result.low < result.value < result.high


def test_a_perfect_map_has_all_and_a_constant_one_the_masks_share():
    mask = np.zeros((224, 224), bool)
    mask[50:120, 30:200] = True
    for class_map, value in ((torch.from_numpy(mask).double(), 100.0), (torch.zeros(7, 7), 100 * mask.mean())):
        metric = PeakIoU()
        metric.update([class_map], [(mask, np.zeros_like(mask))])
        assert metric.compute().item() == pytest.approx(value)


def test_mean_pxap_is_the_mean_of_each_classs_own():
    maps, masks, labels = images()
    metric, own = MeanPxAP(STEP), []
    metric.update(maps, masks, labels)
    for label in range(3):
        pxap = PxAP(STEP)
        rows = [i for i in range(10) if labels[i] == label]
        pxap.update([maps[i] for i in rows], [masks[i] for i in rows])
        own.append(pxap.compute().item())
    assert metric.compute().item() == pytest.approx(np.mean(own))
    assert metric.by_class(metric.per_image()) == pytest.approx(dict(enumerate(own)))


@pytest.mark.parametrize("name", ["peak", "mean"])
def test_intervals_equal_leaving_out_one_image_after_the_other(name):
    maps, masks, labels = images()
    labels = torch.where(torch.arange(10) == 4, torch.tensor(7), labels)  # a class of one image

    def fed(rows):
        metric = PeakIoU(STEP) if name == "peak" else MeanPxAP(STEP)
        chosen = [maps[i] for i in rows], [masks[i] for i in rows]
        metric.update(*chosen, *([] if name == "peak" else [labels[rows]]))
        return metric

    whole = fed(list(range(10)))
    left_out = np.array([fed([j for j in range(10) if j != i]).compute().item() for i in range(10)])
    by_hand, found = jackknife(whole.compute().item(), left_out, (0, 100)), whole.result(rng())
    assert (found.value, found.low, found.high) == pytest.approx((by_hand.value, by_hand.low, by_hand.high))


def test_a_class_without_foreground_has_no_pxap():
    maps, masks, labels = images(4)
    empty = np.zeros((9, 9), bool)
    with_empty, without = MeanPxAP(STEP), MeanPxAP(STEP)
    with_empty.update([*maps, maps[0]], [*masks, (empty, empty)], torch.tensor([0, 0, 1, 1, 5]))
    without.update(maps, masks, torch.tensor([0, 0, 1, 1]))
    assert with_empty.compute() == without.compute()
    nothing = MeanPxAP(STEP)
    nothing.update(maps[:1], [(empty, empty)], labels[:1])
    with pytest.raises(CamkitError, match="foreground"):
        nothing.compute()


@pytest.mark.parametrize("new", [PeakIoU, MeanPxAP])
def test_two_halves_merged_equal_the_whole(new):
    def fed(rows):
        maps, masks, labels = images()
        metric = new(STEP)
        metric.update(maps[rows], masks[rows], *([labels[rows]] if new is MeanPxAP else []))
        return metric

    whole, first, second = fed(slice(None)), fed(slice(0, 4)), fed(slice(4, None))
    first.merge_state(second)
    assert first.compute() == whole.compute()
    assert first.result(rng()) == whole.result(rng())
