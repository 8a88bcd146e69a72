"""Which vector of a recorded pass is the mean of which map over its positions, for this image and for any other."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from camkit.cam.affine import tolerance
from camkit.cam.head import Kind
from camkit.cam.trace import Call, Value, between, replay
from camkit.cam.walk import IMAGES, VIEWS, bottlenecks, has_no_positions, upstream
from camkit.nn import GlobalMaxPool2d, LogSumExpPool2d, ThresholdedAvgPool2d, WildcatPool2d

# Poolings that no mean over positions equals: only camkit's own are known for what they are.
POOLS: dict[type[nn.Module], Kind] = {
    ThresholdedAvgPool2d: "TAP",
    GlobalMaxPool2d: "max pooling",
    LogSumExpPool2d: "log-sum-exp",
    WildcatPool2d: "WILDCAT",
}


@dataclass(frozen=True, eq=False)
class Pooled:
    """A map and the vectors that it is pooled to; all that the logits know of the images, they know through these.

    Attributes
    ----------
    feature : Value
    axis : int
        The channels' axis of the map.
    starts : tuple of Value
        The pooled vector, once for each time that the network computes it.
    sums : bool
        Whether it is the sum over positions, and not the mean.
    pool : nn.Module or None
        The layer of `POOLS` that pools.
    """

    feature: Value
    axis: int
    starts: tuple[Value, ...]
    sums: bool = False
    pool: nn.Module | None = None


def find_pooled(end: Value) -> Iterator[Pooled]:
    """Maps whose means decide the logits, those with rows and columns before other layouts of the same map."""
    narrow = bottlenecks(end)
    maps = [value for i, value in enumerate(narrow) if not has_no_positions(value, narrow[i + 1 :])]
    while maps:
        layouts = [value for value in upstream(maps[0], VIEWS | {"mean", "sum"}) if value in maps]
        found = [pooled for value in layouts if (pooled := pooled_from(value, end)) is not None]
        yield from sorted(found, key=lambda pooled: position_axes(pooled) < 2)
        maps = [value for value in maps if value not in layouts]


def position_axes(pooled: Pooled) -> int:
    """How many axes of positions longer than 1 there are."""
    shape = pooled.feature.shape
    return sum(size > 1 for axis, size in enumerate(shape) if axis not in (0, pooled.axis))


def pooled_from(feature: Value, end: Value) -> Pooled | None:
    """What the end takes from this map, if that is nothing but its mean, its sum, or one of camkit's poolings."""
    if feature.tensor is None or not feature.tensor.is_floating_point() or feature.shape[0] != IMAGES:
        return None
    means = Means(feature)
    found: dict[Value, tuple[int, bool, nn.Module | None]] = {}
    waiting, seen = [(-end.number, id(end), end)], {end}
    while waiting:
        *_, value = heapq.heappop(waiting)
        if value is feature or value.call is None or value.number < feature.number:
            return None
        how = means.match(value)
        if how is not None:
            found[means.earliest(value, how)] = how
            continue
        for parent in value.call.parents:
            if parent not in seen:
                seen.add(parent)
                heapq.heappush(waiting, (-parent.number, id(parent), parent))
    (how, *others) = set(found.values())
    return None if others else Pooled(feature, how[0], tuple(found), how[1], how[2])


class Means:
    """The means of one map along each axis, to compare vectors with."""

    def __init__(self, feature: Value) -> None:
        assert feature.tensor is not None
        self.feature, self.tensor = feature, feature.tensor
        self._taken: dict[int, torch.Tensor] = {}

    def match(self, value: Value) -> tuple[int, bool, nn.Module | None] | None:
        """Channels' axis, whether it is the sum, and camkit's pooling, if the value is the map pooled; else None."""
        op = getattr(value.call, "op", None)
        if value.call and isinstance(op, nn.Module):
            return (1, False, op) if value.call.parents == [self.feature] else None
        if value.tensor is None or value.shape[:1] != (IMAGES,) or not value.tensor.is_floating_point():
            return None
        vector = value.tensor.reshape(IMAGES, -1)
        if vector.numel() >= self.tensor.numel():
            return None
        for axis in range(1, self.tensor.ndim):
            if self.tensor.shape[axis] == vector.shape[1]:
                for sums in (False, True):
                    if self._same(axis, sums, self.tensor, vector) and self._always(value, axis, sums):
                        return axis, sums, None
        return None

    def earliest(self, value: Value, how: tuple[int, bool, nn.Module | None]) -> Value:
        """The first value that is this one, before views of it and layers that change nothing (a weight of 1)."""
        while value.call is not None and len(set(value.call.parents)) == 1:
            before = value.call.parents[0]
            if self.match(before) != how:
                break
            value = before
        return value

    def _same(self, axis: int, sums: bool, feature: torch.Tensor, vector: torch.Tensor) -> bool:
        positions = feature.movedim(axis, 1).flatten(2)
        scale = positions.shape[2] if sums else 1
        recorded = feature is self.tensor
        mean = self._taken.get(axis) if recorded else None
        if mean is None:
            mean = positions.double().mean(-1)
            if recorded:
                self._taken[axis] = mean
        rtol = tolerance(feature)
        return torch.allclose(
            mean * scale, vector.double(), rtol=rtol, atol=0.1 * rtol * scale * float(positions.abs().amax())
        )

    def _always(self, value: Value, axis: int, sums: bool) -> bool:
        """Whether the same operations give the mean of other maps too, also of huge ones, and of nothing else."""
        calls = between([self.feature], value)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(self.tensor.shape, generator=generator).to(self.tensor)
        huge = 1e2 if self.tensor.dtype == torch.float16 else 1e4
        return all(self._replays(calls, value, axis, sums, noise * scale) for scale in (1, huge))

    def _replays(self, calls: list[Call], value: Value, axis: int, sums: bool, feature: torch.Tensor) -> bool:
        try:
            found = replay(calls, {self.feature: feature}, value, (IMAGES, IMAGES))
        except (RuntimeError, IndexError, KeyError):  # positions are weighted by something else of the image
            return False
        return self._same(axis, sums, feature, found.reshape(IMAGES, -1))
