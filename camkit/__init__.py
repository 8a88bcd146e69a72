"""camkit: where in the picture is the class?

Class activation maps and boxes from any classifier whose logits are a linear function of pooled features. What is
named here is the whole public surface, rooms such as `camkit.models` included; it is loaded when it is first used, so
that importing camkit costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from camkit._version import __version__
from camkit.errors import CamkitError, HeadNotFound, UnreadableImage

if TYPE_CHECKING:
    from camkit import (
        analysis,
        boxes,
        cam,
        data,
        evaluation,
        figures,
        imagenet,
        inference,
        metrics,
        models,
        nn,
        output,
        training,
    )
    from camkit.batch import DecodeBatch, LocalizeBatch
    from camkit.boxes import MaxThreshold, PercentileThreshold, Threshold, boxes_from_maps
    from camkit.cam import CAM, ClassMaps, register_weighting
    from camkit.localization import Failure, Localization
    from camkit.localizer import Localizer
    from camkit.models import load_classifier
    from camkit.nn import ThresholdedAvgPool2d
    from camkit.recipe import Recipe, register_threshold

ROOM_OF = {
    "CAM": "camkit.cam",
    "ClassMaps": "camkit.cam",
    "DecodeBatch": "camkit.batch",
    "Failure": "camkit.localization",
    "Localization": "camkit.localization",
    "LocalizeBatch": "camkit.batch",
    "Localizer": "camkit.localizer",
    "MaxThreshold": "camkit.boxes",
    "PercentileThreshold": "camkit.boxes",
    "Recipe": "camkit.recipe",
    "Threshold": "camkit.boxes",
    "ThresholdedAvgPool2d": "camkit.nn",
    "register_threshold": "camkit.recipe",
    "register_weighting": "camkit.cam",
    "boxes_from_maps": "camkit.boxes",
    "load_classifier": "camkit.models",
}

ROOMS = (
    "analysis",
    "boxes",
    "cam",
    "data",
    "evaluation",
    "figures",
    "imagenet",
    "inference",
    "metrics",
    "models",
    "nn",
    "output",
    "training",
)

__all__ = [
    "CAM",
    "CamkitError",
    "ClassMaps",
    "DecodeBatch",
    "Failure",
    "HeadNotFound",
    "Localization",
    "LocalizeBatch",
    "Localizer",
    "MaxThreshold",
    "PercentileThreshold",
    "Recipe",
    "Threshold",
    "ThresholdedAvgPool2d",
    "UnreadableImage",
    "__version__",
    "analysis",
    "boxes",
    "boxes_from_maps",
    "cam",
    "data",
    "evaluation",
    "figures",
    "imagenet",
    "inference",
    "load_classifier",
    "metrics",
    "models",
    "nn",
    "output",
    "register_threshold",
    "register_weighting",
    "training",
]


def __getattr__(name: str) -> Any:
    if name in ROOMS:
        return import_module(f"camkit.{name}")
    if name not in ROOM_OF:
        raise AttributeError(f"module 'camkit' has no attribute {name!r}")
    return getattr(import_module(ROOM_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
