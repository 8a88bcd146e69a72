"""What a vector of a recorded pass is a sum of: linear operations, followed back row by row to where they end.

A row is the part of a value that one vector is made of: a token's channels, say. It is known by the flat places of its
numbers, so that views, selections and layouts need no names. Norms are followed too: their number is held fixed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from camkit.cam.layouts import broadcast, numel, parts_of, without_layouts
from camkit.cam.row_steps import ByNumber, Combined, Constant, Joined, Linear, Norm, Scaled, Step
from camkit.cam.trace import Call, Value
from camkit.cam.walk import IMAGES

MOST_HEADS = 16  # that are averaged; more are tokens
MEANS = {"mean", "_adaptive_avg_pool2d", "adaptive_avg_pool2d"}


@dataclass(eq=False, repr=False)  # rows share parents: written out, they would never end
class Row:
    """A vector an image that is part of a recorded value.

    Attributes
    ----------
    value : Value
    index : Tensor (IMAGES, D), int64
        Flat places of its numbers, for each recorded image.
    step : Step or None
        How it is made of its parents' rows; None at the end of the linear way.
    parents : tuple of Row
    """

    value: Value
    index: torch.Tensor
    step: Step | None = None
    parents: tuple["Row", ...] = ()


def rows_of(vector: Value) -> list[Row]:
    """All rows that a vector an image (IMAGES, C) is linearly made of, in the order in which the calls made them."""
    known: dict[tuple[Value, bytes], Row] = {}
    waiting: list[Row] = []

    def row(value: Value, index: torch.Tensor) -> Row:
        value, index = without_layouts(value, index)
        key = (value, index.numpy().tobytes())
        if key not in known:
            known[key] = Row(value, index)
            waiting.append(known[key])
        return known[key]

    last = row(vector, torch.arange(numel(vector)).reshape(IMAGES, -1))
    while waiting:
        one = waiting.pop()
        made = one.value.call and step_of(one.value.call, one.value, one.index)
        if made:
            one.step, parents = made
            one.parents = tuple(row(*parent) for parent in parents)
    return sorted((one for one in known.values()), key=lambda one: (one.value.number, one is last))


def single(index: torch.Tensor) -> bool:
    """Whether a row is one number an image, over and over."""
    return bool((index == index[:, :1]).all())


Made = tuple[Step, list[tuple[Value, torch.Tensor]]]


def step_of(call: Call, value: Value, index: torch.Tensor) -> Made | None:
    """How a call makes this row of others; None where that is not linear, with norms' numbers held fixed."""
    if value is not call.outputs[0]:
        return None
    made = STEPS.get(call.name)
    return made(call, value, index) if made else None


def _operand(call: Call, value: Value, index: torch.Tensor, number: int) -> tuple[Any, torch.Tensor | None]:
    """A Value with its row's places, a `Constant` of the row, or a plain number."""
    one = call.args[number]
    if isinstance(one, Value):
        return one, broadcast(index, value.shape, one.shape)
    if isinstance(one, torch.Tensor):
        return Constant(one, broadcast(index[:1], value.shape, tuple(one.shape))[0]), None
    return one, None


def _sum(call: Call, value: Value, index: torch.Tensor) -> Made | None:
    signs = [1.0, float(call.kwargs.get("alpha", 1)) * (-1 if call.name == "sub" else 1)]
    factors, constants, parents = [], [], []
    for number, sign in enumerate(signs):
        operand, at = _operand(call, value, index, number)
        if at is not None:
            parents.append((operand, at))
            factors.append(sign)
        else:
            constants.append((sign, operand))
    return Combined(tuple(factors), tuple(constants)), parents


def _product(call: Call, value: Value, index: torch.Tensor) -> Made | None:
    (a, at_a), (b, at_b) = (_operand(call, value, index, number) for number in (0, 1))
    divides = call.name == "div"
    if call.kwargs or (divides and at_a is None):
        return None
    if at_a is not None and at_b is not None:
        if not divides and single(at_a) and not single(at_b):
            (a, at_a), (b, at_b) = (b, at_b), (a, at_a)
        if not single(at_b) or index.shape[1] == 1:
            return None
        return ByNumber(divides), [(a, at_a), (b, at_b[:, :1])]
    (x, at), factor = ((a, at_a), b) if at_a is not None else ((b, at_b), a)
    assert at is not None
    return Scaled(factor, divides), [(x, at)]


def _negative(call: Call, _value: Value, index: torch.Tensor) -> Made:
    return Combined((-1.0,), ()), [(call.args[0], index)]


