"""From a model to class maps: finding the head, picking up the features, weighing the channels."""

from camkit.cam.extractor import CAM, ClassMaps, Features
from camkit.cam.head import Head
from camkit.cam.pooling import Pooling, find_pooling

__all__ = ["CAM", "ClassMaps", "Features", "Head", "Pooling", "find_pooling"]
