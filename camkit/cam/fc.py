"""The last linear layer of a head as something to train: logits and class weights as functions of its parameters."""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import nn

from camkit.cam.affine import tolerance
from camkit.cam.head import Head, HeadFunction
from camkit.cam.walk import VIEWS
from camkit.errors import CamkitError


@dataclass(frozen=True, eq=False)
class Fc:
    """A head's linear layer, fc, and what lies between the pooled features and it.

    Attributes
    ----------
    name : str
        Of the module, or of the bare parameter.
    weight : nn.Parameter (K, D) or (K, D, 1, 1)
    bias : nn.Parameter (K,) or None
    before : HeadFunction or None
        From pooled features (N, C) to what fc takes (N, D), a folded norm for example. None where fc takes them as
        they are.
    """

    name: str
    weight: nn.Parameter
    bias: nn.Parameter | None
    before: HeadFunction | None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Weight, and bias where there is one."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def logits(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of pooled features (N, C)."""
        inputs = pooled if self.before is None else self.before(pooled)
        return F.linear(inputs, self.weight.flatten(1), self.bias)

    def class_weights(self, classes: torch.Tensor) -> torch.Tensor:
        """Weights (n, C) of the features in the maps of `classes` (n,), with the gradient to fc's own weight.

        Up to a norm's positive number, the same for all positions of an image.
        """
        weight = self.weight.flatten(1)[classes]
        return weight if self.before is None else weight @ self._jacobian(self.before)

    def _jacobian(self, before: HeadFunction) -> torch.Tensor:
        """(D, C) of what lies before fc, with a norm's number held at 1; a norm's own parameters may be in training."""
        rows = self.weight.new_zeros(self.weight.shape[1], math.prod(before.start.shape[1:])).requires_grad_()
        one = None if before.norm is None else rows.new_ones(len(rows))
        with torch.enable_grad():
            inputs = before(rows, one)
            (jacobian,) = torch.autograd.grad(inputs, rows, torch.eye(len(rows)).to(inputs))
        return jacobian


def find_fc(model: nn.Module, head: Head) -> Fc:
    """The linear layer of a head that `camkit.CAM` found, for training.

    Raises
    ------
    CamkitError
        If class weights are no function of one linear layer's weight: the head is linearised, or scores are pooled, or
        the logits are not what that layer gives.
    """
    if head.attends:
        raise CamkitError(
            f"the head ({head.kind}) weighs positions by attention: its classes are a linear layer on a class token or "
            "on what attention pools, and camkit retrains layers on the mean of a feature map alone"
        )
    if head.kind == "linearised":
        raise CamkitError(
            "the head is only linearised: its class weights are gradients, no linear layer's to retrain; take a "
            "network whose classes are one linear layer on pooled features (camkit inspect tells)"
        )
    if not head.classifier:
        raise CamkitError(
            f"the head ({head.kind}) has no linear layer after its pooling whose weight is a plain parameter (scores "
            "are pooled, or the weight is itself computed), and there is none to retrain"
        )
    parameters = dict(model.named_parameters())
    weight = parameters.get(f"{head.classifier}.weight", parameters.get(head.classifier))
    if weight is None:
        raise CamkitError(f"{head.classifier}: its weight is no parameter of the model, and cannot be retrained")
    fc = Fc(head.classifier, weight, parameters.get(f"{head.classifier}.bias"), _before(head, weight))
    if head.function is not None:
        _check(fc, head, head.function)
    elif not head.completeness <= tolerance(weight):
        raise CamkitError(
            f"the named head misses the logits by {head.completeness:.1e} of their range: something lies between the "
            f"features' mean and {fc.name}; leave out the names, so that it is found"
        )
    return fc


def _before(head: Head, weight: nn.Parameter) -> HeadFunction | None:
    """The recorded calls ahead of the one that takes fc's weight, None where they only change the shape."""
    if head.function is None:
        return None
    storage = weight.untyped_storage().data_ptr()
    calls = head.function.calls
    takes = [any(t.untyped_storage().data_ptr() == storage for t in call.constants) for call in calls]
    at = len(calls) - 1 - takes[::-1].index(True)
    (entering,) = calls[at].parents
    if all(call.name in VIEWS for call in calls[:at]):
        return None
    return replace(head.function, calls=calls[:at], end=entering)


@torch.no_grad()
def _check(fc: Fc, head: Head, function: HeadFunction) -> None:
    """Weights and logits of the head must be what fc alone makes of them."""
    classes = torch.arange(head.num_classes, device=head.weight.device)
    generator = torch.Generator().manual_seed(0)
    pooled = torch.randn(8, head.channels, generator=generator).to(head.weight)
    pairs = (fc.class_weights(classes), head.weight), (fc.logits(pooled), function(pooled))
    for ours, its in pairs:
        if ours.shape != its.shape or (ours - its).abs().max() > tolerance(its) * its.abs().max():
            raise CamkitError(f"something after {fc.name} changes the logits, so that it cannot be retrained by itself")
