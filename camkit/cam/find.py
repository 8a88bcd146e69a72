"""Finding the head: follow one forward pass back from the logits to where a map of positions became one vector."""

from dataclasses import replace

import torch
from torch import nn

from camkit.cam.affine import affine_parts, isolate_norm, tolerance
from camkit.cam.attention_map import AttentionMap
from camkit.cam.check import checked
from camkit.cam.find_attention import Blocks, find_attention_maps
from camkit.cam.forward import one_line
from camkit.cam.head import FeatureMap, Head, HeadFunction, Kind
from camkit.cam.logits import ACTIVATIONS, CASTS, Output, Recorded, answer, logits_of, one_row_an_image, record
from camkit.cam.mean import POOLS, Pooled, find_pooled, position_axes
from camkit.cam.refusal import refusal, shrunk
from camkit.cam.trace import Call, Trace, Value, between, release
from camkit.cam.walk import IMAGES, VIEWS, upstream
from camkit.errors import CamkitError, HeadNotFound

SMALL = 128  # pixels: larger images leave one position by design, and still larger ones would take long


def find_head(
    model: nn.Module, images: torch.Tensor, output: Output | None = None, token_blocks: Blocks = None
) -> Head:
    """Find pooling and classifier by what happens in one forward pass, not by names.

    Parameters
    ----------
    model : nn.Module
        In eval mode. It is left as it was.
    images : Tensor (2, channels, H, W)
        Two different images, on the model's device.
    output : callable, optional
        Takes what the model returns and gives the logits (N, K); for outputs with several candidates.
    token_blocks : int, "all" or None
        See `camkit.CAM`.

    Raises
    ------
    HeadNotFound
        With the reason, and what would make it work.
    """
    recorded = record(model, images, output)
    try:
        return find_recorded(model, images, recorded, output, token_blocks)
    except HeadNotFound as error:
        if wavers(model, images, recorded, output):
            raise HeadNotFound(
                "the model says something else each time that it is shown the same images: dropout or other randomness "
                "is on in eval mode, and a map would be of one draw; switch it off"
            ) from error
        if shrunk(recorded.end) and (larger := found_in_larger(model, images, output)):
            small, size, map_size = ("x".join(map(str, sides)) for sides in (images.shape[-2:], *larger))
            raise HeadNotFound(
                f"images of {small} leave a single position before the classifier, and no map: show the network larger "
                f"ones (of {size} the map is {map_size})"
            ) from error
        raise


