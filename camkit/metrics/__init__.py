"""Measures of localization: torchmetrics classes over pure functions, each figure with its interval."""

from camkit.metrics.comparison import Comparison, compare
from camkit.metrics.intervals import Estimate
from camkit.metrics.iou import half_open_iou, inclusive_iou
from camkit.metrics.localization import Coverage, GTKnownLoc, MeanIoU, TopKCls, TopKLoc, coverage_verdict
from camkit.metrics.max_box_acc import MaxBoxAcc, MaxBoxAccV2
from camkit.metrics.per_image import Result
from camkit.metrics.pixels import PxAP

__all__ = [
    "Comparison",
    "Coverage",
    "Estimate",
    "GTKnownLoc",
    "MaxBoxAcc",
    "MaxBoxAccV2",
    "MeanIoU",
    "PxAP",
    "Result",
    "TopKCls",
    "TopKLoc",
    "compare",
    "coverage_verdict",
    "half_open_iou",
    "inclusive_iou",
]
