"""Where a classifier pools: the part of the network that takes the feature map and returns the pooled vector."""

from dataclasses import dataclass

from torch import Tensor, nn

from camkit.cam.extractor import example_images, refuse_training
from camkit.cam.logits import record
from camkit.cam.mean import find_pooled
from camkit.cam.refusal import refusal
from camkit.cam.trace import Trace, Value, between
from camkit.cam.walk import VIEWS
from camkit.errors import HeadNotFound


@dataclass(frozen=True, eq=False)
class Pooling:
    """The pooling as one forward pass met it.

    Attributes
    ----------
    module : str or None
        Name of the module that does it and nothing else; None where no module does.
    images : Tensor (2, 3, H, W)
        What the pass was shown.
    features : Tensor (2, C, h, w)
        What is pooled.
    pooled : Tensor (2, C) or (2, C, 1, 1)
        What comes out.
    """

    module: str | None
    images: Tensor
    features: Tensor
    pooled: Tensor


def find_pooling(model: nn.Module, input_size: tuple[int, int] = (224, 224)) -> Pooling:
    """Find the pooling of a classifier in eval mode.

    Raises
    ------
    HeadNotFound
        If there is no pooled feature map, or if it holds no channels times rows times columns, or is added up.
    CamkitError
        If the model is in training mode.
    """
    refuse_training(model)
    images = example_images(model, input_size)
    recorded = record(model, images)
    found = next(find_pooled(recorded.end), None)
    if found is None:
        raise HeadNotFound(refusal(recorded.end))
    feature, (start, *again) = found.feature, found.starts
    assert feature.tensor is not None
    assert start.tensor is not None
    channels = start.tensor.flatten(1).shape[1]
    if feature.tensor.ndim != 4 or feature.tensor.shape[1] != channels or found.sums or again:
        what = "sums" if found.sums else f"a map of shape {tuple(feature.tensor.shape[1:])}"
        what = f"its map {1 + len(again)} times" if again else what
        raise HeadNotFound(f"the classifier pools {what}: only the mean of a (channels, h, w) map can be replaced")
    module, pooled = module_between(recorded.trace, feature, start, recorded.end)
    assert pooled.tensor is not None
    return Pooling(module, images, feature.tensor, pooled.tensor)


def module_between(trace: Trace, feature: Value, start: Value, end: Value) -> tuple[str | None, Value]:
    """The innermost module that takes the feature map and returns the pooled vector, or a view of it, and what it is.

    Without such a module: None, and the vector.
    """
    takes = {place.module for place in feature.places if place.side == "input" and place.module}
    found = []
    for vector in (start, *views(start, end)):
        gives = {place.module for place in vector.places if place.side == "output"}
        found += [(name, vector) for name in takes & gives if trace.calls_of_module[name] == 1]
    return max(found, key=lambda pair: pair[0].count("."), default=(None, start))


def views(start: Value, end: Value) -> list[Value]:
    """What the network makes of a value by laying it out anew alone."""
    found = [start]
    for call in between([start], end):
        if call.name in VIEWS and call.parents[0] in found:
            found += call.outputs
    return found[1:]
