"""CutMix: a rectangle of one image is pasted into another, and the labels are mixed by area."""

from dataclasses import dataclass

from torch import Tensor
from torchvision.transforms import v2

from camkit.errors import CamkitError
from camkit.training.methods.method import Method


@dataclass
class CutMix(Method):
    """torchvision's CutMix on every batch.

    Attributes
    ----------
    alpha : float
        Of the symmetric beta distribution of the mixed share. The paper takes 1.

    References
    ----------
    Yun et al.: CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features, ICCV 2019.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise CamkitError(f"cutmix: alpha {self.alpha}: it must be above 0, the paper takes 1")

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Paste, and return labels as probabilities (N, num_classes)."""
        mixed, probabilities = v2.CutMix(num_classes=num_classes, alpha=self.alpha)(images, labels)
        return mixed, probabilities
