"""Where in the image the positions of a recorded map are centred, by the convolutions and poolings that made it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from camkit.cam.head import FeatureMap
from camkit.cam.layouts import numel, one_step_back
from camkit.cam.tokens import LINEAR, before_linear
from camkit.cam.trace import Call, Value

NORMS = {"native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_native_batch_norm_legit_no_training",
         "native_layer_norm", "_fused_rms_norm", "native_group_norm"}  # fmt: skip
ALONE = NORMS | {"hardswish", "prelu", "_prelu_kernel", "_to_copy"}  # and all that torch calls pointwise
POOLINGS = {"avg_pool2d", "max_pool2d", "max_pool2d_with_indices"}
ADAPTIVE = {"_adaptive_avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}
PADDINGS = {"constant_pad_nd", "reflection_pad2d", "replication_pad2d"}
NATURAL = 5 / 8  # positions: strides from an edge put centres half a one aside, unpadded convolutions as much inwards


@dataclass(frozen=True)
class Line:
    """Evenly spaced centres along an axis: of the i-th position `first + step * i`."""

    first: float
    step: float

    def of(self, inner: "Line") -> "Line":
        """This line's centres, of positions that lie at other positions of it."""
        return Line(self.first + self.step * inner.first, self.step * inner.step)


Lines = tuple[Line, Line]


def lies_over(feature_map: FeatureMap, image_size: tuple[int, int]) -> bool:
    """Whether each position of a map is known to be centred where it is laid over the image, but for `NATURAL` of one.

    False also where that cannot be told.
    """
    value = feature_map.value
    places = feature_map.lay_out(torch.arange(numel(value)).reshape(value.shape), image_size)
    if places.ndim != 4:
        return False
    lines = followed_back(value, places[0, 0])
    return lines is not None and all(
        lies(line, number, side) for line, number, side in zip(lines, places.shape[2:], image_size, strict=True)
    )


def lies(line: Line, number: int, side: int) -> bool:
    """Whether so many positions lie evenly over a side of so many pixels."""
    position = side / number
    i = torch.arange(number)
    off = line.first + line.step * i - ((i + 0.5) * position - 0.5)
    return float(off.abs().max()) <= NATURAL * position


def maps_handed_on(end: Value) -> dict[str, Value]:
    """What modules hand on, on the way to a value, that is known to be a map of places: (N, C, h, w) or (N, h, w, C).

    By the module's name; of several calls of a module the last.
    """
    found: dict[str, tuple[int, Value]] = {}
    seen, waiting = {end}, [end]
    while waiting:
        value = waiting.pop()
        for place in value.places if len(value.shape) == 4 else []:
            if place.side == "output" and place.call_number > found.get(place.module, (0,))[0]:
                found[place.module] = place.call_number, value
        new = {parent for parent in (value.call.parents if value.call else []) if parent not in seen}
        seen |= new
        waiting += new
    return {name: value for name, (_, value) in found.items() if is_map(value)}


def is_map(value: Value) -> bool:
    """Whether two of the axes are known to be rows and columns of the image, one after the other."""
    places = torch.arange(numel(value)).reshape(value.shape)
    return any(followed_back(value, plane) is not None for plane in (places[0, 0], places[0, :, :, 0]))


def followed_back(value: Value, index: Tensor) -> Lines | None:
    """Centres along rows and columns in the images' pixels; None where the way back to the images is not known.

    The way goes through operations that work on each position alone, of a sum through the earliest summand (what a
    residual connection adds to), and past layouts, convolutions and poolings.

    Parameters
    ----------
    value : Value
    index : Tensor (h, w), int64
        Flat places of a number of each position, of the first image.
    """
    lines: Lines = (Line(0, 1), Line(0, 1))
    while True:
        call = value.call
        if call is None or call.name in POOLINGS | ADAPTIVE | PADDINGS | {"convolution"}:
            here = plane(value, index)
            if here is None:
                return None
            lines = _within(here, lines)
            if call is None:
                return lines
            step = _window(call, value)
            if step is None:
                return None
            lines, (value,) = _within(step, lines), call.parents
            places = torch.arange(numel(value)).reshape(value.shape)
            index = places[0, 0]
            continue
        before = one_step_back(call, value, index) or _alone(call, value, index)
        if before is None:
            return None
        value, index = before


def _within(outer: Lines, inner: Lines) -> Lines:
    return outer[0].of(inner[0]), outer[1].of(inner[1])


def plane(value: Value, index: Tensor) -> Lines | None:
    """Rows and columns (N, C, H, W) at which numbers lie; None where they are no even part of one plane."""
    if len(value.shape) != 4:
        return None
    n, c, rows, columns = torch.unravel_index(index, value.shape)
    whole = bool((n == n[0, 0]).all() and (c == c[0, 0]).all())
    if not (
        whole
        and torch.equal(rows, rows[:, :1].expand_as(rows))
        and torch.equal(columns, columns[:1].expand_as(columns))
    ):
        return None
    lines = evenly(rows[:, 0]), evenly(columns[0])
    return None if lines[0] is None or lines[1] is None else (lines[0], lines[1])


def evenly(numbers: Tensor) -> Line | None:
    """Ascending numbers as a line, None where they are not evenly spaced."""
    steps = numbers.diff()
    if len(steps) and not bool((steps == steps[0]).all() and steps[0] > 0):
        return None
    return Line(float(numbers[0]), float(steps[0]) if len(steps) else 1.0)


def _window(call: Call, value: Value) -> Lines | None:
    """Centres of what a convolution, pooling or padding makes, among the rows and columns of what it takes."""
    if len(call.parents) != 1 or value is not call.outputs[0] or call.args[:1] != (call.parents[0],):
        return None
    args = list(call.args)
    if call.name in PADDINGS:
        left, _, top, _, *others = [*args[1], 0, 0, 0, 0][: max(4, len(args[1]))]
        return None if any(others) else (Line(-top, 1), Line(-left, 1))
    if call.name in ADAPTIVE:
        rows, columns = (a / b for a, b in zip(call.parents[0].shape[2:], value.shape[2:], strict=True))
        return Line((rows - 1) / 2, rows), Line((columns - 1) / 2, columns)
    if call.name == "convolution":
        _, weight, _, stride, padding, dilation, transposed, *_ = args
        if transposed:
            return None
        sizes = weight.shape[2:]
    else:
        sizes = pair(args[1])
        stride = (args[2] if len(args) > 2 else None) or sizes
        padding = args[3] if len(args) > 3 else 0
        dilation = args[4] if "max" in call.name and len(args) > 4 else 1
    first, second = (
        Line(d * (k - 1) / 2 - p, s)
        for k, s, p, d in zip(sizes, pair(stride), pair(padding), pair(dilation), strict=True)
    )
    return first, second


def pair(number: int | list[int]) -> list[int]:
    """One number a side."""
    numbers = [number] if isinstance(number, int) else list(number)
    return numbers * 2 if len(numbers) == 1 else numbers


def _alone(call: Call, value: Value, index: Tensor) -> tuple[Value, Tensor] | None:
    """The positions before an operation that works on each of them alone; None for any other."""
    if value is not call.outputs[0]:
        return None
    if call.name in LINEAR:
        return before_linear(call, value, index)
    pointwise = torch.Tag.pointwise in getattr(call.op, "tags", ())
    if not pointwise and call.name not in ALONE:
        return None
    alike = [parent for parent in call.parents if parent.shape == value.shape]
    return (min(alike, key=lambda parent: parent.number), index) if alike else None
