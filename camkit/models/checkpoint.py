"""Weights from a file to a model: tensors only, no code is run, and all of them fit or none is accepted."""

import pickle
import re
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.models.messages import one_line, some

SUFFIXES = (".safetensors", ".pt", ".pth")
NESTED = ("state_dict", "model_state_dict", "model")  # where training scripts keep the weights in a larger dictionary
FORBIDDEN = re.compile("GLOBAL|call reduce|build Tensor")  # how PyTorch's reader says that a pickle wants to run code
PREFIXES = ("module.", "_orig_mod.")  # left by DataParallel and torch.compile


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Read a state dict without running anything that the file may hold.

    Parameters
    ----------
    path : str or Path
        A ``.safetensors`` file, or a ``.pt`` or ``.pth`` file that `torch.save` wrote: a state dict, alone or under
        one of the keys ``state_dict``, ``model_state_dict`` and ``model``.

    Returns
    -------
    dict of str to Tensor
        On the CPU, floating point tensors in float32, without the prefixes ``module.`` and ``_orig_mod.``.
        Versions that the file states of its modules stay attached (``_metadata``, as PyTorch does it).

    Raises
    ------
    CamkitError
        The file is missing, of another format, damaged, holds more than tensors, or holds NaN.
    """
    path = _existing(path)
    held = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    named = _strip(_unwrap(held, path))
    state = OrderedDict((key, value.float() if value.is_floating_point() else value) for key, value in named.items())
    poisoned = [key for key, value in state.items() if value.is_floating_point() and value.isnan().any()]
    if poisoned:
        raise CamkitError(f"{path}: weights hold NaN in {some(poisoned)}; take a checkpoint from before training broke")
    state._metadata = getattr(named, "_metadata", None)  # type: ignore[attr-defined]
    return state


def read_metadata(path: str | Path) -> dict[str, str]:
    """The text entries in the header of a ``.safetensors`` file; `CamkitError` where it cannot be read."""
    path = _existing(path)
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CamkitError(f"{path}: not a readable safetensors file ({one_line(error)})") from error


def load_weights(model: nn.Module, state: dict[str, Tensor], path: str | Path) -> None:
    """Put `state` into `model`: every parameter and buffer, none left over.

    Raises
    ------
    CamkitError
        Keys are missing, unexpected or of another shape. The model is then not to be used.
    """
    own = model.state_dict()
    # Batch norm's counters matter to training alone, and files of long ago lack them.
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}
    full = OrderedDict({**counters, **state})
    metadata = getattr(state, "_metadata", None)
    full._metadata = metadata if isinstance(metadata, dict) else own._metadata  # type: ignore[attr-defined]
    try:
        model.load_state_dict(full)
    except Exception as error:  # a hostile file reaches any line of the modules' own loading code
        why = difference(own, full) or one_line(error)
        remedy = "give the model that these weights were trained with, or other weights"
        raise CamkitError(f"{path}: the weights do not fit {type(model).__name__}: {why}; {remedy}") from error


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise CamkitError(f"{path}: no such file of weights")
    if path.suffix.lower() not in SUFFIXES:
        raise CamkitError(f"{path}: weights are read from {', '.join(SUFFIXES)} files; rename it if it is one of them")
    if path.stat().st_size == 0:
        raise CamkitError(f"{path}: the file of weights is empty; copy or download it again")
    return path


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except Exception as error:
        raise CamkitError(f"{path}: damaged, or not a safetensors file ({one_line(error)})") from error


def _read_pickle(path: Path) -> dict[Any, Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one line says what is wrong, the error's
            held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if isinstance(error, pickle.UnpicklingError) and FORBIDDEN.search(str(error)):
            raise CamkitError(
                f"{path}: refused, it holds Python objects that could run code, not weights alone; "
                "save it anew with torch.save(model.state_dict(), ...) or as .safetensors"
            ) from error
        if "TorchScript" in str(error):
            raise CamkitError(f"{path}: a TorchScript archive; save its state_dict() instead") from error
        raise CamkitError(f"{path}: damaged, or not a file that torch.save wrote; copy or download it again") from error
    if not isinstance(held, dict):
        raise CamkitError(f"{path}: holds a {type(held).__name__}, not a state dict; save model.state_dict()")
    return held


def _unwrap(held: dict[Any, Any], path: Path) -> dict[str, Tensor]:
    inner: dict[Any, Any] = next((held[key] for key in NESTED if isinstance(held.get(key), dict)), held)
    strange = [key for key, value in inner.items() if not (isinstance(key, str) and _is_plain(value))]
    if strange or not inner:
        what = f"{some(strange)} are not tensors" if strange else "it is empty"
        raise CamkitError(f"{path}: no state dict in it ({what}); save model.state_dict()")
    return inner


def _is_plain(value: object) -> bool:
    """A tensor with numbers in it: not sparse, not quantised, not on the meta device."""
    if not isinstance(value, Tensor):
        return False
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized


def _strip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in PREFIXES * 2:  # a wrapper may stand inside the other
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def difference(own: dict[str, Tensor], state: dict[str, Tensor]) -> str:
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
