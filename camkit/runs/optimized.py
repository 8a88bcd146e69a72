"""What a run says of the faster copy of its network."""

from dataclasses import asdict
from typing import Any

from camkit.inference import Inference, Precision, pick_device
from camkit.models import Classifier
from camkit.models.optimize import NOTHING


def optimizes(classifier: Classifier, device: str, precision: Precision) -> bool:
    """Whether a faster copy is tried without being asked for: where its answer can be the same, and it was measured."""
    return precision == "fp32" and classifier.maps_by is None and pick_device(device).type == "cpu"


def outcome_of(inference: Inference) -> dict[str, Any] | None:
    """What became of the faster copy, as JSON can hold it; None where there was none, or no image."""
    outcome = inference.optimized and inference.optimized.outcome
    return asdict(outcome) if outcome else None


def optimize_lines(inference: Inference, *, asked: bool) -> list[str]:
    """That the network was left as it is, and why."""
    outcome = inference.optimized and inference.optimized.outcome
    if not outcome or not outcome.reason or (outcome.reason == NOTHING and not asked):
        return []
    return [f"note: the network is used as it is, without --optimize: {outcome.reason}"]
