"""Weights from a file to a model: tensors only, no code is run, and all of them fit or none is accepted."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.models.messages import one_line, some
from camkit.models.state import COUNTER, Contents, State, is_plain
from camkit.models.weights_file import open_weights, split_key


def read_weights(path: str | Path, own: Mapping[str, Tensor] | None = None) -> State:
    """Read a state dict without running anything that the file may hold.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` file, one that `torch.save` wrote (``.pt``, ``.pth``, ``.bin``, ``.ckpt``, ``.pth.tar``), or
        the ``.index.json`` of weights in several files. ``FILE:KEY`` takes the state dict under that key.
    own : mapping from str to Tensor, optional
        The state dict of the network that the weights are for. Then those of the file's tensors are taken that fit it,
        under whatever prefix; see `camkit.models.state`. Where none fit, as without it: the whole file, or what it
        keeps under ``state_dict``, ``model_state_dict`` or ``model``, without the prefixes ``module.`` and
        ``_orig_mod.``.

    Returns
    -------
    State
        A dictionary from str to Tensor, on the CPU, floating point tensors in float32. Its ``origin`` says in words
        what was taken. Versions that the file states of its modules stay attached (``_metadata``, as PyTorch does it).

    Raises
    ------
    CamkitError
        The file is missing, of another format, damaged, asks for code to be run, holds NaN, or holds several weights
        that fit.
    """
    path, key = split_key(path)
    contents = Contents(open_weights(path), path)
    tensors = {name: value for name, value in (own or {}).items() if isinstance(value, Tensor)}  # no extra state
    state = (contents.of(tensors, key) if tensors else None) or contents.alone(key)
    if strange := [name for name, value in state.items() if not is_plain(value)]:
        raise CamkitError(f"{path}: no state dict of plain tensors ({some(strange)} are sparse, quantised or empty)")
    for name, value in state.items():
        state[name] = value.detach().float() if value.is_floating_point() else value.detach()
    poisoned = [name for name, value in state.items() if value.is_floating_point() and value.isnan().any()]
    if poisoned:
        raise CamkitError(f"{path}: weights hold NaN in {some(poisoned)}; take a checkpoint from before training broke")
    return state


def load_file(model: nn.Module, path: str | Path) -> str:
    """Read a file of weights and put them into `model`; what was taken, in words.

    Raises
    ------
    CamkitError
        As `read_weights` and `load_weights` raise it.
    """
    state = read_weights(path, model.state_dict())
    load_weights(model, state, path)
    return state.origin


def load_weights(model: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Put `state` into `model`: every parameter and buffer, none left over.

    Raises
    ------
    CamkitError
        Keys are missing, unexpected, of another shape or kind of number. The model is then not to be used.
    """
    own = model.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith(COUNTER)}
    full = OrderedDict({**counters, **state})
    metadata = getattr(state, "_metadata", None)
    full._metadata = metadata if isinstance(metadata, dict) else own._metadata  # type: ignore[attr-defined]
    remedy = "give the model that these weights were trained with, or other weights"
    fault = f"{path}: the weights do not fit {type(model).__name__}"
    if alien := [key for key in own if key in state and not _is_of_kind(key, state[key], own[key])]:
        kinds = f"{state[alien[0]].dtype}, the model's {own[alien[0]].dtype}".replace("torch.", "")
        raise CamkitError(f"{fault}: {len(alien)} of another type ({some(alien)}: the file's is {kinds}); {remedy}")
    try:
        model.load_state_dict(full)
    except Exception as error:  # a hostile file reaches any line of the modules' own loading code
        why = difference(own, full) or one_line(error)
        raise CamkitError(f"{fault}: {why}; {remedy}") from error


def _is_of_kind(name: str, given: Tensor, own: object) -> bool:
    """Whether one holds the kind of numbers of the other: whole ones are no weights, and weights are no indices."""
    if not isinstance(own, Tensor) or name.endswith(COUNTER):  # averaged, counters are no whole numbers
        return True
    kinds = [(value.is_floating_point(), value.is_complex(), value.dtype == torch.bool) for value in (given, own)]
    return kinds[0] == kinds[1]


def difference(own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """How the names and shapes of two state dicts differ, in words; "" where they do not."""
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in own]
    reshaped = [key for key in own if key in state and state[key].shape != own[key].shape]
    parts = []
    if missing:
        parts.append(f"{len(missing)} missing ({some(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} unexpected ({some(unexpected)})")
    if reshaped:
        first = reshaped[0]
        shapes = f"{tuple(state[first].shape)}, the model's {tuple(own[first].shape)}"
        parts.append(f"{len(reshaped)} of another shape ({some(reshaped)}: the file's is {shapes})")
    return ", ".join(parts)
