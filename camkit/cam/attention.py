"""Attention in a recorded pass: values that a row is a sum of, and their weights, also where a kernel hides them."""

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from camkit.cam.layouts import broadcast, without_layouts
from camkit.cam.rows import MEANS, Row, reduced
from camkit.cam.trace import Call, Value
from camkit.cam.walk import IMAGES

FUSED = {
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
    "_scaled_dot_product_attention_math",
    "scaled_dot_product_attention",
}
SOFTMAX = {"_softmax", "_safe_softmax", "softmax"}

Known = dict[Value, Tensor]
Like = int | Literal["mean"] | None  # whose weight each token has: its own, that of one token, or the mean of all


class Sum(Protocol):
    """A row that is a sum over tokens: of values that attention weighs, or of all tokens alike.

    Attributes
    ----------
    needs : list of Value
        What it is computed of.
    tokens : Tensor (T,)
        A flat place of each token in `values`, of the first image, to follow tokens back to the image.
    values : Value
    alone : bool
        Whether no token but the one that the row is of asks.
    """

    @property
    def needs(self) -> list[Value]: ...

    @property
    def values(self) -> Value: ...

    @property
    def tokens(self) -> Tensor: ...

    @property
    def alone(self) -> bool: ...

    def terms(self, known: Known, like: Like = None) -> Tensor:
        """What each token adds to the row, (IMAGES, T, D); or would, with the weight of the token `like`."""


