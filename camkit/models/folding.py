"""Batch norms folded into the convolutions before them: the same function with less to compute."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from camkit.cam.trace import tensors_in

CONVOLUTION = "aten::convolution"
BATCH_NORMS = {  # in eval mode, on each kind of device
    "aten::native_batch_norm",
    "aten::_native_batch_norm_legit_no_training",
    "aten::cudnn_batch_norm",
    "aten::miopen_batch_norm",
}


@dataclass(eq=False)
class Convolved:
    """What a convolution made in a pass: of which weight and bias, and how many operations took it."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    uses: int = 0


class ConvolutionsAndNorms(TorchDispatchMode):
    """Records which batch norm takes which convolution's output, whatever Python code calls them.

    Attributes
    ----------
    pairs : list of (Convolved, running mean)
    weights, means : list of Tensor
        Of all convolutions and batch norms, one for each time they ran.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made = WeakTensorKeyDictionary()
        self.pairs: list[tuple[Convolved, torch.Tensor]] = []
        self.weights: list[torch.Tensor] = []
        self.means: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        del types
        out = func(*args, **(kwargs or {}))
        self.used((args, kwargs))
        name = func._schema.name
        if name == CONVOLUTION:
            self._made[out] = Convolved(args[1], args[2])
            self.weights.append(args[1])
        elif name in BATCH_NORMS and args[3] is not None:
            self.means.append(args[3])
            if args[0] in self._made:
                self.pairs.append((self._made[args[0]], args[3]))
        return out

    def used(self, tensors: Any) -> None:
        """Count a use of each tensor that a convolution made."""
        for tensor in tensors_in(tensors):
            if tensor in self._made:
                self._made[tensor].uses += 1


@torch.no_grad()
def fold_batch_norms(model: nn.Module, images: torch.Tensor) -> int:
    """Fold batch norms into the convolutions before them, in place.

    Which convolution is before which batch norm is read from a forward pass of `images`. A pair is folded where nothing
    else takes the convolution's output, both run once in a pass, the convolution's weight is its module's parameter as
    it stands, and neither has hooks. The modules keep their names: an identity, or the activation that the norm's
    module has beside it (timm's), stands in the norm's place.

    Parameters
    ----------
    model : nn.Module
        In eval mode.
    images : Tensor (N, channels, H, W)

    Returns
    -------
    int
        How many were folded.
    """
    with ConvolutionsAndNorms() as seen:
        seen.used(model(images))
    folded = 0
    for convolved, mean in seen.pairs:
        alone = convolved.uses == 1 and once(convolved.weight, seen.weights) and once(mean, seen.means)
        convolution, norm = owner(model, convolved.weight, "weight"), owner(model, mean, "running_mean")
        if not (alone and convolution and norm and foldable(convolution[1], convolved)):
            continue
        name, module = norm
        rest = without_norm(module)
        if rest is None:
            continue
        fold(convolution[1], module)
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, rest)
        folded += 1
    return folded


def once(tensor: torch.Tensor, tensors: list[torch.Tensor]) -> bool:
    return sum(one is tensor for one in tensors) == 1


def owner(model: nn.Module, tensor: torch.Tensor, attribute: str) -> tuple[str, nn.Module] | None:
    """The module whose attribute this tensor is, and its name; None where there is not exactly one."""
    owners = [one for one in model.named_modules() if not isinstance(one[1], torch.jit.ScriptModule)
              and one[1]._parameters.get(attribute, one[1]._buffers.get(attribute)) is tensor]  # fmt: skip
    return owners[0] if len(owners) == 1 and owners[0][0] else None


def foldable(module: nn.Module, convolved: Convolved) -> bool:
    """Whether a convolution's module computes with the weight and bias that it holds, and nothing looks at it."""
    return (
        isinstance(module, _ConvNd)
        and not isinstance(module, _ConvTransposeNd)
        and convolved.bias is module.bias
        and not has_hooks(module)
    )


def without_norm(module: nn.Module) -> nn.Module | None:
    """What a batch norm's module does beside the norm; None where that is not known."""
    if has_hooks(module):
        return None
    if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm):
        return nn.Identity()
    drop, act = (getattr(module, name, None) for name in ("drop", "act"))  # timm's BatchNormAct2d
    if type(module).__name__ == "BatchNormAct2d" and isinstance(drop, nn.Module) and isinstance(act, nn.Module):
        return nn.Sequential(drop, act)
    return None


def has_hooks(module: nn.Module) -> bool:
    return any(vars(module).get(name) for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"))


def fold(convolution: Any, norm: Any) -> None:
    """The norm's scale and shift into the convolution's weight and bias, computed in float64."""
    held = (convolution.weight, convolution.bias, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    weight, bias, mean, var, scale, shift = (None if tensor is None else tensor.double() for tensor in held)
    weight, bias = fuse_conv_bn_weights(weight, bias, mean, var, norm.eps, scale, shift)  # type: ignore[arg-type]
    for name, value in (("weight", weight), ("bias", bias)):
        setattr(convolution, name, nn.Parameter(value.to(convolution.weight.dtype), requires_grad=False))


def convolutions(model: nn.Module) -> Iterator[nn.Module]:
    """The convolutions of two axes of positions."""
    return (module for module in model.modules() if isinstance(module, nn.Conv2d))
