"""Class map to box: thresholds, regions, geometry. Arrays in, arrays out: no model, no file."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from camkit.boxes.geometry import Window, box_of, pixels_inside
from camkit.boxes.regions import (
    LARGEST,
    RegionChoice,
    above,
    boxes_from_maps,
    boxes_of_regions,
    largest_region,
    ranked_regions,
)
from camkit.boxes.score_maps import Interpolation, Normalization, normalize_maps, resize_maps, stretched
from camkit.boxes.thresholds import THRESHOLDS, MaxThreshold, PercentileThreshold, Threshold, ThresholdRule

if TYPE_CHECKING:
    from camkit.boxes.taus import boxes_at_taus

__all__ = [
    "LARGEST",
    "THRESHOLDS",
    "Interpolation",
    "MaxThreshold",
    "Normalization",
    "PercentileThreshold",
    "RegionChoice",
    "Threshold",
    "ThresholdRule",
    "Window",
    "above",
    "box_of",
    "boxes_at_taus",
    "boxes_from_maps",
    "boxes_of_regions",
    "largest_region",
    "normalize_maps",
    "pixels_inside",
    "ranked_regions",
    "resize_maps",
    "stretched",
]


def __getattr__(name: str) -> Any:
    if name != "boxes_at_taus":  # numba is slow to import, and one threshold does not need it
        raise AttributeError(f"module 'camkit.boxes' has no attribute {name!r}")
    return import_module("camkit.boxes.taus").boxes_at_taus
