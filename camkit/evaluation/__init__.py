"""Annotated images and a source of class maps, a network or a folder of maps, to figures with intervals."""

from camkit.evaluation.calibrate import Calibration, calibrate
from camkit.evaluation.classes import ClassMatch, left_out_notes, match_classes
from camkit.evaluation.codetect import ABOVE_ZERO, CoDetected, codetect
from camkit.evaluation.evaluate import evaluate
from camkit.evaluation.forward import forward_dataset
from camkit.evaluation.found import Evaluation, merge_evaluations
from camkit.evaluation.further import Further
from camkit.evaluation.grid import Crossed, Grid
from camkit.evaluation.image_evaluation import ImageEvaluation
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.insertion_deletion import insertion_deletion, require_network
from camkit.evaluation.of_boxes import BoxEvaluations, BoxOf, evaluate_boxes
from camkit.evaluation.predicted_classes import PredictedClasses, predict_classes
from camkit.evaluation.protocols import PROTOCOLS
from camkit.evaluation.source import EvaluationSource, measure_images, recipes_for

__all__ = [
    "ABOVE_ZERO",
    "PROTOCOLS",
    "BoxEvaluations",
    "BoxOf",
    "Calibration",
    "ClassMatch",
    "CoDetected",
    "Crossed",
    "Evaluation",
    "EvaluationSource",
    "Further",
    "Grid",
    "ImageEvaluation",
    "ImagePrediction",
    "PredictedClasses",
    "calibrate",
    "codetect",
    "evaluate",
    "evaluate_boxes",
    "forward_dataset",
    "insertion_deletion",
    "left_out_notes",
    "match_classes",
    "measure_images",
    "merge_evaluations",
    "predict_classes",
    "recipes_for",
    "require_network",
]
