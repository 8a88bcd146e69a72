"""Class maps of any classes under any weighting, from what one forward pass leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from camkit.cam.class_weights import AffineWeights, GradientWeights
from camkit.cam.current import refuse_stale
from camkit.cam.head import Head
from camkit.cam.weightings import weighting_named
from camkit.errors import CamkitError

Classes = torch.Tensor | Sequence[int] | int | str | None


@dataclass(frozen=True, eq=False)
class ClassMaps:
    """Class maps of a batch.

    Attributes
    ----------
    maps : Tensor (N, K, h, w), float32
        Before any normalisation. With signed weighting and average pooling ``maps.mean((-2, -1)) + offset`` equals the
        logits of `classes`.
    classes : Tensor (N, K), int64
    logits : Tensor (N, all classes), float32
    offset : Tensor (N, K), float32
        The part of the logit that has no place in the image: biases, a norm's shift.
    """

    maps: torch.Tensor
    classes: torch.Tensor
    logits: torch.Tensor
    offset: torch.Tensor


@dataclass(frozen=True, eq=False)
class Features:
    """What one forward pass leaves: enough for the class maps of any class under any weighting.

    Attributes
    ----------
    features : Tensor (N, C, h, w), float32
    pooled : Tensor (N, C), float32
        As the model pools.
    logits : Tensor (N, all classes), float32
    head : Head
    eps : float
        Of the precision in which the network ran.
    """

    features: torch.Tensor
    pooled: torch.Tensor
    logits: torch.Tensor
    head: Head
    eps: float = torch.finfo(torch.float32).eps

    def class_maps(self, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """``M_k = sum_c w_kc F_c`` for the wanted classes.

        Parameters
        ----------
        classes : None, int, "all", sequence of int, Tensor (N,) or (N, K)
            None: the predicted class of each image. One int or several: these classes for every image. A tensor: each
            image its own; ``features.top(5)`` gives the five predicted ones.
        weighting : str
            A name in `camkit.cam.WEIGHTINGS`: "signed", "positive" (NWC), "negative", or one of your own.

        Raises
        ------
        CamkitError
            No weighting has that name, the classes are none of the model's, or the weighting gives another shape. The
            head changed since it was found, so that its weights miss the logits.
        """
        chosen = self.choose(classes)
        with torch.autocast(self.features.device.type, enabled=False):
            weights = self._weights
            weighed = weighting_named(weighting)(weights, chosen, self.logits, self.pooled)
            if weighed.shape != (wanted := (*chosen.shape, self.features.shape[1])):
                raise CamkitError(f"weighting {weighting!r} gives {tuple(weighed.shape)} where {wanted} is wanted")
            maps = torch.bmm(weighed.to(self.features), self.features.flatten(2))
            offset = weights.offset(chosen)
        return ClassMaps(maps.unflatten(2, self.features.shape[2:]), chosen, self.logits, offset)

    def class_weights(self, classes: Classes = None) -> torch.Tensor:
        """What each channel counts for in each image's wanted classes, (N, K, C): ``maps = weights @ features``."""
        with torch.autocast(self.features.device.type, enabled=False):
            return self._weights[self.choose(classes)]

    def top(self, k: int) -> torch.Tensor:
        """The k classes with the highest logits, best first, (N, k)."""
        return self.logits.topk(min(k, self.logits.shape[1]), dim=1).indices

    def choose(self, classes: Classes) -> torch.Tensor:
        """Class indices (N, K) in any of the forms that `class_maps` takes."""
        n, total = self.logits.shape
        device = self.logits.device
        if classes is None:
            return self.top(1)
        if isinstance(classes, str):
            if classes != "all":
                raise CamkitError(f"classes={classes!r}: give indices, None for the predicted class, or 'all'")
            return torch.arange(total, device=device).expand(n, -1)
        if isinstance(classes, torch.Tensor):
            index = classes.to(device)
            index = index[:, None] if index.ndim == 1 else index
        else:
            index = torch.as_tensor([classes] if isinstance(classes, int) else list(classes), device=device).expand(
                n, -1
            )
        if index.ndim != 2 or len(index) != n or index.is_floating_point():
            raise CamkitError(
                f"classes has shape {tuple(index.shape)} for {n} images: (N,) or (N, K) integers are wanted"
            )
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= total):
            raise CamkitError(
                f"class {int(index.min() if index.min() < 0 else index.max())} of a model with {total} classes"
            )
        return index.long()

    @cached_property
    def _weights(self) -> AffineWeights | GradientWeights:
        refuse_stale(self.head, self.pooled, self.logits, self.eps)
        positions = self.features[0, 0].numel() if self.head.sums else 1
        if self.head.kind == "linearised":
            return GradientWeights(self.head, self.pooled, positions)
        return AffineWeights(self.head, self.head.scale(self.pooled), positions)
