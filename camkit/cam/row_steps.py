"""Linear steps between rows (B, ..., D): whole, or without their constants, where only a part of a sum is sent through.

Numbers of norms are the image's own: worked out when the whole row is sent through, and held fixed after that.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Constant:
    """Numbers of a row that no image has a part in: a parameter's, read where it lies."""

    tensor: Tensor
    index: Tensor

    def like(self, rows: Tensor) -> Tensor:
        tensor = self.tensor
        at = torch.unravel_index(self.index.to(tensor.device), tuple(tensor.shape)) if tensor.ndim else ()
        return (tensor[at] if tensor.ndim else tensor).to(rows)


class Step(Protocol):
    """``rows of the parents -> row``; a parent that is None is zero."""

    def number(self, parents: list[Tensor]) -> Tensor | None:
        """The number an image that is held fixed, (B, 1), of whole rows; None where there is none."""

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        """The row of whole parents, or without constants of parts of them."""


class Plain:
    """A step without a number."""

    def number(self, parents: list[Tensor]) -> Tensor | None:  # noqa: ARG002
        return None


@dataclass(frozen=True, eq=False)
class Combined(Plain):
    """``sum_i factor_i row_i + constants``."""

    factors: tuple[float, ...]
    constants: tuple[tuple[float, Constant | float], ...]

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        del number
        total: Tensor | None = None
        for factor, row in zip(self.factors, parents, strict=True):
            if row is not None:
                scaled = row if factor == 1 else factor * row
                total = scaled if total is None else total + scaled
        if total is not None and whole:
            for factor, one in self.constants:
                total = total + factor * (one.like(total) if isinstance(one, Constant) else one)
        return total


@dataclass(frozen=True, eq=False)
class Scaled(Plain):
    """``row * factor``, or divided by it."""

    factor: Constant | float
    divides: bool

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        del number, whole
        (row,) = parents
        if row is None:
            return None
        factor = self.factor.like(row) if isinstance(self.factor, Constant) else self.factor
        return row / factor if self.divides else row * factor


@dataclass(frozen=True, eq=False)
class ByNumber:
    """A row times (or over) one number an image, which the network computes."""

    divides: bool

    def number(self, parents: list[Tensor]) -> Tensor | None:
        return 1 / parents[1] if self.divides else parents[1]

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        del whole
        return None if parents[0] is None or number is None else parents[0] * number


@dataclass(frozen=True, eq=False)
class Linear(Plain):
    """``row @ weight.T + bias``, all outputs or some."""

    weight: Tensor
    bias: Tensor | None
    outputs: Tensor | None

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        del number
        (row,) = parents
        if row is None:
            return None
        bias = self.bias.reshape(-1).to(row) if whole and self.bias is not None else None
        out = torch.nn.functional.linear(row, self.weight.to(row), bias)
        return out if self.outputs is None else out[..., self.outputs.to(out.device)]


@dataclass(frozen=True, eq=False)
class Norm:
    """A layer norm whose one over the deviation is held fixed."""

    weight: Tensor | None
    bias: Tensor | None
    eps: float
    outputs: Tensor

    def number(self, parents: list[Tensor]) -> Tensor | None:
        return (parents[0].var(-1, unbiased=False, keepdim=True) + self.eps).rsqrt()

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        (row,) = parents
        if row is None or number is None:
            return None
        out = (row - row.mean(-1, keepdim=True)) * number
        if self.weight is not None:
            out = out * self.weight.reshape(-1).to(out)
        if whole and self.bias is not None:
            out = out + self.bias.reshape(-1).to(out)
        return out[..., self.outputs.to(out.device)]


@dataclass(frozen=True, eq=False)
class Joined(Plain):
    """Rows side by side: `pieces` are the places of each, and its constant where no image has a part in it."""

    width: int
    pieces: tuple[tuple[Tensor, Constant | None], ...]

    def __call__(self, parents: list[Tensor | None], number: Tensor | None, whole: bool) -> Tensor | None:
        del number
        like = next((row for row in parents if row is not None), None)
        if like is None:
            return None
        out = like.new_zeros(*like.shape[:-1], self.width)
        rows = iter(parents)
        for where, constant in self.pieces:
            if constant is None:
                row = next(rows)
            else:
                row = constant.like(like).expand(*like.shape[:-1], -1) if whole else None
            if row is not None:
                out[..., where.to(out.device)] = row
        return out
