"""What a model returns, and where in it the logits are."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from camkit.cam.forward import one_line, slow_attention
from camkit.cam.head import Activation
from camkit.cam.mean import POOLS
from camkit.cam.trace import Trace, Value, tensors_in
from camkit.cam.walk import IMAGES, VIEWS, upstream
from camkit.errors import HeadNotFound

Output = Callable[[Any], torch.Tensor]
ACTIVATIONS: dict[str, Activation] = {
    "_softmax": "softmax",
    "_log_softmax": "log-softmax",
    "sigmoid": "sigmoid",
    "log_sigmoid_forward": "log-sigmoid",
}
CASTS = {"_to_copy", "to"}


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recorded forward pass and its logits.

    Attributes
    ----------
    trace : Trace
    end : Value
        The logits.
    returned : Tensor (2, K)
        What the model returned: the logits, or their `activation`.
    activation : Activation
    output : int or None
        See `camkit.cam.Head`.
    """

    trace: Trace
    end: Value
    returned: torch.Tensor
    activation: Activation
    output: int | None

    @property
    def spread(self) -> float:
        """The range of what the model returned."""
        return float((self.returned.amax() - self.returned.amin()).clamp(min=1e-6))


def record(model: nn.Module, images: torch.Tensor, output: Output | None = None) -> Recorded:
    """One forward pass, its logits, and their place in the record."""
    trace = Trace(model, atoms=tuple(POOLS))
    with torch.no_grad(), slow_attention(), trace:
        trace.start(images)
        returned = answer(model, images)
        number = None if output else one_of_several(returned, trace)
        logits = logits_of(returned, output, number)
    said = one_row_an_image(logits, len(images))
    end = trace.value(logits)
    if not torch.isfinite(said).all():
        raise HeadNotFound("the model returns NaN or infinite logits for ordinary images: check its weights")
    if end is None:
        why = "do not depend on the images: is this a classifier?"
        if not torch.equal(said[0], said[1]):
            why = "are not computed by PyTorch alone, and other operations (NumPy's?) cannot be followed: use tensors"
        raise HeadNotFound(f"the logits {why}")
    before, activation = before_activation(end, said.shape[1])
    return Recorded(trace, before, said, activation, number)


def answer(model: nn.Module, images: torch.Tensor) -> Any:
    """What the model returns; where it fails, the reason in one line."""
    needed = more_than_images(model)
    if needed:
        raise HeadNotFound(
            f"the model's forward wants {', '.join(needed)} beside the images: wrap it in a module whose forward takes "
            "images alone and returns logits"
        )
    try:
        return model(images)
    except (Exception, SystemExit) as error:  # other people's networks fail in their own ways
        first = next((m for m in model.modules() if isinstance(m, nn.modules.conv._ConvNd)), None)
        if isinstance(first, (nn.Conv1d, nn.Conv3d)):
            what = "sequences" if isinstance(first, nn.Conv1d) else "volumes"
            reason = f"its first layer is a {type(first).__name__}: it takes {what}, and camkit shows it images"
        else:
            reason = f"{one_line(error)}; where it takes another size, pass it as input_size"
        raise HeadNotFound(f"the model fails on images of shape {tuple(images.shape)}: {reason}") from error


def more_than_images(model: nn.Module) -> list[str]:
    """Arguments of the model's forward, after the first, that have no default."""
    try:
        _, *others = inspect.signature(model.forward).parameters.values()
    except ValueError:
        return []
    return [p.name for p in others if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]


def named_logits(returned: Any) -> torch.Tensor | None:
    """What the model itself calls logits, or the one tensor that it returns."""
    named = returned.get("logits") if isinstance(returned, Mapping) else getattr(returned, "logits", None)
    return next((t for t in (returned, named) if isinstance(t, torch.Tensor)), None)


def logits_of(returned: Any, choose: Output | None = None, number: int | None = None) -> torch.Tensor:
    """The logits in whatever a model returns.

    Parameters
    ----------
    returned : Tensor, or object, dictionary or tuple with tensors
    choose : callable, optional
        Picks them.
    number : int, optional
        Which of the tensors they are. Without it they are what the model calls logits, or the only one that has one
        row an image.

    Raises
    ------
    HeadNotFound
        Several could be meant, or none.
    """
    if choose is not None:
        return choose(returned)
    if number is not None:
        return list(tensors_in(returned))[number]
    logits = named_logits(returned)
    return logits if logits is not None else only_one(returned, candidates(returned))


def candidates(returned: Any) -> dict[int, torch.Tensor]:
    """By number, the tensors with one number or one vector an image."""
    return {i: t for i, t in enumerate(tensors_in(returned)) if t.is_floating_point() and t.ndim and rows(t, len(t))}


def only_one(returned: Any, left: dict[int, torch.Tensor]) -> torch.Tensor:
    if len(left) == 1:
        return next(iter(left.values()))
    keys = f" with the keys {', '.join(map(str, returned))}" if isinstance(returned, Mapping) else ""
    shapes = f" ({', '.join(str(tuple(t.shape)) for t in left.values())})" if left else ""
    raise HeadNotFound(
        f"the model returns a {type(returned).__name__}{keys} and camkit cannot tell which part is the logits{shapes}: "
        "let it return the logits alone, or pass output=, a function that picks them"
    )


def one_of_several(returned: Any, trace: Trace) -> int | None:
    """Which of the tensors in a tuple or a dictionary the logits are; None where the model names them.

    Probabilities that were made of another tensor of the answer do not count beside it.
    """
    if named_logits(returned) is not None:
        return None
    left = {i: t for i, t in candidates(returned).items() if len(t) == IMAGES}
    made = [trace.value(t) for t in left.values()]
    for i, t in list(left.items()):
        value = trace.value(t)
        before = before_activation(value, t[0].numel())[0] if value else None
        if before is not value and before in made:
            del left[i]
    chosen = only_one(returned, left)
    return next(i for i, t in left.items() if t is chosen)


def rows(tensor: torch.Tensor, images: int) -> bool:
    """Whether a tensor is one number or one vector an image."""
    sizes = tuple(tensor.shape)
    return sizes[:1] == (images,) and sum(size > 1 for size in sizes[1:]) <= 1


def one_row_an_image(logits: torch.Tensor, images: int) -> torch.Tensor:
    """Logits (N, K), also where the model squeezes them.

    Raises
    ------
    HeadNotFound
        There is not one number or one vector for each image.
    """
    squeezed = images == 1 and logits.ndim <= 1
    if not (squeezed or rows(logits, images)):
        raise HeadNotFound(
            f"the model returns a tensor of shape {tuple(logits.shape)} for {images} images, and not one number a "
            "class for each: is it a classifier?"
        )
    if squeezed:
        return logits.reshape(1, -1)
    return logits[:, None] if logits.ndim == 1 else logits.flatten(1)


def before_activation(end: Value, classes: int) -> tuple[Value, Activation]:
    """The logits behind a softmax or sigmoid with which the model ends, and which of them it is."""
    *_, last = upstream(end, VIEWS | CASTS)
    call = last.call
    if call is None or call.name not in ACTIVATIONS or len(call.parents) != 1:
        return end, "none"
    if "softmax" in call.name:
        axis = call.args[1] % len(last.shape)
        if last.shape[axis] != classes or axis == 0:
            return end, "none"
    return call.parents[0], ACTIVATIONS[call.name]
