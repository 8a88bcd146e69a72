"""A linear layer alone in a file, to be laid over a model that was loaded before."""

from dataclasses import replace
from pathlib import Path

import torch

from camkit.errors import CamkitError
from camkit.models.checkpoint import difference, read_weights
from camkit.models.classifier import Classifier


@torch.no_grad()
def with_fc(classifier: Classifier, path: str | Path) -> Classifier:
    """The classifier with some of its tensors replaced by those of a file, such as ``fc.safetensors``.

    Parameters
    ----------
    classifier : Classifier
        Its model is changed.
    path : str or Path
        As `read_weights` takes it; its tensors are named as in the model's state dict.

    Raises
    ------
    CamkitError
        The file cannot be read, or has a tensor that the model lacks or has in another shape.
    """
    state, own = read_weights(path), classifier.model.state_dict()
    why = difference({key: value for key, value in own.items() if key in state}, state)
    if why:
        raise CamkitError(
            f"{path}: this fc does not fit {classifier.name}: {why}; give the model that it was fine-tuned from"
        )
    for key, value in state.items():
        own[key].copy_(value)
    return replace(classifier, weights=f"{classifier.weights}, fc from {path}")
