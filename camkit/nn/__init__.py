"""Modules that live inside networks."""

from camkit.nn.class_maps import ClassMaps2d
from camkit.nn.pooling import (
    GlobalAvgPool2d,
    GlobalMaxPool2d,
    LogSumExpPool2d,
    ThresholdedAvgPool2d,
    make_pool,
    pool_name,
)
from camkit.nn.wildcat import ScoreAvgPool2d, ScorePool2d, WildcatPool2d

__all__ = [
    "ClassMaps2d",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "LogSumExpPool2d",
    "ScoreAvgPool2d",
    "ScorePool2d",
    "ThresholdedAvgPool2d",
    "WildcatPool2d",
    "make_pool",
    "pool_name",
]
