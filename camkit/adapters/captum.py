"""captum: attributions to a layer or to the input, of which the sum over channels is the class map."""

import inspect
from typing import Any

import torch

from camkit.adapters.library import MANY, Ask, Library, Method, accepted, parameters, required

REGIONS = 8  # squares along a side of the input, where a method takes away parts of it
STEPS = 16  # images at a time of those that a method makes of one
ENDLESS = {"ShapleyValues"}  # goes through all orders of its features
OPTIONAL = {"inputs", "baselines", "sliding_window_shapes"}  # what an attribution may insist on


class Captum(Library):
    """Class maps by captum: attributions with the library's own settings, summed over channels or colours.

    Where a baseline has to be named it is zero, the mean colour, which is captum's own elsewhere. What takes away parts
    of the input takes away squares, an eighth of its side each; what takes away parts of a layer takes away positions.
    """

    name = module = "captum"
    stretched_from = MANY

    def methods(self) -> dict[str, Method]:
        from captum import attr

        there: dict[str, Any] = vars(attr)
        return {name: one for name, one in sorted(there.items()) if name not in ENDLESS and is_attribution(one)}

    def maps(self, method: Method, ask: Ask) -> torch.Tensor:
        attribution = method(ask.network, *ask.layers)
        attribute = attribution.attribute
        known: dict[str, Any] = {"target": torch.tensor(ask.classes, device=ask.images.device),
                                 "internal_batch_size": STEPS}  # fmt: skip
        channels, height, width = ask.images.shape[1:]
        side = max(1, height // REGIONS), max(1, width // REGIONS)
        if "baselines" in required(attribute):
            known["baselines"] = ask.images.new_zeros(2, channels, height, width)
        if "sliding_window_shapes" in required(attribute):
            half = tuple(max(1, one // 2) for one in side)
            known |= {"sliding_window_shapes": (channels, *side), "strides": (channels, *half)}
        elif "feature_mask" in parameters(attribute):
            known["feature_mask"] = squares(height, width, side, ask.images.device)
        if "layer_mask" in parameters(attribute):
            known["layer_mask"] = self._positions(ask)
        found = attribute(ask.images, **accepted(attribute, known))
        if isinstance(found, tuple):
            (found,) = found
        return torch.as_tensor(found).detach().sum(1)

    @staticmethod
    def _positions(ask: Ask) -> torch.Tensor:
        """A number for each position of the layer, the same in all its channels, (1, 1, h, w)."""
        from captum.attr import LayerActivation

        h, w = LayerActivation(ask.network, *ask.layers).attribute(ask.images).shape[-2:]
        return torch.arange(h * w, device=ask.images.device).reshape(1, 1, h, w)


def is_attribution(one: Any) -> bool:
    """Whether a name of captum's is an attribution to the input or to a layer that needs no more than is known."""
    from captum import attr

    if not (inspect.isclass(one) and issubclass(one, attr.Attribution)):
        return False
    attribute = getattr(one, "attribute", None)
    return (
        callable(attribute)
        and "inputs" in parameters(attribute)
        and required(one) <= {"forward_func", "model", "layer"}
        and required(attribute) <= OPTIONAL
    )


def squares(height: int, width: int, side: tuple[int, int], device: torch.device) -> torch.Tensor:
    """A number for each square of the input, (1, 1, height, width), in raster order."""
    rows = torch.arange(height, device=device) // side[0]
    columns = torch.arange(width, device=device) // side[1]
    return (rows[:, None] * (int(columns[-1]) + 1) + columns)[None, None]
