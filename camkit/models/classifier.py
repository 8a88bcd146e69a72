"""What a loaded classifier is: the network, and all that must be known to show it a photograph."""

from dataclasses import dataclass

import torchvision
from torch import nn

from camkit.input_spec import InputSpec

DEFAULT, NONE = "DEFAULT", "none"  # the two values of `weights` that are not a file or a published name
RANDOM = "none (random)"


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network, the preprocessing of its weights and the names of its classes.

    Attributes
    ----------
    model : nn.Module
        In eval mode, float32, on the CPU. Images (N, 3, H, W) to logits (N, K).
    name : str
        As the caller gave it.
    input : InputSpec
        What the model wants to be shown.
    labels : tuple of str or None
        The K class names, None where nothing says them.
    weights : str
        What was loaded, in words, for the record of a run.
    output_stride : str or None
        What `set_output_stride` made of it, in words; None for the network's own.
    """

    model: nn.Module
    name: str
    input: InputSpec
    labels: tuple[str, ...] | None
    weights: str
    output_stride: str | None = None


def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 class names of ImageNet-1k, in the order every published classifier uses."""
    return tuple(torchvision.models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"])
