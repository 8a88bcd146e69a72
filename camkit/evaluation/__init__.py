"""Annotated images with a classifier, or with another tool's maps, to figures with intervals."""

from camkit.evaluation.calibrate import Calibration, calibrate
from camkit.evaluation.classes import ClassMatch, left_out_notes, match_classes
from camkit.evaluation.evaluate import Evaluation, evaluate, evaluate_maps, together
from camkit.evaluation.judge import Judged
from camkit.evaluation.predictions import Predictions, predicted_classes
from camkit.evaluation.protocols import PROTOCOLS
from camkit.evaluation.seen import Seen, seen_by, seen_in
from camkit.evaluation.walk import walk

__all__ = [
    "PROTOCOLS",
    "Calibration",
    "ClassMatch",
    "Evaluation",
    "Judged",
    "Predictions",
    "Seen",
    "calibrate",
    "evaluate",
    "evaluate_maps",
    "left_out_notes",
    "match_classes",
    "predicted_classes",
    "seen_by",
    "seen_in",
    "together",
    "walk",
]
