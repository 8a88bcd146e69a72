"""The head of a model whose weights may have changed since it was found: read anew, or refused."""

from dataclasses import dataclass, replace

import torch
from torch import nn

from camkit.cam.affine import tolerance
from camkit.cam.forward import ANEW
from camkit.cam.head import Head
from camkit.errors import CamkitError


@dataclass(frozen=True, eq=False)
class PlainWeights:
    """Class weights that are parameters of the model as they stand: nothing lies between the pooling and them.

    Attributes
    ----------
    weight, bias : str
        Their names; "" for no bias.
    """

    weight: str
    bias: str

    def read(self, model: nn.Module, head: Head) -> Head:
        """The head with the weights that the model has now.

        Raises
        ------
        CamkitError
            The model has no such parameters any more.
        """
        try:
            own = model.get_parameter(self.weight)
            bias = model.get_parameter(self.bias) if self.bias else None
        except AttributeError as error:
            raise CamkitError(f"the model has no {self.weight} or bias as when its head was found; {ANEW}") from error
        if is_view(head.weight, own) and (bias is None or is_view(head.bias, bias)):
            return head  # it sees what is written into them
        weight = own.detach().flatten(1)
        if weight.shape[1] != head.weight.shape[1]:
            raise CamkitError(f"{self.weight} takes {weight.shape[1]} channels, not {head.weight.shape[1]}; {ANEW}")
        added = weight.new_zeros(len(weight)) if bias is None else bias.detach()
        return replace(head, weight=weight, bias=added, scaled_bias=torch.zeros_like(added))


def is_view(view: torch.Tensor, of: torch.Tensor) -> bool:
    """Whether all numbers of a tensor are another one's, in the same memory and order."""
    alike = view.shape == of.shape[: view.ndim] and view.numel() == of.numel()
    alike = alike and view.dtype == of.dtype and view.device == of.device
    return alike and view.data_ptr() == of.data_ptr() and view.is_contiguous() and of.is_contiguous()


def plain_weights(model: nn.Module, head: Head) -> PlainWeights | None:
    """Where a head's weights stand as they are among the model's parameters; None where they were computed of them."""
    parameters = dict(model.named_parameters())
    name = next((n for n in (f"{head.classifier}.weight", head.classifier) if n in parameters), "")
    if not head.classifier or not name or (head.function is not None and head.function.norm is not None):
        return None
    bias = f"{head.classifier}.bias" if f"{head.classifier}.bias" in parameters else ""
    held = parameters[name].detach()
    zero = torch.zeros_like(head.bias)
    own = parameters[bias].detach() if bias else zero
    stands = held.ndim >= 2 and held.flatten(1).shape == head.weight.shape and own.shape == head.bias.shape
    if not stands or not torch.equal(held.flatten(1), head.weight) or not torch.equal(own, head.bias):
        return None
    return PlainWeights(name, bias) if torch.equal(head.scaled_bias, zero) else None


