"""What a calibration by pseudo boxes says of them."""

from dataclasses import asdict
from typing import Any

import torch

from camkit.data import AnnotatedSet
from camkit.metrics.intervals import accuracy
from camkit.metrics.iou import best_iou
from camkit.metrics.localization import is_right


def pseudo_facts(judged: AnnotatedSet, truth: AnnotatedSet) -> dict[str, Any]:
    """How many images have pseudo boxes; where there are true ones, how many of the first meet one with IoU >= 0.5.

    The true boxes take no part in the choice.
    """
    own = {(record.image, record.label): record.boxes for record in truth.records}
    right = [
        bool(is_right(best_iou(torch.from_numpy(record.boxes[:1]), own[record.image, record.label]))[0])
        for record in judged.records
        if len(own[record.image, record.label])
    ]
    known = asdict(accuracy(torch.tensor(right).numpy())) if right else None
    return {"images": len(judged.records), "gt_loc": known}


def pseudo_lines(facts: dict[str, Any] | None, images: int) -> list[str]:
    """The same in words; nothing without pseudo boxes."""
    if facts is None:
        return []
    line = f"pseudo boxes of {facts['images']} of {images} images"
    if facts["gt_loc"] is None:
        return [f"{line}; there are no true ones to hold them against"]
    value, low, high, n = (facts["gt_loc"][name] for name in ("value", "low", "high", "n"))
    return [f"{line}; {value:.2f} % ({low:.2f} to {high:.2f}; n {n}) of them meet a true box with IoU >= 0.5"]
