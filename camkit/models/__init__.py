"""Classifiers by name, and weights read from files that never run code."""

from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import Classifier
from camkit.models.fc import with_fc
from camkit.models.registry import load_classifier, model_names
from camkit.models.stride import set_output_stride
from camkit.models.tiny import TinyResNet

__all__ = ["Classifier", "TinyResNet", "load_classifier", "load_weights", "model_names", "read_weights",
           "set_output_stride", "with_fc"]  # fmt: skip
