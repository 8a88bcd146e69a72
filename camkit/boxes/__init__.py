"""Class map to box: thresholds, regions, geometry. Arrays in, arrays out: no model, no file."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    from camkit.boxes.taus import boxes_at_taus
    from camkit.boxes.thresholds import THRESHOLDS, MaxThreshold, PercentileThreshold, Threshold, ThresholdRule

# Loaded when first used: the command line reads thresholds without loading torch, and numba is slow to import.
MODULE_OF = {
    "Interpolation": "score_maps",
    "LARGEST": "regions",
    "MaxThreshold": "thresholds",
    "Normalization": "score_maps",
    "PercentileThreshold": "thresholds",
    "RegionChoice": "regions",
    "THRESHOLDS": "thresholds",
    "Threshold": "thresholds",
    "ThresholdRule": "thresholds",
    "Window": "geometry",
    "above": "regions",
    "box_of": "geometry",
    "boxes_at_taus": "taus",
    "boxes_from_maps": "regions",
    "boxes_of_regions": "regions",
    "largest_region": "regions",
    "normalize_maps": "score_maps",
    "pixels_inside": "geometry",
    "ranked_regions": "regions",
    "resize_maps": "score_maps",
    "stretched": "score_maps",
}

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
    if name not in MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{MODULE_OF[name]}"), name)
