"""One forward pass of a model with its hand out for one tensor."""

from typing import Any

import torch
from torch import nn

from camkit.cam.trace import Place, tensors_in


def forward(model: nn.Module, images: torch.Tensor, place: Place, copy: bool = False) -> tuple[torch.Tensor, Any]:
    """The tensor at a place of a forward pass, and what the model returns.

    Parameters
    ----------
    copy : bool
        Copy the tensor as it passes: the model may go on to change it in place.
    """
    held: list[torch.Tensor] = []

    def keep(tensors: Any) -> None:
        tensor = list(tensors_in(tensors))[place.position]
        held[:] = [tensor.clone() if copy else tensor]

    module = model.get_submodule(place.module)
    if place.side == "input":
        handle = module.register_forward_pre_hook(lambda _m, a, k: keep((a, k)), with_kwargs=True)
    else:
        handle = module.register_forward_hook(lambda _m, _a, out: keep(out))
    try:
        with torch.compiler.set_stance("force_eager"):  # compiled parts would hide from the hook
            returned = model(images)
    finally:
        handle.remove()
    return held[0], returned
