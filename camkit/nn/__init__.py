"""Modules that live inside networks."""

from camkit.nn.pooling import (
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    LogSumExpPool2d,
    ThresholdedAvgPool2d,
    make_pool,
    pool_name,
)

__all__ = ["GlobalAvgPool2d", "GlobalMaxPool2d", "LogSumExpPool2d", "ThresholdedAvgPool2d", "make_pool", "pool_name"]