def _linear(call: Call, _value: Value, index: torch.Tensor) -> Made | None:
    if call.name == "addmm":
        bias, x, weight = call.args[:3]
        weight = weight.t() if isinstance(weight, torch.Tensor) else weight
    elif call.name == "mm":
        (x, weight), bias = call.args[:2], None
        weight = weight.t() if isinstance(weight, torch.Tensor) else weight
    else:
        x, weight, bias = (*call.args, None)[:3]
    plain = isinstance(weight, torch.Tensor) and not isinstance(bias, Value) and isinstance(x, Value)
    if not plain or weight.ndim != 2 or call.kwargs:
        return None
    outputs, inputs = weight.shape
    rows, columns = index // outputs, index % outputs
    if not single(rows) or not bool((columns == columns[:1]).all()):
        return None
    if isinstance(bias, torch.Tensor) and bias.numel() != outputs:
        return None
    whole = torch.equal(columns[0], torch.arange(outputs))
    return Linear(weight, bias, None if whole else columns[0]), [(x, rows[:, :1] * inputs + torch.arange(inputs))]


def _layer_norm(call: Call, _value: Value, index: torch.Tensor) -> Made | None:
    x, shape, weight, bias, eps = call.args
    width = torch.Size(shape).numel()
    rows, columns = index // width, index % width
    if not single(rows) or not bool((columns == columns[:1]).all()):
        return None
    return Norm(weight, bias, eps, columns[0]), [(x, rows[:, :1] * width + torch.arange(width))]


def _joined(call: Call, value: Value, index: torch.Tensor) -> Made | None:
    found = parts_of(call, value, index)
    if not found:
        return None
    parents: list[tuple[Value, torch.Tensor]] = []
    pieces: list[tuple[torch.Tensor, Constant | None]] = []
    for part in found:
        if isinstance(part.source, Value):
            parents.append((part.source, part.index))
            pieces.append((part.where, None))
        else:
            pieces.append((part.where, Constant(part.source, part.index[0])))
    return (Joined(index.shape[1], tuple(pieces)), parents) if parents else None


def _mean(call: Call, value: Value, index: torch.Tensor) -> Made | None:
    """Of rows that were stacked: heads averaged, say. A mean over the positions of one value is no such step."""
    every = reduced(call, value, index)
    if every is None:
        return None
    (x,) = call.parents
    joined = without_layouts(x, torch.stack(every, 1).flatten(1))[0].call
    if joined is None or joined.name not in {"cat", "stack"} or len(every) > MOST_HEADS:
        return None
    parents = [without_layouts(x, one) for one in every]
    if len({parent for parent, _ in parents}) < len(parents):
        return None
    factor = 1 / len(parents) if call.name in MEANS else 1.0
    return Combined((factor,) * len(parents), ()), parents


def reduced(call: Call, value: Value, index: torch.Tensor) -> list[torch.Tensor] | None:
    """Flat places (IMAGES, D) of everything that a mean or sum takes together for a row, one for each that is taken."""
    if len(call.parents) != 1 or call.args[:1] != (call.parents[0],) or call.kwargs.get("dtype"):
        return None
    (x,) = call.parents
    if "pool" in call.name:
        axes = [len(x.shape) - 2, len(x.shape) - 1] if tuple(call.args[1]) == (1, 1) else []
    else:
        given = call.args[1] if len(call.args) > 1 else call.kwargs.get("dim")
        axes = (
            []
            if given is None
            else [a % len(x.shape) for a in (given if isinstance(given, (list, tuple)) else [given])]
        )
    if not axes:
        return None
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    places = torch.arange(numel(x)).reshape(x.shape).permute(*axes, *kept)
    flat = places.reshape(-1, numel(value))
    return [one[index] for one in flat]


STEPS: dict[str, Callable[[Call, Value, torch.Tensor], Made | None]] = {
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "div": _product,
    "neg": _negative,
    "addmm": _linear,
    "mm": _linear,
    "linear": _linear,
    "native_layer_norm": _layer_norm,
    "cat": _joined,
    "stack": _joined,
    "mean": _mean,
    "sum": _mean,
}


def below(row: Row) -> Iterator[Row]:
    """The row and all that it is made of, each once."""
    seen, waiting = {row}, [row]
    while waiting:
        one = waiting.pop()
        yield one
        new = [parent for parent in one.parents if parent not in seen]
        seen.update(new)
        waiting += new
