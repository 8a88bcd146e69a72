"""The head of a classifier: how a feature map becomes logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from camkit.cam.attention_map import AttentionMap
from camkit.cam.trace import Call, Place, Value, replay

Kind = Literal[
    "exact",
    "folded",
    "score pooling",
    "TAP",
    "max pooling",
    "log-sum-exp",
    "WILDCAT",
    "attention pooling",
    "class token",
    "class attention",
    "class token and mean",
    "linearised",
    "given",
]

Activation = Literal["none", "softmax", "log-softmax", "sigmoid", "log-sigmoid", "probabilities"]

MEANING: dict[Kind, str] = {
    "exact": "logits are the mean over positions of the class maps, plus a constant",
    "folded": "exact once the norm between pooling and classifier is absorbed, for each image",
    "score pooling": "the feature map already holds class scores, which the network averages",
    "TAP": "class weights over raw features; the network pools each channel over its activated positions alone",
    "max pooling": "class weights over raw features; the network pools each channel by its maximum alone",
    "log-sum-exp": "class weights over raw features; the network pools each channel by log-sum-exp",
    "WILDCAT": "the feature map already holds class scores; the network pools its highest and lowest positions alone",
    "attention pooling": "logits are a sum over positions, weighed by attention that is held fixed for each image",
    "class token": "the class token's logits, of which the maps are what attention takes from the patches",
    "class attention": "the logits of a token that alone asks, of which the maps are what it takes from the patches",
    "class token and mean": "the mean over patches, and beside it what attention takes from them for the class token",
    "linearised": "no linear head: the gradient of the logit at each image's pooled features serves as class weights",
    "given": "as named by the caller",
}


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """Where a model's last feature map is picked up, and how it lies in memory.

    Attributes
    ----------
    place : Place
        The module that it comes out of or goes into.
    calls : list of Call
        Operations after it that no module owns (a functional ReLU), run again on what is picked up.
    start, value : Value
        The tensor at `place`, and the feature map after `calls`.
    axis : int
        The channels' axis. The others, but for the batch, are positions: (h, w), or tokens in raster order.
    images : int
        Images in the recorded pass.
    tokens : bool
        Whether positions lie along one axis, whatever axes of length 1 stand beside it.
    """

    place: Place
    calls: list[Call]
    start: Value
    value: Value
    axis: int
    images: int
    tokens: bool = False

    @property
    def places(self) -> tuple[Place, ...]:
        return (self.place,)

    @property
    def copies(self) -> bool:
        """Whether what is picked up may be changed in place afterwards."""
        return bool(self.calls)

    def decomposed(
        self, picked_up: Sequence[torch.Tensor], image_size: tuple[int, int]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The feature map, and the part of the pooled features that no position has: none."""
        return self.read(picked_up[0], image_size), None

    def read(self, picked_up: torch.Tensor, image_size: tuple[int, int]) -> torch.Tensor:
        """The feature map F, (N, C, h, w), from the tensor at `place`."""
        batch = (self.images, len(picked_up))
        raw = replay(self.calls, {self.start: picked_up}, self.value, batch) if self.calls else picked_up
        return self.lay_out(raw, image_size)

    def lay_out(self, feature: torch.Tensor, image_size: tuple[int, int]) -> torch.Tensor:
        """The feature map, (N, C, h, w), from the network's own layout."""
        channels_first = feature.movedim(self.axis, 1)
        if self.tokens:
            channels_first = channels_first.flatten(2)
            channels_first = channels_first.unflatten(2, grid(channels_first.shape[2], image_size))
        return channels_first


