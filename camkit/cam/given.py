"""A head that the caller names instead of having it searched."""

from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import nn

from camkit.cam.affine import tolerance
from camkit.cam.head import FeatureMap, Head
from camkit.cam.logits import Output, answer, before_activation, logits_of, one_of_several, one_row_an_image
from camkit.cam.trace import Trace, in_this_thread, release, tensors_in
from camkit.cam.walk import IMAGES
from camkit.errors import CamkitError


def find_given(
    model: nn.Module, images: torch.Tensor, features: str, classifier: str, output: Output | None = None
) -> Head:
    """A head that the caller names: the mean of one module's output, times another module's weight.

    Raises
    ------
    CamkitError
        If a module of that name does not exist or is of no use here.
    """
    weight, bias = _linear_layer(model, features, classifier)
    trace = Trace(model)
    with torch.no_grad(), trace:
        trace.start(images)
        held: list[torch.Tensor] = []
        keep = in_this_thread(lambda _m, _a, out: held.extend(tensors_in(out)))
        handle = model.get_submodule(features).register_forward_hook(keep)
        try:
            returned = answer(model, images)
            number = None if output else one_of_several(returned, trace)
            logits = logits_of(returned, output, number)
        finally:
            handle.remove()
    said = one_row_an_image(logits, len(images))
    end = trace.value(logits)
    activation = before_activation(end, said.shape[1])[1] if end else "none"
    value = trace.value(held[-1]) if held else None
    place = trace.place_of(value) if value else None
    if value is None or place is None or held[-1].ndim not in {3, 4}:
        raise CamkitError(f"--head features={features}: it gives no map of positions")
    axes = [axis for axis in range(1, held[-1].ndim) if held[-1].shape[axis] == weight.shape[1]]
    if not axes:
        raise CamkitError(
            f"--head: {features} gives {tuple(held[-1].shape[1:])}, and {classifier} wants {weight.shape[1]} channels"
        )
    feature_map = FeatureMap(place, [], value, value, axes[0], IMAGES, tokens=held[-1].ndim == 3)
    value.tensor = held[-1]
    zero = weight.new_zeros(len(weight))
    offset = zero if bias is None else bias
    features_map = feature_map.read(held[-1], (images.shape[-2], images.shape[-1]))
    head = Head("given", feature_map, classifier, weight, offset, zero, None, activation=activation, output=number)
    total = head.answer(head.logits(head.pooled(features_map)))
    error = float("nan")
    if total.shape == said.shape:
        error = float((total - said).abs().max() / (said.amax() - said.amin()).clamp(min=1e-6))
    if activation != "none" and not error <= tolerance(said):
        raise CamkitError(
            f"--head: the model ends in {activation}, and the named head misses what it returns by {error:.1e} of its "
            "range: let the model return logits"
        )
    release([], value)
    return replace(head, map_size=(features_map.shape[2], features_map.shape[3]), completeness=error)


def _linear_layer(model: nn.Module, features: str, classifier: str) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The weight (K, C) and bias (K,) of the named classifier; both names must be modules of the model."""
    modules = dict(model.named_modules())
    for name in (features, classifier):
        if name not in modules:
            near = get_close_matches(name, modules, 3, 0.4) or [child for child, _ in model.named_children()]
            raise CamkitError(f"--head names {name!r}, which is no module of the model; it has {', '.join(near)}")
    weight, bias = getattr(modules[classifier], "weight", None), getattr(modules[classifier], "bias", None)
    if not isinstance(weight, torch.Tensor) or weight.flatten(1).shape[1] != weight.shape[1]:
        raise CamkitError(f"--head classifier={classifier}: it is no linear layer and no 1x1 convolution")
    return weight.detach().flatten(1), None if bias is None else bias.detach()
