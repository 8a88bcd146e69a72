"""Modules that live inside networks."""

from camkit.nn.pooling import ThresholdedAvgPool2d

__all__ = ["ThresholdedAvgPool2d"]