@torch.no_grad()
def refuse_stale(
    head: Head, pooled: torch.Tensor, logits: torch.Tensor, eps: float, classes: torch.Tensor | None = None
) -> None:
    """Refuse class weights which do not give the logits that the model gave.

    Those of the asked classes are held against every image's logits of them: what is handed out is what was looked at.
    Where that is more than the rows of the last linear layer, or classes are not told, all rows are held against the
    first image with numbers, as a head that changed misses the logits of any. NaN is its image's own affair.

    Parameters
    ----------
    pooled : Tensor (N, C)
    logits : Tensor (N, K)
    eps : float
        Of the precision in which the network ran.
    classes : Tensor (N, asked classes), optional

    Raises
    ------
    CamkitError
        They miss by more than rounding does.
    """
    if classes is not None and _given_by(head, pooled, logits, eps, classes):
        return  # as nearly always; what follows finds out which image is missed, and by how much
    images = (~logits.isnan().any(1) & pooled.isfinite().all(1)).nonzero()[:, 0]
    if not len(images) or (head.kind == "given" and not head.completeness <= tolerance(head.weight)):
        return
    if classes is None or head.kind == "linearised" or len(images) * classes.shape[1] >= head.num_classes:
        classes, images = None, images[:1]
    if classes is not None and logits.shape[1] != head.num_classes:
        raise CamkitError(f"the model gives {logits.shape[1]} logits, and its head had {head.num_classes}; {ANEW}")
    given, rows = logits[images], pooled[images]
    asked = None if classes is None else classes[images]
    expected = expected_logits(head, rows, asked)
    if asked is not None:
        largest, given = given.abs().amax(1), given.gather(1, asked)
    elif expected.shape == given.shape:
        largest = given.abs().amax(1)
    else:
        raise CamkitError(f"the model gives {given.shape[1]} logits, and its head had {expected.shape[1]}; {ANEW}")
    largest = torch.maximum(largest, expected.abs().amax(1))
    miss = (expected - given).abs().amax(1)
    for i in (~(miss <= rounding(eps) * largest)).nonzero()[:, 0].tolist():
        beyond_rounding = bool(miss[i] > (64 if eps < 1e-6 else 4) * eps * terms(head, rows[i : i + 1]))
        if beyond_rounding or bool(given[i].isfinite().all() ^ expected[i].isfinite().all()):
            raise CamkitError(
                f"class weights miss the logits by {float(miss[i]):.2g} where the largest is {float(largest[i]):.2g}: "
                "the head changed after CAM(model), or does what was not seen when it was found; make a new CAM(model)"
            )


def rounding(eps: float) -> float:
    """How much of the largest logit weights may miss a logit by."""
    return max(1e-3, 8 * eps)


def _given_by(head: Head, pooled: torch.Tensor, logits: torch.Tensor, eps: float, classes: torch.Tensor) -> bool:
    """Whether all of few asked logits are there, and within rounding what the head makes of the pooled vectors."""
    if head.kind == "linearised" or not 0 < classes.numel() < head.num_classes == logits.shape[1]:
        return False
    miss = (expected_logits(head, pooled, classes) - logits.gather(1, classes)).abs().amax(1)
    return bool((miss <= rounding(eps) * logits.abs().amax(1)).all())


def expected_logits(head: Head, rows: torch.Tensor, classes: torch.Tensor | None) -> torch.Tensor:
    """What the head makes of pooled vectors (n, C): logits of classes (n, K), or of all."""
    try:
        if head.kind == "linearised" and head.function is not None:
            return head.function(rows).float()
        scale, weight = head.scale(rows).float()[:, None], head.weight.float()
        if classes is None:
            return scale * (rows @ weight.T + head.scaled_bias.float()) + head.bias.float()
        products = (weight[classes] * rows[:, None]).sum(-1)
        return scale * (products + head.scaled_bias.float()[classes]) + head.bias.float()[classes]
    except RuntimeError as error:
        raise CamkitError(f"the model's head cannot be read on {rows.device} in this precision; {ANEW}") from error


def refuse_stale_answer(expected: torch.Tensor, said: torch.Tensor, eps: float) -> None:
    """The same for a model that returns probabilities: logits come from the head, and must give what it returned."""
    same = expected.shape == said.shape
    if same:
        numbers = ~said.isnan().any(1)
        expected, said = expected[numbers], said[numbers]
        if not len(said):
            return
    if not same or not bool((expected - said).abs().amax() <= rounding(eps) * said.abs().amax()):
        raise CamkitError(
            "class weights do not give the probabilities that the model returned: the head changed after CAM(model), "
            "or does what was not seen when it was found; make a new CAM(model)"
        )


def terms(head: Head, row: torch.Tensor) -> torch.Tensor:
    """A bound of what is added up to a logit: sums of large terms that cancel keep the rounding errors of the terms."""
    longest = torch.linalg.vector_norm(head.weight.float(), dim=1).amax()
    scale = head.scale(row).abs().float().amax()
    bound: torch.Tensor = longest * torch.linalg.vector_norm(row) * scale + head.bias.abs().amax()
    return bound
