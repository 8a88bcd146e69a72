"""Which tokens are places of the image: followed back to the map that they were cut from, past prefixes."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from camkit.cam.layouts import numel, one_step_back, parts_of
from camkit.cam.trace import Call, Value
from camkit.cam.walk import source

LINEAR = {"addmm", "mm", "linear"}
KEEPS_MEANS = LINEAR | {"add", "sub", "mul", "div"}  # a mean of tokens stays their mean through these


@dataclass(frozen=True, eq=False)
class Tokens:
    """What the tokens of a sum over tokens are.

    Attributes
    ----------
    patches : Tensor (P,), int64
        Numbers of those that are places of the image, in raster order where `grid` is known, else as they come.
    means : Tensor (M,), int64
        Of those that are the mean of all patches.
    others : Tensor (R,), int64
        Of the rest: class tokens, registers, what the image has no place for.
    grid : tuple of int or None
        Rows and columns, where the map that the patches come from was reached.
    """

    patches: Tensor
    means: Tensor
    others: Tensor
    grid: tuple[int, int] | None = None


def tokens_of(value: Value, index: Tensor) -> Tokens | None:
    """Follow one number of each token back; None where they turn out to be numbers of one token: heads, channels.

    Parameters
    ----------
    value : Value
    index : Tensor (T,), int64
        Flat places of a number of each token, of the first image.
    """
    numbers = torch.arange(len(index))
    none = numbers[:0]
    found = Tokens(numbers, none, none)
    affine = True
    while value.call is not None:
        if (place := grid_of(value, index)) is not None:
            grid, order = place
            return replace(found, patches=found.patches[order], grid=grid)
        call = value.call
        moved = one_step_back(call, value, index[None])
        if moved is not None:
            value, index = moved[0], moved[1][0]
            continue
        if call.name == "cat":
            split = _split(call, value, index, found, affine)
            if split is None:
                break
            value, index, found = split
            continue
        step = _before(call, value, index)
        if step is None:
            break
        affine = affine and (call.name in KEEPS_MEANS) and len(call.parents) == 1
        value, index = step
        if len(index.unique()) < len(index):
            return None
    return found


def grid_of(value: Value, index: Tensor) -> tuple[tuple[int, int], Tensor] | None:
    """Rows and columns, and the tokens in raster order, where each token is a place of one map; else None."""
    at = torch.unravel_index(index, value.shape)
    varying = [axis for axis, places in enumerate(at) if bool((places != places[0]).any())]
    if len(varying) != 2 or len(value.shape) != 4:
        return None
    h, w = (value.shape[axis] for axis in varying)
    flat = at[varying[0]] * w + at[varying[1]]
    order = flat.argsort()
    return ((h, w), order) if h * w == len(index) and torch.equal(flat[order], torch.arange(h * w)) else None


def _split(call: Call, value: Value, index: Tensor, found: Tokens, affine: bool) -> tuple[Value, Tensor, Tokens] | None:
    """The part of joined tokens that has most of them; the others are means of it, or have no place."""
    parts = parts_of(call, value, index[None])
    images = [part for part in parts if isinstance(part.source, Value)]
    if not images:
        return None
    patches = max(images, key=lambda part: int(part.where.sum()))
    kept = patches.source
    assert isinstance(kept, Value)
    means, others = [found.means], [found.others]
    for part in parts:
        if part is not patches:
            mean = affine and int(part.where.sum()) == 1 and is_mean(part.source, kept)
            (means if mean else others).append(found.patches[part.where])
    return kept, patches.index[0], Tokens(found.patches[patches.where], torch.cat(means), torch.cat(others))


def is_mean(value: Value | Tensor, of: Value) -> bool:
    """Whether a value is the mean over an axis of what the other is a view of."""
    call = source(value).call if isinstance(value, Value) else None
    return call is not None and call.name == "mean" and source(call.parents[0]) is source(of)


def before_linear(call: Call, value: Value, index: Tensor) -> tuple[Value, Tensor] | None:
    """A number of each row before a linear layer, which works on rows alone; None where its weights are no parameter.

    Parameters
    ----------
    index : Tensor, int64
        Flat places of numbers that the layer makes.
    """
    x = call.args[1] if call.name == "addmm" else call.args[0]
    if not isinstance(x, Value) or len(call.parents) != 1:
        return None
    return x, (index // value.shape[-1]) * x.shape[-1]


def _before(call: Call, value: Value, index: Tensor) -> tuple[Value, Tensor] | None:
    """The tokens before an operation that works on each token alone; None for any other."""
    if not call.parents or value is not call.outputs[0]:
        return None
    if call.name in LINEAR:
        return before_linear(call, value, index)
    if call.name in {"bmm", "matmul", "convolution", "_softmax"}:
        return None
    alike = [parent for parent in call.parents if parent.shape == value.shape and numel(parent) == numel(value)]
    return (min(alike, key=lambda parent: parent.number), index) if alike else None
