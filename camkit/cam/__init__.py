"""From a model to class maps: finding the head, picking up the features, weighing the channels."""

import camkit.cam.combinations  # noqa: F401 - registers its weightings
from camkit.cam.class_maps import ClassMaps
from camkit.cam.extractor import CAM
from camkit.cam.fc import Fc, find_fc
from camkit.cam.features import Features
from camkit.cam.head import Head
from camkit.cam.pooling import Pooling, find_pooling
from camkit.cam.prediction import Prediction
from camkit.cam.principal import Direction, Moments
from camkit.cam.relu_maps import relu_maps
from camkit.cam.source import FunctionMaps, MapFunction, MapsBy, MapsByFunction, MapSource
from camkit.cam.two_heads import FusedMaps, TwoHeads, heads_of
from camkit.cam.views import AveragedMaps, Views
from camkit.cam.weightings import (
    WEIGHTINGS,
    ClassWeights,
    Domain,
    Weighting,
    built_in_weightings,
    refuse_undefined,
    refuse_unfit,
    register_weighting,
    weighting_named,
    why_not,
)

__all__ = [
    "CAM",
    "WEIGHTINGS",
    "AveragedMaps",
    "ClassMaps",
    "ClassWeights",
    "Direction",
    "Domain",
    "Fc",
    "Features",
    "FunctionMaps",
    "FusedMaps",
    "Head",
    "MapFunction",
    "MapSource",
    "MapsBy",
    "MapsByFunction",
    "Moments",
    "Pooling",
    "Prediction",
    "TwoHeads",
    "Views",
    "Weighting",
    "built_in_weightings",
    "find_fc",
    "find_pooling",
    "heads_of",
    "refuse_undefined",
    "refuse_unfit",
    "register_weighting",
    "relu_maps",
    "weighting_named",
    "why_not",
]
