"""From a model to class maps: finding the head, picking up the features, weighing the channels."""

from camkit.cam.class_maps import ClassMaps
from camkit.cam.extractor import CAM
from camkit.cam.fc import Fc, find_fc
from camkit.cam.features import Features
from camkit.cam.head import Head
from camkit.cam.pooling import Pooling, find_pooling
from camkit.cam.prediction import Prediction
from camkit.cam.source import FunctionMaps, MapFunction, MapSource
from camkit.cam.weightings import WEIGHTINGS, ClassWeights, Weighting, register_weighting, weighting_named

__all__ = [
    "CAM",
    "WEIGHTINGS",
    "ClassMaps",
    "ClassWeights",
    "Fc",
    "Features",
    "FunctionMaps",
    "Head",
    "MapFunction",
    "MapSource",
    "Pooling",
    "Prediction",
    "Weighting",
    "find_fc",
    "find_pooling",
    "register_weighting",
    "weighting_named",
]
