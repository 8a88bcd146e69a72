"""A linear layer alone in a file, to be laid over the model that it was fine-tuned from."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save
from torch import nn

from camkit.errors import CamkitError
from camkit.models.checkpoint import difference, read_weights
from camkit.models.classifier import Classifier
from camkit.models.weights_file import read_metadata

MOST = 2  # tensors of a linear layer: weight and bias
FROZEN = "frozen"  # the header's entry: a digest of everything that was not fine-tuned


def fc_file(model: nn.Module, state: Mapping[str, torch.Tensor]) -> bytes:
    """What `with_fc` reads: a safetensors file of fc's tensors alone, whose header tells the model that they belong to.

    Parameters
    ----------
    model : nn.Module
    state : mapping from name to Tensor
        fc's tensors, named as in the model's state dict.
    """
    alone = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    return save(alone, {FROZEN: digest(model, alone)})


@torch.no_grad()
def with_fc(classifier: Classifier, path: str | Path) -> Classifier:
    """The classifier with its linear layer replaced by that of a file, such as ``fc.safetensors``.

    Parameters
    ----------
    classifier : Classifier
        Its model is changed.
    path : str or Path
        As `read_weights` takes it; its tensors are named as in the model's state dict.

    Raises
    ------
    CamkitError
        The file cannot be read, holds more or less than a linear layer of this model, or was fine-tuned from another.
    """
    path, state, own = Path(path), read_weights(path), classifier.model.state_dict()
    layer = {key: value for key, value in own.items() if key in state or key in biases(state)}
    if len(state) > MOST:
        raise CamkitError(f"{path} holds {len(state)} tensors, a whole classifier: give it as --model or --weights")
    why = difference(layer, state)
    if not why and path.suffix.lower() == ".safetensors":
        frozen = read_metadata(path).get(FROZEN)
        if frozen not in (None, digest(classifier.model, state)):
            why = "its backbone has other weights"
    if why:
        raise CamkitError(
            f"{path}: this fc does not fit {classifier.name}: {why}; give the model that it was fine-tuned from"
        )
    for key, value in state.items():
        own[key].copy_(value)
    return replace(classifier, weights=f"{classifier.weights}, fc from {path}")


def biases(state: Collection[str]) -> set[str]:
    """The names that biases of these weights would have."""
    return {f"{key.removesuffix('weight')}bias" for key in state if key.endswith("weight")}


def digest(model: nn.Module, but: Collection[str]) -> str:
    """Of every byte of a model's state beside some tensors."""
    found = sha256()
    for key, value in model.state_dict().items():
        if key not in but:
            found.update(key.encode())
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()
