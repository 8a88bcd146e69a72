"""What a model returns, and where in it the logits are."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from camkit.cam.trace import tensors_in
from camkit.errors import HeadNotFound

Output = Callable[[Any], torch.Tensor]


def answer(model: nn.Module, images: torch.Tensor) -> Any:
    """What the model returns; where it fails, the reason in one line."""
    try:
        return model(images)
    except Exception as error:  # other people's networks fail in their own ways
        raise HeadNotFound(
            f"the model fails on images of shape {tuple(images.shape)}: {one_line(error)}; "
            "pass the input_size that it takes"
        ) from error


def one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def logits_of(output: Any, choose: Output | None = None) -> torch.Tensor:
    """The logits (N, K) in whatever a model returns: a tensor, an object with ``.logits``, a tuple, a dictionary."""
    if choose is not None:
        output = choose(output)
    if isinstance(output, torch.Tensor):
        return output
    for holder in (getattr(output, "logits", None), output.get("logits") if isinstance(output, Mapping) else None):
        if isinstance(holder, torch.Tensor):
            return holder
    candidates = [t for t in tensors_in(output) if t.ndim == 2 and t.is_floating_point()]
    if len(candidates) == 1 or (candidates and isinstance(output, tuple)):
        return candidates[0]
    keys = f" with the keys {', '.join(map(str, output))}" if isinstance(output, Mapping) else ""
    raise HeadNotFound(
        f"the model returns a {type(output).__name__}{keys} and camkit cannot tell which part is the logits: "
        "pass output=, a function that picks them"
    )
