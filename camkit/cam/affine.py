"""Is a recorded head affine in the pooled features, and with which weights?"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from camkit.cam.head import HeadFunction
from camkit.cam.trace import Call, Value

MULTIPLIES, DIVIDES = {"rsqrt", "reciprocal"}, {"linalg_vector_norm", "norm", "sqrt"}


@dataclass(frozen=True)
class AffineParts:
    """``head(p) = s * (weight @ p + scaled_bias) + bias``, s the norm's number; see `Head`."""

    weight: torch.Tensor
    bias: torch.Tensor
    scaled_bias: torch.Tensor
    is_affine: bool


def tolerance(tensor: torch.Tensor) -> float:
    """Share of the range within which two computations of one thing in this tensor's precision are the same."""
    tensor_cores = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    least = 1e-3 if tensor.device.type == "cuda" and tensor_cores else 1e-4
    return max(least, 8 * torch.finfo(tensor.dtype).eps)


def _deviation(x: torch.Tensor, shape: list[int], eps: float) -> torch.Tensor:
    """One over the deviation that a layer norm divides by, (N, 1, ...)."""
    axes = tuple(range(-len(shape), 0))
    return torch.rsqrt(x.var(axes, unbiased=False, keepdim=True) + eps)


def _normalised(x: torch.Tensor, shape: list[int], weight: Any, bias: Any, number: torch.Tensor) -> torch.Tensor:
    """A layer norm whose reciprocal deviation is given."""
    y = (x - x.mean(tuple(range(-len(shape), 0)), keepdim=True)) * number
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def isolate_norm(function: HeadFunction) -> tuple[HeadFunction, bool]:
    """Name the one number an image that a norm in the head uses, so that it can be held fixed.

    A layer norm is written as two operations, the number and what is done with it. Returns the function and whether
    the number divides. Without a norm, or with several, the function comes back without one.
    """
    norms = [call for call in function.calls if _number(call, function.images) is not None]
    if len(norms) != 1:
        return function, False
    (call,) = norms
    if call.name != "native_layer_norm":
        return replace(function, norm=call.outputs[0]), call.name in DIVIDES
    x, shape, weight, bias, eps = call.args
    number = call.outputs[2]
    first = Call(_deviation, (x, shape, eps), {}, [Value(number.shape)])
    second = Call(_normalised, (x, shape, weight, bias, first.outputs[0]), {}, [call.outputs[0]])
    at = function.calls.index(call)
    calls = [*function.calls[:at], first, second, *function.calls[at + 1 :]]
    return replace(function, calls=calls, norm=first.outputs[0]), False


def _number(call: Call, images: int) -> Value | None:
    """The output of this call that is one number an image and stands for a norm, if any."""
    at = 2 if call.name == "native_layer_norm" else 0
    if call.name not in {"native_layer_norm"} | MULTIPLIES | DIVIDES:
        return None
    value = call.outputs[at]
    count = torch.Size(value.shape).numel()
    return value if count == images else None


def affine_parts(function: HeadFunction) -> AffineParts:
    """Weights of the head at the recorded pooled features, and whether they hold everywhere.

    One backward pass through the head alone, with one row a class, gives every class's weights to the last bit: for a
    linear layer they are its own.
    """
    recorded = function.start.tensor
    assert recorded is not None
    pooled = recorded.detach().flatten(1)
    one = pooled.new_ones(1)
    with torch.no_grad():
        classes = function(pooled).shape[1]
        zero = torch.zeros_like(pooled[:1])
        if function.norm is None:
            bias = function(zero)[0]
            scaled_bias = torch.zeros_like(bias)
        else:
            at_one, at_two = function(zero, one)[0], function(zero, 2 * one)[0]
            # s is the number or one over it: either way two points tell its coefficient from the rest
            s = 0.5 if function.norm.call is not None and function.norm.call.name in DIVIDES else 2.0
            scaled_bias = (at_two - at_one) / (s - 1)
            bias = at_one - scaled_bias
    rows = pooled.mean(0, keepdim=True).repeat(classes, 1).requires_grad_()
    with torch.enable_grad():
        logits = function(rows, None if function.norm is None else one.expand(classes))
        (weight,) = torch.autograd.grad(logits, rows, torch.eye(classes, dtype=logits.dtype, device=logits.device))
    parts = AffineParts(weight, bias, scaled_bias, False)
    return replace(parts, is_affine=_holds(function, parts, pooled))


@torch.no_grad()
def _holds(function: HeadFunction, parts: AffineParts, pooled: torch.Tensor) -> bool:
    """Whether the weights predict the head far from where they were taken, and between.

    The probes go up to where clamps and saturations end, and down to where thresholds begin.
    """
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(pooled.shape, generator=generator).to(pooled) * pooled.std().clamp(min=1e-3)
    scales = (1e-3, 0.1, 10, 1e3, 1e5, 1e8) if pooled.dtype != torch.float16 else (1e-2, 0.1, 10)
    for probe in (pooled, pooled + 3 * noise, -pooled, *(scale * noise for scale in scales)):
        if function.norm is None:
            expected, found = probe @ parts.weight.T + parts.bias, function(probe)
        else:
            number = function.norm_of(probe)
            s = 1 / number if function.norm.call and function.norm.call.name in DIVIDES else number
            expected = s[:, None] * (probe @ parts.weight.T + parts.scaled_bias) + parts.bias
            found = function(probe)
        spread = (found.amax() - found.amin()).clamp(min=1e-6)
        rounding = 64 * torch.finfo(found.dtype).eps * expected.abs().amax()
        if not (found - expected).abs().amax() <= tolerance(pooled) * spread + rounding:
            return False
    return True
