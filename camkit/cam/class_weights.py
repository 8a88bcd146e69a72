"""The class weights of a batch's images: what the mean of each channel counts for in each class's logit."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from camkit.cam.forward import ANEW, one_line
from camkit.cam.head import Head
from camkit.errors import CamkitError


@dataclass(frozen=True, eq=False)
class AffineWeights:
    """Of a head that is affine, once a norm's number is absorbed image by image.

    Attributes
    ----------
    head : Head
    scale : Tensor (N,)
        ``s_i`` of `Head`.
    positions : int
        That the network adds up; 1 where it averages them.
    rest : Tensor (N, C) or None
        The part of the pooled vector that no position has.
    check : callable
        Refuses weights of classes (N, K), or of all for None, that do not give the logits: before they are handed out.
    """

    head: Head
    scale: torch.Tensor
    positions: int
    rest: torch.Tensor | None
    check: Callable[[torch.Tensor | None], None]

    def __getitem__(self, classes: torch.Tensor) -> torch.Tensor:
        """Weights (N, K, C) of classes (N, K)."""
        self.check(classes)
        return self._added_up(self.head.weight.float()[classes] * self.scale[:, None, None])

    def combined(self, coefficients: torch.Tensor) -> torch.Tensor:
        """``sum_k coefficient_k w_k``, (N, K, classes) -> (N, K, C)."""
        self.check(None)
        return self._added_up(coefficients @ self.head.weight.float() * self.scale[:, None, None])

    def _added_up(self, weights: torch.Tensor) -> torch.Tensor:
        return weights if self.positions == 1 else weights * self.positions

    def offset(self, classes: torch.Tensor) -> torch.Tensor:
        """The part of the logits (N, K) that has no place in the image."""
        head = self.head
        scaled = head.scaled_bias.float()[classes]
        if self.rest is not None:
            scaled = scaled + (self.rest @ head.weight.float().T).gather(1, classes)
        return self.scale[:, None] * scaled + head.bias.float()[classes]


@dataclass(frozen=True, eq=False)
class GradientWeights:
    """Of a head that is not affine: the gradient of each logit at the image's pooled features.

    By a backward pass through the head alone: a row for each image and class.

    Attributes
    ----------
    head : Head
    pooled : Tensor (N, C)
        All that the head reads, `rest` and all.
    positions : int
    rest : Tensor (N, C) or None
        The part of `pooled` that no position has.
    """

    head: Head
    pooled: torch.Tensor
    positions: int
    rest: torch.Tensor | None = None
    last: dict[str, torch.Tensor] = field(default_factory=dict)  # a map asks for weights, then for their offset

    def __getitem__(self, classes: torch.Tensor) -> torch.Tensor:
        """Weights (N, K, C) of classes (N, K)."""
        return self._at(classes)[0] * self.positions

    def combined(self, coefficients: torch.Tensor) -> torch.Tensor:
        """``sum_k coefficient_k w_k``, (N, K, classes) -> (N, K, C)."""
        return self._gradient(coefficients)[0] * self.positions

    def offset(self, classes: torch.Tensor) -> torch.Tensor:
        """The part of the logits (N, K) that the gradient does not account for."""
        gradient, logits = self._at(classes)
        placed = self.pooled if self.rest is None else self.pooled - self.rest
        return logits - torch.einsum("nkc,nc->nk", gradient, placed)

    def _at(self, classes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if self.last.get("classes") is not classes:
            one_hot = torch.zeros(*classes.shape, self.head.num_classes, device=classes.device)
            gradient, logits = self._gradient(one_hot.scatter_(2, classes[..., None], 1.0))
            self.last.update(classes=classes, gradient=gradient, logits=logits)
        return self.last["gradient"], self.last["logits"]

    def _gradient(self, coefficients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of ``sum_k coefficient_k logit_k``, (N, K, C), and that sum (N, K)."""
        assert self.head.function is not None
        n, k, total = coefficients.shape
        try:
            with torch.inference_mode(False), torch.enable_grad():
                rows = self.pooled.detach().clone().repeat_interleave(k, 0).requires_grad_()
                picked = (self.head.function(rows) * coefficients.clone().reshape(n * k, total)).sum(1)
                (gradient,) = torch.autograd.grad(picked.sum(), rows)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise CamkitError(f"the head cannot be run again ({one_line(error)}); {ANEW}") from error
        return gradient.reshape(n, k, -1), picked.detach().reshape(n, k)
