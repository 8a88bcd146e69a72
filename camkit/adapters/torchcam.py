"""torchcam: its extractors hook a network, and are asked after a forward pass."""

import inspect
from typing import Any

import torch

from camkit.adapters.library import Ask, Library, Method, accepted


class Torchcam(Library):
    """Class maps as its extractors give them before they normalise; of several layers fused as the library does it."""

    name = module = "torchcam"
    stretched_from = 2  # to be fused

    def methods(self) -> dict[str, Method]:
        from torchcam import methods

        return {name: one for name, one in sorted(vars(methods).items())
                if inspect.isclass(one) and one.__module__.startswith("torchcam.")}  # fmt: skip

    def maps(self, method: Method, ask: Ask) -> torch.Tensor:
        known: dict[str, Any] = {
            "target_layer": ask.layers if len(ask.layers) > 1 else ask.layers[0],
            "fc_layer": ask.classifier,
            "input_shape": tuple(ask.images.shape[1:]),
        }
        if ask.tokens is not None:
            known |= {"prefix_tokens": ask.tokens[0], "grid_shape": ask.tokens[1]}
        with method(ask.network, **accepted(method, known)) as extractor:
            scores = ask.network(ask.images)
            several = self.stretches(len(ask.layers))
            maps: list[torch.Tensor] = extractor(class_idx=ask.classes, scores=scores, normalized=several)
            return maps[0] if len(maps) == 1 else torch.as_tensor(extractor.fuse_cams(maps))
