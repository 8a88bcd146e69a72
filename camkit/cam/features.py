"""Class maps of any classes under any weighting, from what one forward pass leaves."""

from dataclasses import dataclass
from functools import cached_property

import torch

from camkit.cam.class_maps import ClassMaps
from camkit.cam.class_weights import AffineWeights, GradientWeights
from camkit.cam.current import refuse_stale
from camkit.cam.head import Head
from camkit.cam.prediction import Classes, Prediction
from camkit.cam.share import shares
from camkit.cam.weightings import refuse_unfit, weighting_named
from camkit.errors import CamkitError, user_errors


@dataclass(frozen=True, eq=False)
class Features(Prediction):
    """What one forward pass leaves: enough for the class maps of any class under any weighting.

    Attributes
    ----------
    features : Tensor (N, C, h, w), float32
    pooled : Tensor (N, C), float32
        As the model pools. Of heads that attend: what all positions together add to the pooled vector.
    logits : Tensor (N, all classes), float32
    head : Head
    eps : float
        Of the precision in which the network ran.
    rest : Tensor (N, C), float32, or None
        The part of the pooled vector that no position has (a class token's own, registers, MLPs); heads that attend
        have one.
    """

    features: torch.Tensor
    pooled: torch.Tensor
    logits: torch.Tensor
    head: Head
    eps: float = torch.finfo(torch.float32).eps
    rest: torch.Tensor | None = None

    def class_maps(self, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """``M_k = sum_c w_kc F_c`` for the wanted classes; see `Prediction.class_maps`.

        Raises
        ------
        CamkitError
            No weighting has that name, it does not hold on this head, the classes are none of the model's, or the
            weighting gives another shape. The head changed since it was found, so that its weights miss the logits.
        """
        chosen = self.choose(classes)
        refuse_unfit(weighting, self.head)
        with torch.autocast(self.features.device.type, enabled=False):
            weights = self._weights
            pooled = self.pooled / weights.positions if self.head.sums else self.pooled
            with user_errors(f"weighting {weighting!r}", "weigh"):
                weighed = torch.as_tensor(weighting_named(weighting)(weights, chosen, self.logits, pooled))
            if weighed.shape != (wanted := (*chosen.shape, self.features.shape[1])):
                raise CamkitError(f"weighting {weighting!r} gives {tuple(weighed.shape)} where {wanted} is wanted")
            maps = torch.bmm(weighed.to(self.features), self.features.flatten(2))
            maps.masked_fill_(self.logits.isnan().any(1)[:, None, None], torch.nan)  # they add up to no logit
            offset = weights.offset(chosen)
        return ClassMaps(maps.unflatten(2, self.features.shape[2:]), chosen, self.logits, offset, weighting)

    def shares(self) -> torch.Tensor:
        """Which share of each image's variance of logits over classes the maps carry, (N,); see `shares`."""
        every = torch.arange(self.head.num_classes, device=self.logits.device).expand(len(self.logits), -1)
        with torch.autocast(self.features.device.type, enabled=False):
            self._refuse_stale(None)
            return shares(self.logits, self._weights.offset(every))

    def probabilities(self) -> torch.Tensor:
        """Each class's probability (N, K), as the model says it where it says probabilities."""
        return self.head.probabilities(self.logits)

    def class_weights(self, classes: Classes = None) -> torch.Tensor:
        """What each channel counts for in each image's wanted classes, (N, K, C): ``maps = weights @ features``."""
        with torch.autocast(self.features.device.type, enabled=False):
            return self._weights[self.choose(classes)]

    def __repr__(self) -> str:
        n, c, h, w = self.features.shape
        return f"Features({n} images, {c} channels of {h}x{w}, {self.logits.shape[1]} classes, head {self.head.kind})"

    def _refuse_stale(self, classes: torch.Tensor | None) -> None:
        refuse_stale(self.head, self._vector, self.logits, self.eps, classes)

    @cached_property
    def _vector(self) -> torch.Tensor:
        """All that the last linear layer reads, (N, C)."""
        return self.pooled if self.rest is None else self.pooled + self.rest

    @cached_property
    def _weights(self) -> AffineWeights | GradientWeights:
        positions = self.features[0, 0].numel() if self.head.sums else 1
        if self.head.kind == "linearised":
            self._refuse_stale(None)
            return GradientWeights(self.head, self._vector, positions, self.rest)
        with torch.no_grad():
            scale = self.head.scale(self._vector)
        return AffineWeights(self.head, scale, positions, self.rest, self._refuse_stale)
