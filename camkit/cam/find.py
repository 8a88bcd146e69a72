"""Finding the head: follow one forward pass back from the logits to where a map of positions became one vector."""

import torch
from torch import nn

from camkit.cam.affine import affine_parts, isolate_norm, tolerance
from camkit.cam.head import FeatureMap, Head, HeadFunction, Kind, grid
from camkit.cam.logits import Output, answer, logits_of, one_line
from camkit.cam.refusal import refusal
from camkit.cam.trace import Call, Trace, Value, between, release
from camkit.errors import HeadNotFound
from camkit.nn import GlobalMaxPool2d, LogSumExpPool2d, ThresholdedAvgPool2d

# Poolings that no mean over positions equals: only camkit's own are known for what they are.
POOLS: dict[type[nn.Module], Kind] = {
    ThresholdedAvgPool2d: "TAP",
    GlobalMaxPool2d: "max pooling",
    LogSumExpPool2d: "log-sum-exp",
}
IMAGES = 2  # in the pass that is recorded: enough to tell the batch from the other axes
VIEWS = {
    "view",
    "_unsafe_view",
    "reshape",
    "permute",
    "transpose",
    "flatten",
    "clone",
    "contiguous",
    "squeeze",
    "alias",
    "as_strided",
}


def find_head(model: nn.Module, images: torch.Tensor, output: Output | None = None) -> Head:
    """Find pooling and classifier by what happens in one forward pass, not by names.

    Parameters
    ----------
    model : nn.Module
        In eval mode. It is left as it was.
    images : Tensor (2, channels, H, W)
        Two different images, on the model's device.
    output : callable, optional
        Takes what the model returns and gives the logits (N, K); for outputs with several candidates.

    Raises
    ------
    HeadNotFound
        With the reason, and what would make it work.
    """
    trace, logits, end = record(model, images, output)
    start, feature, scale = collapse(end)
    place_value, calls = pick_up(trace, feature)
    place = trace.place_of(place_value)
    assert place is not None
    axis = channel_axis(feature, start, scale)
    feature_map = FeatureMap(place, calls, place_value, feature, axis, IMAGES)
    head_calls = between(start, end)
    try:
        head = build(model, head_calls, feature_map, start, end, scale)
    except (RuntimeError, IndexError, KeyError) as error:
        raise HeadNotFound(
            f"what follows the pooling does not run by itself ({one_line(error)}); name the head with head="
        ) from error
    head = checked(head, feature, start, logits, (images.shape[-2], images.shape[-1]))
    release([*calls, *head_calls], start, place_value)
    return head


def record(model: nn.Module, images: torch.Tensor, output: Output | None = None) -> tuple[Trace, torch.Tensor, Value]:
    """One forward pass, its logits, and their place in the record."""
    trace = Trace(model, atoms=tuple(POOLS))
    with torch.no_grad(), trace:
        trace.start(images)
        logits = logits_of(answer(model, images), output)
    end = trace.value(logits)
    if not torch.isfinite(logits).all():
        raise HeadNotFound("the model returns NaN or infinite logits for ordinary images: check its weights")
    if end is None:
        raise HeadNotFound("the logits do not depend on the images: is this a classifier?")
    return trace, logits, end


def own_pool(pooled: Value) -> nn.Module | None:
    """The layer of `POOLS` that made the pooled vector, if one did."""
    op = getattr(pooled.call, "op", None)
    return op if isinstance(op, nn.Module) and isinstance(op, tuple(POOLS)) else None


def is_vector(value: Value) -> bool:
    """One number, or one vector, an image: no positions left. Vectors laid side by side are still no map."""
    if value.call is not None and value.call.name in {"stack", "cat"} and all(map(is_vector, value.call.parents)):
        return True
    return len([size for size in value.shape if size != 1]) <= 2 and value.shape[0] == IMAGES


def collapse(end: Value) -> tuple[Value, Value, float]:
    """The pooled vector, the feature map whose mean it is, and how many times the mean it is (1, or the positions)."""
    edges: list[tuple[Value, Value]] = []
    seen: set[Value] = set()
    queue = [end]
    while queue:
        value = queue.pop()
        if value in seen:
            continue
        seen.add(value)
        for parent in value.call.parents if value.call else []:
            if is_vector(parent):
                queue.append(parent)
            else:
                edges.append((parent, value))
    if not edges:
        raise HeadNotFound("the logits are computed without any map of positions: is this a classifier of images?")
    pooled, maps = {vector for _, vector in edges}, {parent for parent, _ in edges}
    if len(pooled) == 1 and len(maps) == 1:
        (start,), (feature,) = pooled, maps
        if own_pool(start) is not None:
            return start, feature, 1.0
        candidates = [value for value in ancestors(feature) if len(value.shape) >= 4]
        for candidate in (feature, *candidates) if len(feature.shape) >= 4 else (*candidates, feature):
            scale = times_the_mean(candidate, start)
            if scale == 1:
                return start, candidate, scale
            if scale is not None:
                mean = divided(candidate, start, end)
                return (start, candidate, scale) if mean is None else (mean, candidate, 1.0)
    raise HeadNotFound(refusal(edges))