def grid(tokens: int, image_size: tuple[int, int]) -> tuple[int, int]:
    """The h x w that this many tokens in raster order lie in, of the image's shape as near as whole numbers allow."""
    wanted = image_size[0] / image_size[1]
    pairs = [(h, tokens // h) for h in range(1, tokens + 1) if tokens % h == 0]
    return min(pairs, key=lambda pair: abs(torch.tensor(pair[0] / pair[1] / wanted).log().item()))


@dataclass(frozen=True, eq=False)
class HeadFunction:
    """The part of the network from pooled vectors (N, C) to logits (N, K), as recorded.

    Attributes
    ----------
    calls : list of Call
        The operations, in order.
    start, end : Value
        The pooled vector and the logits.
    images : int
        Images in the recorded pass.
    dtype : torch.dtype
        Of the recorded pass, which the head's parameters go with.
    norm : Value or None
        The one number an image that a norm multiplies (or divides) by, such as a layer norm's reciprocal deviation.
        Held fixed, it leaves the head affine.
    again : tuple of Value
        The same pooled vector where the network computes it once more.
    """

    calls: list[Call]
    start: Value
    end: Value
    images: int
    dtype: torch.dtype
    norm: Value | None = None
    again: tuple[Value, ...] = ()

    def __call__(self, pooled: torch.Tensor, norm: torch.Tensor | None = None) -> torch.Tensor:
        n = len(pooled)
        feeds = self._feeds(pooled)
        if norm is not None and self.norm is not None:
            feeds[self.norm] = self._fit(norm, self.norm)
        classes = math.prod(self.end.shape) // self.images
        return replay(self.calls, feeds, self.end, (self.images, n)).reshape(n, classes)  # n may be 0

    def norm_of(self, pooled: torch.Tensor) -> torch.Tensor:
        """The norm's number for each image, (N,)."""
        assert self.norm is not None
        return replay(self.calls, self._feeds(pooled), self.norm, (self.images, len(pooled))).reshape(len(pooled))

    def _feeds(self, pooled: torch.Tensor) -> dict[Value, torch.Tensor]:
        return {start: self._fit(pooled, start) for start in (self.start, *self.again)}

    def _fit(self, tensor: torch.Tensor, value: Value) -> torch.Tensor:
        return tensor.reshape(len(tensor), *value.shape[1:]).to(self.dtype)


@dataclass(frozen=True, eq=False)
class Head:
    """Pooling and classifier of one model, and what ties them to class maps.

    For image i, class k and pooled features p: ``logit = s_i * (weight[k] @ p + scaled_bias[k]) + bias[k]``, where
    ``s_i`` is 1 unless a norm between pooling and classifier divides each image by a number of its own.

    Attributes
    ----------
    kind : Kind
        See `MEANING`.
    feature_map : FeatureMap or AttentionMap
    classifier : str
        Name of the module (or parameter) that holds the class weights, "" where there is none.
    weight : Tensor (K, C)
    bias, scaled_bias : Tensor (K,)
    function : HeadFunction
    divides : bool
        Whether the norm's number divides (``s_i = 1 / number``) or multiplies.
    pool : nn.Module or None
        camkit's own pooling, where it is no mean: kinds "TAP", "max pooling", "log-sum-exp", "WILDCAT".
    sums : bool
        Whether the network adds positions up instead of averaging them.
    map_size : tuple of int
        h, w of the feature map at the input size of the search.
    completeness : float
        Largest ``|maps.mean((-2, -1)) + offset - logits|`` over the logits' range, measured when the head was found.
        With a `pool`, which no mean equals, ``weight @ pooled + offset`` stands in the place of the maps' mean.
    activation : Activation
        What the model makes of its logits before it returns them. "probabilities": its last steps are not known, but
        what it returns never leaves 0 to 1.
    output : int or None
        Which of the tensors that the model returns the logits are (or their `activation`); None for the one that
        `camkit.cam.logits.logits_of` takes by its form.
    notes : tuple of str
        What could not be told, one line each.
    share : float
        Of the logits' variance over classes, what the maps' sums carry, measured when the head was found; the rest is
        the offset's. See `camkit.cam.share.shares`.
    offset : {"constant", "per image"}
        Whether the part of the logits that has no place is the same for all images.
    """

    kind: Kind
    feature_map: FeatureMap | AttentionMap
    classifier: str
    weight: torch.Tensor
    bias: torch.Tensor
    scaled_bias: torch.Tensor
    function: HeadFunction | None
    divides: bool = False
    pool: nn.Module | None = None
    sums: bool = False
    map_size: tuple[int, int] = (0, 0)
    completeness: float = float("nan")
    activation: Activation = "none"
    output: int | None = None
    notes: tuple[str, ...] = ()
    share: float = float("nan")
    offset: Literal["constant", "per image"] = "constant"

    @property
    def attends(self) -> bool:
        """Whether positions are weighed by attention: the pooled vector then has a part without a place."""
        return isinstance(self.feature_map, AttentionMap)

    @property
    def num_classes(self) -> int:
        return len(self.weight)

    @property
    def channels(self) -> int:
        return self.weight.shape[1]

    def pooled(self, features: torch.Tensor) -> torch.Tensor:
        """(N, C, h, w) to (N, C), as the model pools."""
        if self.pool is not None:
            features = self.pool(features)
        return features.sum((-2, -1)) if self.sums else features.mean((-2, -1))

    def scale(self, pooled: torch.Tensor) -> torch.Tensor:
        """``s_i``, (N,)."""
        if self.function is None or self.function.norm is None:
            return pooled.new_ones(len(pooled))
        number = self.function.norm_of(pooled)
        return 1 / number if self.divides else number

    def logits(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of pooled features (N, C), as the model computes them."""
        if self.kind == "linearised" and self.function is not None:
            return self.function(pooled)
        weight, bias, scaled_bias = (t.to(pooled.dtype) for t in (self.weight, self.bias, self.scaled_bias))
        return self.scale(pooled)[:, None] * (pooled @ weight.T + scaled_bias) + bias

    @property
    def returns_activated(self) -> bool:
        """Whether the model returns a known function of its logits in their place."""
        return self.activation not in {"none", "probabilities"}

    def answer(self, logits: torch.Tensor) -> torch.Tensor:
        """What the model returns for these logits, (N, K)."""
        made: dict[Activation, torch.Tensor] = {
            "softmax": logits.softmax(1),
            "log-softmax": logits.log_softmax(1),
            "sigmoid": logits.sigmoid(),
            "log-sigmoid": nn.functional.logsigmoid(logits),
        }
        return made.get(self.activation, logits)

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Each class's probability (N, K): the model's own, else softmax, or sigmoid of a single logit."""
        if self.activation == "probabilities":
            return logits
        if "sigmoid" in self.activation or (self.activation == "none" and logits.shape[1] == 1):
            return logits.sigmoid()
        return logits.softmax(1)
