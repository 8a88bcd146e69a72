"""What a training method is: three places at which it may change how a classifier is trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Method:
    """Plain training with cross-entropy, and the base of every other method: ``none``.

    A method overrides the places it needs. Its settings are dataclass fields with defaults, which `load_method` and
    ``--method-option`` set; it checks them in ``__post_init__``. Randomness comes from torch's global generator alone,
    which training seeds before each step, so that a resumed run takes the same steps.
    """

    def attach(self, model: nn.Module, at: Sequence[str]) -> None:
        """Put modules or hooks into the network, for as long as it trains.

        Parameters
        ----------
        model : nn.Module
            What is about to be trained. Its parameters and their names stay as they are: what is saved is the network.
        at : sequence of str
            Names of modules, from the backbone or from ``--adl-at``.
        """

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Change a batch before the network sees it.

        Parameters
        ----------
        images : Tensor (N, 3, H, W)
            Normalised: 0 is the data set's mean.
        labels : Tensor (N,), int64
        num_classes : int

        Returns
        -------
        images : Tensor (N, 3, H, W)
        labels : Tensor (N,), int64, or probabilities (N, num_classes)
        """
        del num_classes
        return images, labels

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The number to make small, from logits (N, K) and labels as `mix` returned them."""
        return F.cross_entropy(logits, labels)