def divided(feature: Value, total: Value, end: Value) -> Value | None:
    """The mean, where the head goes on to divide a sum over positions by their number, and uses nothing else of it."""
    calls = between(total, end)
    for i, call in reversed(list(enumerate(calls))):
        made = {value for later in calls[i:] for value in later.outputs}
        used = {parent for later in calls[i + 1 :] for parent in later.parents}
        for value in call.outputs:
            if used <= made and is_vector(value) and times_the_mean(feature, value) == 1:
                return value
    return None


def ancestors(value: Value) -> list[Value]:
    """Values that this one is a view, or a partial sum, of: from near to far."""
    found = []
    while value.call is not None and len(value.call.parents) == 1 and value.call.name in VIEWS | {"mean", "sum"}:
        (value,) = value.call.parents
        found.append(value)
    return found


def times_the_mean(feature: Value, pooled: Value) -> float | None:
    """How many times the mean over positions the pooled vector is, None if it is something else."""
    if feature.tensor is None or pooled.tensor is None:
        return None
    vector = pooled.tensor.flatten(1).double()
    for axis in range(1, len(feature.shape)):
        if feature.shape[axis] == vector.shape[1]:
            positions = feature.tensor.movedim(axis, 1).flatten(2).double()
            mean, size = positions.mean(-1), positions.abs().amax()
            rtol = tolerance(feature.tensor)
            for scale in (1.0, float(positions.shape[2])):
                if torch.allclose(mean * scale, vector, rtol=rtol, atol=0.1 * rtol * scale * float(size)):
                    return scale
    return None


def channel_axis(feature: Value, pooled: Value, scale: float) -> int:
    assert feature.tensor is not None
    assert pooled.tensor is not None
    if own_pool(pooled) is not None:
        return 1
    vector = pooled.tensor.flatten(1)
    axes = [axis for axis in range(1, len(feature.shape)) if feature.shape[axis] == vector.shape[1]]

    def distance(axis: int) -> float:
        assert feature.tensor is not None
        return float((feature.tensor.movedim(axis, 1).flatten(2).mean(-1) * scale - vector).abs().max())

    return min(axes, key=distance)


def pick_up(trace: Trace, feature: Value) -> tuple[Value, list[Call]]:
    """The nearest value at or before the feature map that a module hands on, and the calls from there."""
    value = feature
    while trace.place_of(value) is None:
        if value.call is None or len(value.call.parents) != 1:
            raise HeadNotFound(
                "the feature map is made between modules, by an operation of several maps, where no hook reaches: "
                "let a module (nn.Identity will do) return it, or name it with head="
            )
        (value,) = value.call.parents
    return value, between(value, feature) if value is not feature else []


def build(model: nn.Module, calls: list[Call], feature_map: FeatureMap, start: Value, end: Value, scale: float) -> Head:
    """Weights and kind of the head from its recorded operations."""
    assert start.tensor is not None
    function, divides = isolate_norm(HeadFunction(calls, start, end, IMAGES, start.tensor.dtype))
    parts = affine_parts(function)
    classifier = last_weight(model, calls)
    pool = own_pool(start)
    weight = parts.weight
    kind: Kind
    if not parts.is_affine:
        kind = "linearised"
    elif pool is not None:
        kind = next(kind for made, kind in POOLS.items() if isinstance(pool, made))
    elif not classifier and torch.equal(weight, torch.eye(len(weight)).to(weight)):
        kind = "score pooling"
    elif function.norm is not None or any("batch_norm" in call.name for call in calls):
        kind = "folded"
    else:
        kind = "exact"
    return Head(
        kind, feature_map, classifier, weight, parts.bias, parts.scaled_bias, function, divides, pool, sums=scale != 1
    )


def last_weight(model: nn.Module, calls: list[Call]) -> str:
    """Name of the last module (or bare parameter) whose matrix the head multiplies with."""
    names = {p.untyped_storage().data_ptr(): name for name, p in model.named_parameters() if p.ndim >= 2}
    found = [names[t.untyped_storage().data_ptr()] for call in calls for t in call.constants
             if t.untyped_storage().data_ptr() in names]  # fmt: skip
    return found[-1].removesuffix(".weight") if found else ""


def checked(head: Head, feature: Value, start: Value, logits: torch.Tensor, image_size: tuple[int, int]) -> Head:
    """The head with its map size and its measured completeness error; refused where that is no rounding error."""
    assert feature.tensor is not None
    assert start.tensor is not None
    features = feature.tensor.movedim(head.feature_map.axis, 1)
    if features.ndim == 3:
        features = features.unflatten(2, grid(features.shape[2], image_size))
    if features.ndim != 4:
        raise HeadNotFound(f"the feature map has {features.ndim - 2} axes of positions: camkit reads maps of 1 or 2")
    map_size = (features.shape[2], features.shape[3])
    pooled = head.pooled(features)
    error = 0.0
    if head.kind != "linearised":
        total = head.scale(pooled)[:, None] * (pooled @ head.weight.T + head.scaled_bias) + head.bias
        spread = (logits.amax() - logits.amin()).clamp(min=1e-6)
        error = float((total - logits.reshape(len(logits), -1)).abs().max() / spread)
        if error > tolerance(logits):
            raise HeadNotFound(
                f"pooled features times class weights miss the logits by {error:.1e} of their range: "
                "the head does something that camkit does not know; name it with head="
            )
    return Head(**{**vars(head), "map_size": map_size, "completeness": error})