def found_in_larger(
    model: nn.Module, images: torch.Tensor, output: Output | None
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Size of larger images in which a network has a map that can be read, and the map's; None where none was found."""
    for times in (2, 4):
        if times * max(images.shape[-2:]) > 2 * SMALL:
            break
        larger = images.repeat(1, 1, times, times)
        try:
            head = find_recorded(model, larger, record(model, larger, output), output, None)
        except (CamkitError, RuntimeError, ValueError, AssertionError, IndexError):  # it takes one size, or has no map
            continue
        return (larger.shape[-2], larger.shape[-1]), head.map_size
    return None


def find_recorded(
    model: nn.Module, images: torch.Tensor, recorded: Recorded, output: Output | None, token_blocks: Blocks
) -> Head:
    """The first head that holds, means before attention; else the first reason why none does."""
    refusals = []
    for pooled in find_pooled(recorded.end):
        try:
            head = settle(model, images, recorded, pooled, output)
        except HeadNotFound as error:
            refusals.append(error)
        else:
            refuse_blocks(token_blocks, head)
            return head
    try:
        attending = find_attending(model, images, recorded, output, token_blocks)
    except HeadNotFound as error:
        refusals = [error]
    else:
        if attending is not None:
            return attending
    raise refusals[0] if refusals else HeadNotFound(refusal(recorded.end))


def refuse_blocks(token_blocks: Blocks, head: Head) -> None:
    """Refuse a number of blocks for a head that has none to follow."""
    if token_blocks is not None:
        raise HeadNotFound(
            f"this head ({head.kind}) averages a map, and no class token is to be followed through blocks: leave "
            "token_blocks (--token-blocks) out"
        )


def find_attending(
    model: nn.Module, images: torch.Tensor, recorded: Recorded, output: Output | None, token_blocks: Blocks
) -> Head | None:
    """The head that weighs positions by attention, if there is one.

    Of the vectors that attention leads to, the one taken is the first from which the logits are affine; else the last.
    """
    size = (images.shape[-2], images.shape[-1])
    last: Head | None = None
    for vector, feature_map, kind in find_attention_maps(recorded.end, recorded.trace, size, token_blocks):
        if vector.tensor is None:
            continue
        calls = between([vector], recorded.end)
        try:
            last = build(model, calls, feature_map, (vector,), recorded.end, kind)
        except (RuntimeError, IndexError, KeyError):  # what follows does not run by itself: images on another axis, say
            continue
        if last.kind != "linearised":
            break
    if last is None:
        return None
    assert last.function is not None
    head = checked(model, with_output(last, recorded), images, recorded, output)
    assert isinstance(head.feature_map, AttentionMap)
    calls = [*head.feature_map.calls, *last.function.calls]
    release(
        calls, *head.feature_map.starts, *(row.value for row in head.feature_map.rows_and_ends), last.function.start
    )
    return head


@torch.no_grad()
def wavers(model: nn.Module, images: torch.Tensor, recorded: Recorded, output: Output | None) -> bool:
    """Whether a second pass of the recorded images gives other logits."""
    said = one_row_an_image(logits_of(answer(model, images), output, recorded.output), len(images))
    return float((said - recorded.returned).abs().max()) > tolerance(said) * recorded.spread


def settle(
    model: nn.Module, images: torch.Tensor, recorded: Recorded, pooled: Pooled, output: Output | None = None
) -> Head:
    """The head that pools this map, once it holds for images that the record does not have."""
    place_value, calls = pick_up(recorded.trace, pooled.feature)
    place = recorded.trace.place_of(place_value)
    assert place is not None
    tokens = position_axes(pooled) < 2
    feature_map = FeatureMap(place, calls, place_value, pooled.feature, pooled.axis, IMAGES, tokens)
    head_calls = between(pooled.starts, recorded.end)
    try:
        head = build(model, head_calls, feature_map, pooled.starts, recorded.end, None, pooled.pool, sums=pooled.sums)
    except (RuntimeError, IndexError, KeyError) as error:
        raise HeadNotFound(
            f"what follows the pooling does not run by itself ({one_line(error)}); name the head with head="
        ) from error
    head = with_output(head, recorded)
    if head.activation == "none" and head.kind == "score pooling" and not head.sums and activated(pooled.feature):
        head = replace(head, activation="probabilities")
    head = checked(model, head, images, recorded, output)
    release([*calls, *head_calls], *pooled.starts, place_value)
    return head


def pick_up(trace: Trace, feature: Value) -> tuple[Value, list[Call]]:
    """The nearest value at or before the feature map that a module hands on, and the calls from there."""
    value = feature
    while trace.place_of(value) is None:
        if value.call is None or len(set(value.call.parents)) != 1:
            raise HeadNotFound(
                "the feature map is made between modules, by an operation of several maps, where no hook reaches: "
                "let a module (nn.Identity will do) return it, or name it with head="
            )
        value = value.call.parents[0]
    return value, between([value], feature) if value is not feature else []


def build(
    model: nn.Module,
    calls: list[Call],
    feature_map: FeatureMap | AttentionMap,
    starts: tuple[Value, ...],
    end: Value,
    attention: Kind | None = None,
    pool: nn.Module | None = None,
    *,
    sums: bool = False,
) -> Head:
    """Weights and kind of the head from its recorded operations."""
    start, *again = starts
    assert start.tensor is not None
    function = HeadFunction(calls, start, end, IMAGES, start.tensor.dtype, again=tuple(again))
    function, divides = isolate_norm(function)
    parts = affine_parts(function)
    classifier = last_weight(model, calls)
    weight = parts.weight
    kind: Kind
    if not parts.is_affine:
        kind = "linearised"
    elif attention is not None:
        kind = attention
    elif pool is not None:
        kind = next(kind for made, kind in POOLS.items() if isinstance(pool, made))
    elif not classifier and torch.equal(weight, torch.eye(len(weight)).to(weight)):
        kind = "score pooling"
    elif function.norm is not None or any("batch_norm" in call.name for call in calls):
        kind = "folded"
    else:
        kind = "exact"
    return Head(
        kind,
        feature_map,
        classifier,
        weight,
        parts.bias,
        parts.scaled_bias,
        function,
        divides,
        pool,
        sums=sums,
        offset="per image" if kind == "linearised" or offset_varies(feature_map, function) else "constant",
    )


def offset_varies(feature_map: FeatureMap | AttentionMap, function: HeadFunction) -> bool:
    """Whether the part of the logits that has no place differs between images."""
    return function.norm is not None or (isinstance(feature_map, AttentionMap) and feature_map.has_rest)


def with_output(head: Head, recorded: Recorded) -> Head:
    """The head with what the model makes of its logits before it returns them."""
    activation = recorded.activation
    if activation == "none" and head.kind == "linearised" and stays_in_0_to_1(head, recorded):
        activation = "probabilities"
    return replace(head, output=recorded.output, activation=activation)


@torch.no_grad()
def stays_in_0_to_1(head: Head, recorded: Recorded) -> bool:
    """Whether what the model returns never leaves 0 to 1, whatever is pooled: probabilities, made in an unknown way."""
    assert head.function is not None
    start = head.function.start.tensor
    assert start is not None
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(8, head.channels, generator=generator).to(start) * start.abs().amax().clamp(min=1e-3)
    answers = [recorded.returned, *(head.function(noise * scale) for scale in (1, 100))]
    return all(bool(((said >= 0) & (said <= 1)).all()) for said in answers)


def activated(feature: Value) -> bool:
    """Whether a map comes out of a softmax or a sigmoid: its mean is a probability."""
    calls = [value.call for value in upstream(feature, VIEWS | CASTS)]
    return any(call is not None and ACTIVATIONS.get(call.name) in {"softmax", "sigmoid"} for call in calls)


def last_weight(model: nn.Module, calls: list[Call]) -> str:
    """Name of the last module (or bare parameter) whose matrix the head multiplies with."""
    names = {p.untyped_storage().data_ptr(): name for name, p in model.named_parameters() if p.ndim >= 2}
    found = [names[t.untyped_storage().data_ptr()] for call in calls for t in call.constants
             if t.untyped_storage().data_ptr() in names]  # fmt: skip
    return found[-1].removesuffix(".weight") if found else ""
