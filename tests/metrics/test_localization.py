import numpy as np
import pytest
import torch
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from camkit.errors import CamkitError
from camkit.metrics.intervals import Estimate
from camkit.metrics.iou import inclusive_iou
from camkit.metrics.localization import Coverage, GTKnownLoc, MeanIoU, TopKCls, TopKLoc, coverage_verdict
from camkit.metrics.threshold_splits import FIXED, NO_THRESHOLD

WHOLE, HALF, LESS, NOWHERE = [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4], [0, 0, 0, 0]


def rng():
    return np.random.default_rng(0)


def test_gt_known_loc_by_hand():
    metric = GTKnownLoc()
    # IoU 1, exactly 0.5 (which counts), 0.4, no box at all, and 0.5 with the second of two ground-truth boxes.
    metric.update(torch.tensor([WHOLE, HALF, LESS, NOWHERE]), [[WHOLE]] * 4)
    metric.update(torch.tensor([HALF]), [np.array([[50, 50, 60, 60], WHOLE])])
    assert metric.compute() == 60.0
    assert metric.per_image()[:, 0].tolist() == [True, True, False, False, True]


def test_strictly_exactly_half_is_wrong():
    plain, strict, top = GTKnownLoc(), GTKnownLoc(strict=True), TopKLoc(1, strict=True)
    for metric in (plain, strict):
        metric.update(torch.tensor([WHOLE, HALF]), [[WHOLE]] * 2)
    top.update(torch.tensor([[WHOLE], [HALF]]), torch.tensor([[3], [3]]), torch.tensor([3, 3]), [[WHOLE]] * 2)
    assert (plain.compute(), strict.compute(), top.compute()) == (100, 50, 50)


def test_gt_known_loc_takes_the_protocols_iou():
    # Half open 48/100; with inclusive corners (9 x 7) / (11 x 11) = 63/121 > 0.5.
    box, truth = torch.tensor([[0, 0, 8, 6]]), [torch.tensor([WHOLE])]
    half_open, inclusive = GTKnownLoc(), GTKnownLoc(iou=inclusive_iou)
    half_open.update(box, truth)
    inclusive.update(box, truth)
    assert (half_open.compute(), inclusive.compute()) == (0.0, 100.0)


def test_top_k_loc_wants_the_class_and_its_box():
    classes = torch.tensor([[3, 1], [1, 3], [1, 3], [1, 2]])
    labels = torch.tensor([3, 3, 3, 3])
    boxes = torch.tensor([[WHOLE, LESS], [LESS, WHOLE], [WHOLE, LESS], [WHOLE, WHOLE]])
    truths = [[WHOLE]] * 4
    top1, top2 = TopKLoc(1), TopKLoc(2)
    top1.update(boxes, classes, labels, truths)
    top2.update(boxes, classes, labels, truths)
    assert top1.per_image()[:, 0].tolist() == [True, False, False, False]
    # Image 1: second guess and its own box. Image 2: the good box belongs to the wrong class.
    assert top2.per_image()[:, 0].tolist() == [True, True, False, False]


@pytest.mark.parametrize("k", [1, 5])
def test_top_k_cls_equals_torchmetrics_own(k):
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(200, 20, generator=generator), torch.randint(20, (200,), generator=generator)
    own = MulticlassAccuracy(20, top_k=k, average="micro")
    own.update(logits, labels)
    metric = TopKCls(k)
    metric.update(logits.topk(k).indices, labels)
    assert metric.compute().item() == pytest.approx(100 * own.compute().item())
    assert metric.result(rng()).threshold_split == NO_THRESHOLD


def test_too_few_predicted_classes_are_refused():
    with pytest.raises(CamkitError, match="top-5 needs"):
        TopKCls(5).update(torch.zeros(2, 3), torch.zeros(2))


def test_mean_iou_by_hand():
    metric = MeanIoU()
    metric.update(torch.tensor([WHOLE, HALF, NOWHERE]), [[WHOLE]] * 3)
    assert metric.compute() == 0.5


def test_coverage_by_hand():
    metric = Coverage("val")
    # In a 20 x 10 image the truth covers half; boxes cover half, a quarter, and nothing.
    metric.update(torch.tensor([WHOLE, HALF, NOWHERE]), [[WHOLE]] * 3, [(10, 20)] * 3)
    # In a 10 x 10 image with two ground-truth boxes, of 9 and 25 pixels, the larger counts, whichever is met.
    metric.update(torch.tensor([[0, 0, 3, 4]]), [[[0, 0, 3, 3], [5, 5, 10, 10]]], [(10, 10)])
    shares = {name: value.item() for name, value in metric.compute().items()}
    assert shares == pytest.approx(
        {"predicted": (0.5 + 0.25 + 0 + 0.12) / 4, "truth": (1.5 + 0.25) / 4, "excess": (-0.25 - 0.5 - 0.13) / 4}
    )
    results = metric.result(rng())
    assert {result.threshold_split for result in results.values()} == {"val"}
    assert results["excess"].value == pytest.approx(shares["excess"])


