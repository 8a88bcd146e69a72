"""Where numbers of a recorded pass lay before calls that only move them: views, selections, tensors that are joined.

Numbers are known by their flat places in a value.
"""

from dataclasses import dataclass
from typing import Any

import torch

from camkit.cam.trace import Call, Value
from camkit.cam.walk import VIEWS

SIZES = {"view", "_unsafe_view", "reshape", "_reshape_alias", "view_copy", "as_strided", "unflatten", "flatten"}
SAME = {"clone", "contiguous", "detach", "alias", "_to_copy", "to", "lift_fresh", "dropout"}
PICKS = {"select", "slice", "index", "index_select", "unbind", "split", "split_with_sizes", "narrow", "chunk", "expand",
         "flip", "roll", "expand_copy", "movedim", "swapaxes"}  # fmt: skip
LAYOUTS = (VIEWS | SIZES | PICKS) - SAME


def numel(value: Value) -> int:
    return torch.Size(value.shape).numel()


def without_layouts(value: Value, index: torch.Tensor) -> tuple[Value, torch.Tensor]:
    """The same numbers before they were laid out anew or picked."""
    while value.call is not None:
        before = one_step_back(value.call, value, index)
        if before is None:
            break
        value, index = before
    return value, index


def one_step_back(call: Call, value: Value, index: torch.Tensor) -> tuple[Value, torch.Tensor] | None:
    """Where numbers lay before a call that only moves numbers; None for any other call."""
    if call.name in {"cat", "stack"}:
        found = parts_of(call, value, index)
        if len(found) == 1 and isinstance(found[0].source, Value):
            return found[0].source, found[0].index
        return None
    if len(call.parents) != 1:
        return None
    (parent,) = call.parents
    if call.name in SAME:
        return parent, index
    if call.name not in LAYOUTS or call.args[:1] != (parent,):
        return None
    places = torch.arange(numel(parent)).reshape(parent.shape)
    if call.name in SIZES and call.name not in {"unflatten", "flatten"}:
        out = places.reshape(call.args[1])
    else:
        made = call.op(places, *(to_cpu(a) for a in call.args[1:]), **call.kwargs)
        out = made if isinstance(made, torch.Tensor) else made[call.outputs.index(value)]
    return parent, out.reshape(-1)[index]


def to_cpu(argument: Any) -> Any:
    if isinstance(argument, torch.Tensor):
        return argument.cpu()
    return [to_cpu(one) for one in argument] if isinstance(argument, (list, tuple)) else argument


@dataclass(frozen=True, eq=False)
class Part:
    """What one of the tensors that `cat` or `stack` join gives to a row: numbers at `index`, put where `where` is."""

    number: int
    source: Value | torch.Tensor
    index: torch.Tensor
    where: torch.Tensor


def parts_of(call: Call, value: Value, index: torch.Tensor) -> list[Part]:
    """The parts of a row of joined tensors; the numbers of both images must come from the same parts."""
    tensors = list(call.args[0])
    dim = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)
    dim %= len(value.shape)
    stacked = call.name == "stack"
    ends = torch.tensor([1 if stacked else t.shape[dim] for t in tensors]).cumsum(0)
    at = list(torch.unravel_index(index, value.shape))
    numbers = torch.bucketize(at[dim].contiguous(), ends, right=True)
    found = []
    for number in numbers.unique().tolist():
        mine = numbers == number
        where = mine[0]
        if not bool((mine == where).all()):
            return []
        inside = [axis[:, where] if axis.ndim == 2 else axis[where] for axis in at]
        inside[dim] = inside[dim] - (ends[number - 1] if number else 0)
        if stacked:
            del inside[dim]
        found.append(Part(number, tensors[number], ravel(inside, tuple(tensors[number].shape)), where))
    return found


def ravel(at: list[torch.Tensor], shape: tuple[int, ...]) -> torch.Tensor:
    flat = torch.zeros_like(at[0])
    for axis, size in zip(at, shape, strict=True):
        flat = flat * size + axis
    return flat


def broadcast(index: torch.Tensor, shape: tuple[int, ...], operand: tuple[int, ...]) -> torch.Tensor:
    """Flat places in an operand that was broadcast to a shape, for flat places in that shape."""
    at = list(torch.unravel_index(index, shape))[len(shape) - len(operand) :]
    if not operand:
        return torch.zeros_like(index)
    return ravel(
        [axis if size > 1 else torch.zeros_like(axis) for axis, size in zip(at, operand, strict=True)], operand
    )
