"""Measures of localization: torchmetrics classes over pure functions, each figure with its interval."""

from camkit.metrics.comparison import Comparison, compare
from camkit.metrics.groups import ByClass, BySize
from camkit.metrics.intervals import Estimate
from camkit.metrics.iou import half_open_iou, inclusive_iou
from camkit.metrics.localization import Coverage, GTKnownLoc, MeanIoU, TopKCls, TopKLoc, coverage_verdict
from camkit.metrics.max_box_acc import MaxBoxAcc, MaxBoxAccV2
from camkit.metrics.max_box_acc_v3 import MaxBoxAccV3
from camkit.metrics.per_image import Result
from camkit.metrics.perturbation import AreaUnder
from camkit.metrics.pixel_groups import MeanPxAP, PeakIoU
from camkit.metrics.pixels import PxAP
from camkit.metrics.pointing import EnergyPointingGame, PointingGame
from camkit.metrics.ranked import RankedLoc
from camkit.metrics.regions import RegionLoc

__all__ = [
    "AreaUnder",
    "ByClass",
    "BySize",
    "Comparison",
    "Coverage",
    "EnergyPointingGame",
    "Estimate",
    "GTKnownLoc",
    "MaxBoxAcc",
    "MaxBoxAccV2",
    "MaxBoxAccV3",
    "MeanIoU",
    "MeanPxAP",
    "PeakIoU",
    "PointingGame",
    "PxAP",
    "RankedLoc",
    "RegionLoc",
    "Result",
    "TopKCls",
    "TopKLoc",
    "compare",
    "coverage_verdict",
    "half_open_iou",
    "inclusive_iou",
]