@dataclass(frozen=True, eq=False)
class FusedAttention:
    """``softmax(scale * q k + mask) v`` by a kernel that does not hand the weights on: they are computed again.

    Attributes
    ----------
    query, key, values : Value or Tensor (IMAGES, heads, tokens, width)
    mask : Value, Tensor or None
        Added to the scores; of truth values, where they count.
    causal : bool
    scale : float or None
    asked : int
        The token whose query the row answers.
    columns : Tensor (D,)
        Which numbers of (heads, width) the row is.
    tokens : Tensor (T,)
    """

    query: Value | Tensor
    key: Value | Tensor
    values: Value
    mask: Value | Tensor | None
    causal: bool
    scale: float | None
    asked: int
    columns: Tensor
    tokens: Tensor
    alone: bool

    @property
    def needs(self) -> list[Value]:
        return [one for one in (self.query, self.key, self.values, self.mask) if isinstance(one, Value)]

    def weights(self, known: Known) -> Tensor:
        """Attention's weights, (IMAGES, heads, T); each sums to 1."""
        query, key = (precise(_of(one, known)) for one in (self.query, self.key))
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
        scale = 1 / math.sqrt(query.shape[-1]) if self.scale is None else self.scale
        scores = scale * (query[:, :, self.asked, None] * key).sum(-1)
        if self.mask is not None:
            mask = _of(self.mask, known)
            wide = mask.expand(*scores.shape[:2], mask.shape[-2], scores.shape[2])
            row = wide[:, :, self.asked if mask.shape[-2] > 1 else 0]
            scores = scores.masked_fill(~row, -math.inf) if row.dtype == torch.bool else scores + row.to(scores)
        if self.causal:
            later = torch.arange(scores.shape[2], device=scores.device) > self.asked
            scores = scores.masked_fill(later, -math.inf)
        return scores.softmax(-1)

    def terms(self, known: Known, like: Like = None) -> Tensor:
        weights, values = weighed_like(self.weights(known), 2, like), precise(known[self.values])
        values = values.repeat_interleave(weights.shape[1] // values.shape[1], 1)
        out = (weights[..., None] * values).transpose(1, 2).flatten(2)
        natural = torch.equal(self.columns, torch.arange(out.shape[2]))
        return out if natural else out[..., self.columns.to(out.device)]


@dataclass(frozen=True, eq=False)
class Product:
    """Weights times values, as a matrix product or as products that are added up.

    Attributes
    ----------
    weights, values : Value
    weights_at, values_at : Tensor (IMAGES, T or 1, D or 1), int64
        Flat places of the weight and the value of each token for each number of the row.
    tokens : Tensor (T,)
    """

    weights: Value
    values: Value
    weights_at: Tensor
    values_at: Tensor
    tokens: Tensor
    alone: bool

    @property
    def needs(self) -> list[Value]:
        return [self.weights, self.values]

    def terms(self, known: Known, like: Like = None) -> Tensor:
        pairs = ((self.weights, self.weights_at), (self.values, self.values_at))
        weights, values = (precise(known[value]).reshape(-1)[at.to(known[value].device)] for value, at in pairs)
        return weighed_like(weights, 1, like) * values


@dataclass(frozen=True, eq=False)
class TokenMean:
    """All tokens alike: the mean, or the sum."""

    values: Value
    at: Tensor  # (IMAGES, T, D)
    factor: float
    tokens: Tensor
    alone: bool = True

    @property
    def needs(self) -> list[Value]:
        return [self.values]

    def terms(self, known: Known, like: Like = None) -> Tensor:
        del like  # all weigh the same
        values = precise(known[self.values])
        return self.factor * values.reshape(-1)[self.at.to(values.device)]


def weighed_like(weights: Tensor, axis: int, like: Like) -> Tensor:
    """Weights with those along an axis of tokens replaced by the one of a token, or by their mean."""
    if like is None:
        return weights
    return weights.mean(axis, keepdim=True) if like == "mean" else weights.narrow(axis, like, 1)


def _of(one: Value | Tensor, known: Known) -> Tensor:
    return known[one] if isinstance(one, Value) else one


def precise(tensor: Tensor) -> Tensor:
    """In float32, where half precision would round again."""
    return tensor.float() if tensor.dtype in {torch.float16, torch.bfloat16} else tensor


def sum_of(row: Row) -> Sum | None:
    """The sum over tokens that a row ends in, if it is one."""
    call = row.value.call
    if call is None or row.value is not call.outputs[0]:
        return None
    if call.name in FUSED:
        return _fused(call, row)
    if call.name in {"bmm", "mm", "matmul"} and len(call.parents) == 2:
        return _matrix_product(call, row)
    if call.name in MEANS | {"sum"}:
        return _added_up(call, row)
    return None


def named_arguments(call: Call) -> dict[str, Any]:
    """A call's arguments by the names of its schema."""
    names = [argument.name for argument in call.op._schema.arguments]
    return dict(zip(names, call.args, strict=False)) | call.kwargs


def _fused(call: Call, row: Row) -> Sum | None:
    given = named_arguments(call)
    values = given["value"]
    if not isinstance(values, Value) or len(row.value.shape) != 4:
        return None
    image, head, asked, column = torch.unravel_index(row.index, row.value.shape)
    one_query = bool((asked == asked[0, 0]).all())
    if not one_query or not bool((image == torch.arange(IMAGES)[:, None]).all()):
        return None
    heads, width = row.value.shape[1], row.value.shape[3]
    per_group = heads // values.shape[1]
    tokens = torch.arange(values.shape[2])
    first = (int(head[0, 0]) // per_group) * values.shape[2] * width + int(column[0, 0])
    mask = given.get("attn_mask", given.get("attn_bias"))
    return FusedAttention(
        given["query"], given["key"], values, mask, bool(given.get("is_causal")), given.get("scale"),
        int(asked[0, 0]), (head * width + column)[0], first + tokens * width, row.value.shape[2] == 1,
    )  # fmt: skip


def _matrix_product(call: Call, row: Row) -> Sum | None:
    left, right = call.args[:2]
    made = [comes_of_softmax(one) for one in (left, right)]
    if made[0] == made[1]:
        return None
    inner = left.shape[-1]
    *batch, i, j = torch.unravel_index(row.index, row.value.shape)
    t = torch.arange(inner)[:, None]
    left_at = batch[0][:, None] if batch else 0
    left_at = (left_at * left.shape[-2] + i[:, None]) * inner + t
    right_at = batch[0][:, None] if batch else 0
    right_at = (right_at * inner + t) * right.shape[-1] + j[:, None]
    pairs = [(left, left_at), (right, right_at)]
    (weights, weights_at), (values, values_at) = pairs if made[0] else pairs[::-1]
    alone = row.value.shape[-2 if made[0] else -1] == 1
    return Product(weights, values, weights_at, values_at, values_at[0, :, 0], alone)


def _added_up(call: Call, row: Row) -> Sum | None:
    taken = reduced(call, row.value, row.index)
    if taken is None:
        return None
    (x,) = call.parents
    at = torch.stack(taken, 1)  # (IMAGES, T, D)
    product, index = without_layouts(x, at.flatten(1))
    inner = product.call
    if inner is not None and inner.name == "mul" and len(inner.parents) == 2:
        made = [comes_of_softmax(one) for one in inner.args]
        if made[0] != made[1]:
            shape = product.shape
            pairs = [(one, broadcast(index, shape, one.shape).unflatten(1, at.shape[1:])) for one in inner.args]
            (weights, weights_at), (values, values_at) = pairs if made[0] else pairs[::-1]
            return Product(weights, values, weights_at, values_at, values_at[0, :, 0], True)
    factor = 1 / len(taken) if call.name in MEANS else 1.0
    return TokenMean(product, index.unflatten(1, at.shape[1:]), factor, index.unflatten(1, at.shape[1:])[0, :, 0])


def comes_of_softmax(value: Value | Tensor) -> bool:
    """Whether a value is a softmax of something, laid out, scaled or mixed over heads afterwards."""
    while isinstance(value, Value) and value.call is not None:
        if value.call.name in SOFTMAX:
            return True
        if len(set(value.call.parents)) != 1:
            return False
        value = value.call.parents[0]
    return False
