"""Class map to box: thresholds, regions, geometry. Arrays in, arrays out: no model, no file."""

from camkit.boxes.geometry import Window, box_of, pixels_inside
from camkit.boxes.regions import boxes_by_size, boxes_from_maps, largest_region
from camkit.boxes.score_maps import Interpolation, Normalization, normalize_maps, resize_maps, stretched
from camkit.boxes.taus import boxes_at_taus
from camkit.boxes.thresholds import THRESHOLDS, MaxThreshold, PercentileThreshold, Threshold, ThresholdRule

__all__ = [
    "THRESHOLDS",
    "Interpolation",
    "MaxThreshold",
    "Normalization",
    "PercentileThreshold",
    "Threshold",
    "ThresholdRule",
    "Window",
    "box_of",
    "boxes_at_taus",
    "boxes_by_size",
    "boxes_from_maps",
    "largest_region",
    "normalize_maps",
    "pixels_inside",
    "resize_maps",
    "stretched",
]
