"""From a model to class maps: finding the head, picking up the features, weighing the channels."""

from camkit.cam.extractor import CAM
from camkit.cam.fc import Fc, find_fc
from camkit.cam.features import ClassMaps, Features
from camkit.cam.head import Head
from camkit.cam.pooling import Pooling, find_pooling

__all__ = ["CAM", "ClassMaps", "Fc", "Features", "Head", "Pooling", "find_fc", "find_pooling"]
