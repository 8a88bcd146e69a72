"""CutMix: a rectangle of one image is pasted into another, and the labels are mixed by area."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torchvision.transforms import v2

from camkit.errors import CamkitError
from camkit.training.method import Method


@dataclass
class CutMix(Method):
    """torchvision's CutMix: an image's partner is the one before it in the batch.

    Attributes
    ----------
    alpha : float
        Of the symmetric beta distribution of the mixed share. The paper takes 1.
    p : float
        Probability that a batch is mixed. The paper takes 1.

    References
    ----------
    Yun et al.: CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019.
    """

    mixes_labels: ClassVar[bool] = True

    alpha: float = 1.0
    p: float = 1.0

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and 0 <= self.p <= 1):
            raise CamkitError(f"cutmix: alpha {self.alpha} and p {self.p}: alpha must be above 0, and p in [0, 1]")

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Paste, and return labels as probabilities (N, num_classes); or nothing is done to the batch."""
        if self.p < 1 and torch.rand(()) >= self.p:
            return images, labels
        mixed, probabilities = v2.CutMix(num_classes=num_classes, alpha=self.alpha)(images, labels)
        return mixed, probabilities
