"""Measures of localization: torchmetrics classes over pure functions, each figure with its interval.

A name is loaded when it is first used: torchmetrics, pandas and scipy.stats are slow to import, and localizing needs
none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

FILE_OF = {
    "AreaUnder": "perturbation",
    "ByClass": "groups",
    "BySize": "groups",
    "Comparison": "comparison",
    "Coverage": "localization",
    "EnergyPointingGame": "pointing",
    "Estimate": "intervals",
    "GTKnownLoc": "localization",
    "MaxBoxAcc": "max_box_acc",
    "MaxBoxAccV2": "max_box_acc",
    "MaxBoxAccV3": "max_box_acc_v3",
    "MeanIoU": "localization",
    "MeanPxAP": "pixel_groups",
    "PeakIoU": "pixel_groups",
    "PointingGame": "pointing",
    "PxAP": "pixels",
    "RankedLoc": "ranked",
    "RegionLoc": "regions",
    "Result": "per_image",
    "TopKCls": "localization",
    "TopKLoc": "localization",
    "compare": "comparison",
    "coverage_verdict": "localization",
    "half_open_iou": "iou",
    "inclusive_iou": "iou",
}

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


def __getattr__(name: str) -> Any:
    if name not in FILE_OF:
        raise AttributeError(f"module 'camkit.metrics' has no attribute {name!r}")
    return getattr(import_module(f"camkit.metrics.{FILE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
