"""torchvision's classifiers: weights from its hub or from a file, preprocessing from the weights' own description."""

import http.client
import math
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import InterpolationMode

from camkit.errors import CamkitError
from camkit.imagenet import imagenet_names
from camkit.input_spec import InputSpec
from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.messages import one_line
from camkit.models.state import State
from camkit.models.weights_file import is_weights

PATIENCE = 20.0  # seconds without a byte before a download counts as impossible
INCEPTIONS = ("googlenet", "inception_v3")
# transform_input takes ImageNet's normalisation, like every model here, to the one these were trained with.
NORMALISED = {"transform_input": True, "init_weights": False}


def torchvision_names() -> list[str]:
    """The names of torchvision's image classifiers."""
    return list(models.list_models(module=models))


def load_torchvision(name: str, weights: str) -> Classifier:
    """One of torchvision's classifiers, with published weights, with random ones, or with those of a file.

    The preprocessing is that of the published weights; for random weights and a file, that of the default ones.
    """
    published = models.get_model_weights(name)
    if weights == NONE:
        return _classifier(name, _build(name), published.DEFAULT, None, RANDOM)
    entry = published.DEFAULT if weights == DEFAULT else _entry(published, weights)
    if entry is not None:
        path = _cached(entry)
        model = _build(name, _read(name, path), path)
        named = entry.meta.get("categories")  # weights of features alone have none
        return _classifier(name, model, entry, tuple(named) if named else None, str(entry))
    if not is_weights(weights) and not Path(weights).exists():
        known = ", ".join(one.name for one in published)
        raise CamkitError(f"weights {weights!r}: neither a file nor weights of {name} (DEFAULT, {known}, none)")
    state = _read(name, weights)
    model = _build(name, state, weights)
    names = imagenet_names() if _rows(model, model.state_dict()) == len(imagenet_names()) else None
    loaded = _classifier(name, model, published.DEFAULT, names, state.origin)
    return replace(loaded, class_names_assumed=names is not None)


def published_state(name: str, weights: str) -> tuple[dict[str, Tensor], str]:
    """Published weights of a torchvision classifier (``DEFAULT`` or their name), and what they are called."""
    published = models.get_model_weights(name)
    entry = published.DEFAULT if weights == DEFAULT else _entry(published, weights)
    if entry is None:
        known = ", ".join(one.name for one in published)
        raise CamkitError(f"weights {weights!r}: neither a file nor weights of {name} (DEFAULT, {known})")
    return _read(name, _cached(entry)), str(entry)


def _classifier(name: str, model: nn.Module, entry: Any, class_names: tuple[str, ...] | None, said: str) -> Classifier:
    preset = entry.transforms()
    (side,), (resize,) = preset.crop_size, preset.resize_size
    bicubic = preset.interpolation == InterpolationMode.BICUBIC
    spec = InputSpec((side, side), resize, tuple(preset.mean), tuple(preset.std), "bicubic" if bicubic else "bilinear")
    if isinstance(model, models.VisionTransformer):  # it takes one size, and random weights are not of the entry's
        spec = spec.at((model.image_size,) * 2)
    return Classifier(model, name, spec, class_names, said, name)


def _entry(published: Any, weights: str) -> Any:
    return next((one for one in published if weights in (one.name, str(one))), None)


def _read(name: str, path: str | Path) -> State:
    """The weights in a file that are this network's, with its side heads or without."""
    for settings in (
        ({"init_weights": False}, {"init_weights": False, "aux_logits": False}) if name in INCEPTIONS else ({},)
    ):
        with torch.device("meta"):
            own = models.get_model(name, weights=None, **settings).state_dict()
        state = read_weights(path, own)
        if state.keys() == own.keys():
            return state
    if name.startswith("densenet"):  # its published files date from before module names could not hold a dot
        for key in list(state):
            state[re.sub(r"(norm|conv)\.([12])\.", r"\1\2.", key)] = state.pop(key)
    return state


def build_torchvision(name: str, num_classes: int, size: tuple[int, int]) -> nn.Module:
    """The architecture with random weights, without side heads, for images of this size."""
    settings: dict[str, Any] = {"num_classes": num_classes}
    if name in INCEPTIONS:
        settings |= {"aux_logits": False, **NORMALISED}
    if name.startswith("vit_"):
        settings["image_size"] = size[0]
    model: nn.Module = models.get_model(name, weights=None, **settings)
    return model


def _build(name: str, state: Mapping[str, Tensor] | None = None, path: str | Path = "") -> nn.Module:
    """The architecture with as many classes as the weights of a file have, loaded; random without them."""
    random, state = state is None, state or {}
    settings: dict[str, Any] = {}
    if name in INCEPTIONS:
        aux = any(key.startswith(("aux", "Aux")) for key in state)
        settings = {"aux_logits": aux, **NORMALISED}
    if name.startswith("vit_") and (side := _image_size(state)):
        settings["image_size"] = side
    model: nn.Module = models.get_model(name, weights=None, **settings)
    if not random:
        if _rows(model, state) != _rows(model, model.state_dict()):
            model = models.get_model(name, weights=None, num_classes=_rows(model, state), **settings)
        load_weights(model, state, path)
    for head in ("aux1", "aux2", "AuxLogits"):
        if hasattr(model, head):  # side heads serve training alone
            setattr(model, head, None)
            model.aux_logits = False  # type: ignore[assignment]
    return model


def _rows(model: nn.Module, state: Mapping[str, Tensor]) -> int:
    """Classes in `state`: rows of the tensor that comes last in each of these architectures, the classifier's."""
    *_, last = model.state_dict()
    return state[last].shape[0] if last in state and state[last].ndim else len(imagenet_names())


def _image_size(state: Mapping[str, Tensor]) -> int | None:
    """The side of the image that a ViT's position embedding and patches were made for, in pixels."""
    positions, patches = state.get("encoder.pos_embedding"), state.get("conv_proj.weight")
    if positions is None or patches is None or positions.ndim != 3 or patches.ndim != 4:
        return None
    return math.isqrt(max(positions.shape[1] - 1, 0)) * patches.shape[-1]


def _cached(entry: Any) -> Path:
    """The weights' file in PyTorch's cache, downloaded if it is not there yet."""
    file = Path(urlparse(entry.url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if path.exists():
        return path
    checksum = re.search(r"-([0-9a-f]{8,})\.", file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _impatient():
            torch.hub.download_url_to_file(entry.url, str(path), checksum[1] if checksum else None, sys.stderr.isatty())
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise CamkitError(
            f"{entry}: cannot download {entry.url} ({one_line(error)}); "
            f"fetch that file elsewhere and put it at {path}, or name it with --weights FILE"
        ) from error
    return path


@contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