def test_the_truths_share_is_the_same_for_every_recipe():
    truths, shares = [[[0, 0, 3, 3], [5, 5, 10, 10]]] * 3, []
    for boxes in ([[0, 0, 3, 3]] * 3, [[5, 5, 10, 10]] * 3, [NOWHERE, [0, 0, 3, 3], WHOLE]):
        metric = Coverage()
        metric.update(torch.tensor(boxes), truths, [(10, 10)] * 3)
        shares.append(metric.compute()["truth"].item())
    assert shares == pytest.approx([0.25] * 3)


def test_coverage_verdict_needs_an_interval_off_zero():
    assert coverage_verdict(Estimate(-0.2, -0.3, -0.1, 50)) == "too little"
    assert coverage_verdict(Estimate(-0.2, -0.5, 0.1, 50)) == "undecided"
    assert coverage_verdict(Estimate(0.2, 0.1, 0.3, 50)) == "too much"


def test_results_say_where_the_threshold_was_chosen():
    for metric, split in ((GTKnownLoc(), FIXED), (GTKnownLoc("val"), "val"), (MeanIoU("train"), "train")):
        metric.update(torch.tensor([WHOLE] * 12 + [LESS] * 12), [[WHOLE]] * 24)
        result = metric.result(rng())
        assert (result.threshold_split, result.n) == (split, 24)
        assert result.value == pytest.approx(metric.compute().item())
        assert result.low < result.value < result.high


def images(n):
    """Two predicted boxes and classes an image, labels, ground truth of one box, sizes; all drawn."""
    generator = torch.Generator().manual_seed(1)
    corners = torch.randint(0, 10, (n, 3, 4), generator=generator)
    boxes = torch.cat([corners[..., :2], corners[..., :2] + 5 + corners[..., 2:]], dim=-1)
    classes = torch.stack([torch.randperm(5, generator=generator)[:2] for _ in range(n)])
    labels = torch.randint(5, (n,), generator=generator)
    return boxes[:, :2], classes, labels, [boxes[i, 2:] for i in range(n)], [(30, 40)] * n


@pytest.mark.parametrize(
    ("new", "arguments"),
    [
        (GTKnownLoc, lambda boxes, classes, labels, truths, sizes: (boxes[:, 0], truths)),
        (lambda: TopKLoc(2), lambda boxes, classes, labels, truths, sizes: (boxes, classes, labels, truths)),
        (lambda: TopKCls(2), lambda boxes, classes, labels, truths, sizes: (classes, labels)),
        (MeanIoU, lambda boxes, classes, labels, truths, sizes: (boxes[:, 0], truths)),
        (Coverage, lambda boxes, classes, labels, truths, sizes: (boxes[:, 0], truths, sizes)),
    ],
)
def test_two_halves_merged_equal_the_whole(new, arguments):
    def fed(rows):
        metric = new()
        metric.update(*arguments(*(column[rows] for column in images(40))))
        return metric

    whole, first, second = fed(slice(0, 40)), fed(slice(0, 13)), fed(slice(13, 40))
    second.merge_state(first)
    assert second.result(rng()) == whole.result(rng())
    assert str(second.compute()) == str(whole.compute())


def test_metrics_in_a_collection_stay_apart_though_their_first_batch_is_the_same():
    collection = MetricCollection({"top1": TopKLoc(1), "top2": TopKLoc(2), "inclusive": TopKLoc(1, iou=inclusive_iou)})
    classes, labels = torch.tensor([[3, 1]]), torch.tensor([3])
    collection.update(torch.tensor([[WHOLE, WHOLE]]), classes, labels, [[WHOLE]])
    collection.update(torch.tensor([[WHOLE, WHOLE]]), classes.flip(1), labels, [[WHOLE]])
    collection.update(torch.tensor([[[0, 0, 8, 6], NOWHERE]]), classes, labels, [[WHOLE]])
    right = {name: value.item() * 3 / 100 for name, value in collection.compute().items()}
    assert right == pytest.approx({"top1": 1, "top2": 2, "inclusive": 2})


def test_boxes_and_ground_truth_must_belong_together():
    with pytest.raises(CamkitError, match="3 images have boxes, 2 have ground truth"):
        GTKnownLoc().update(torch.tensor([WHOLE] * 3), [[WHOLE]] * 2)
    with pytest.raises(CamkitError, match="at least one box an image"):
        GTKnownLoc().update(torch.tensor([WHOLE]), [np.zeros((0, 4))])


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric GTKnownLoc")
def test_no_image_is_refused():
    with pytest.raises(CamkitError, match="GTKnownLoc has seen no image"):
        GTKnownLoc().compute()
    with pytest.raises(CamkitError, match="GTKnownLoc has seen no image"):
        GTKnownLoc().result(rng())
