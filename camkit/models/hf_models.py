"""Hugging Face's image classifiers, where transformers is installed: `hf:NAME`.

Weights are read by camkit's own reader, from safetensors or from a pickle of which nothing is run, and handed to
transformers; code that a repository brings is never run.
"""

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models.checkpoint import read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.embeddings import ClassEmbeddings
from camkit.models.extras import extra
from camkit.models.hub import hub_folder
from camkit.models.messages import one_line, some
from camkit.models.preprocessing import input_spec_of
from camkit.models.state import State
from camkit.models.zero_shot import with_embeddings

PREFIX = "hf:"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
TEXT = ("text_model", "text_projection")  # what an image encoder has no use for
ZERO_SHOT = "give the embeddings of its classes with --classes-from FILE"


class ImageClassifier(nn.Module):
    """A network of transformers, from images (N, 3, H, W) to logits (N, K)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.options = network, _any_size(network.forward)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(pixel_values=images, **self.options).logits
        return logits


class ImageEncoder(nn.Module):
    """The image tower of a CLIP or SigLIP of transformers, from images (N, 3, H, W) to embeddings (N, D)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network, self.options = network, _any_size(network.get_image_features)

    def forward(self, images: Tensor) -> Tensor:
        found = self.network.get_image_features(pixel_values=images, **self.options)
        embeddings: Tensor = found if isinstance(found, Tensor) else found.pooler_output
        return embeddings


def _any_size(function: Any) -> dict[str, bool]:
    """What lets a network take images in another size than its own."""
    name = "interpolate_pos_encoding"
    return {name: True} if name in inspect.signature(function).parameters else {}


def load_hf(spec: str, weights: str, embeddings: ClassEmbeddings | None = None) -> Classifier:
    """An image classifier of the hub or of a folder, or a CLIP or SigLIP with class embeddings."""
    transformers = _transformers()
    folder = hub_folder(spec, spec.removeprefix(PREFIX), WEIGHTS)
    config = _config(transformers, spec, folder)
    state = None if weights == NONE else read_weights(_weights_file(spec, folder) if weights == DEFAULT else weights)
    with quiet(transformers):
        shown = _input_spec(transformers, spec, folder)
        kind = _kind(transformers, spec, config, embeddings)
        network, said = _network(spec, kind, config, state)
    if embeddings is None:
        return Classifier(ImageClassifier(network), spec, shown, _class_names(config), said, spec)
    return _zero_shot(Classifier(network, spec, shown, None, said), embeddings)


def build_hf(spec: str, num_classes: int) -> nn.Module:
    """The network with random weights and so many classes; its configuration is read from this machine alone."""
    transformers = _transformers()
    config = _config(transformers, spec, hub_folder(spec, spec.removeprefix(PREFIX), (), download=False))
    config.num_labels = num_classes
    with quiet(transformers):
        return ImageClassifier(_from_config(transformers.AutoModelForImageClassification, spec, config))


def _transformers() -> ModuleType:
    return extra("transformers", PREFIX, "hf")


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Nothing but errors is said, and no bars are drawn: camkit says in one line what did not fit."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _config(transformers: Any, spec: str, folder: Path) -> Any:
    if (folder / "adapter_config.json").is_file():
        raise CamkitError(
            f"{spec}: it holds an adapter (PEFT): merge it into its model in Python, and save that as a folder"
        )
    if architecture := _of_timm(folder / "config.json"):
        raise CamkitError(f"{spec}: it is a network of timm's: give --model timm:{architecture:.80}")
    try:
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # a hostile config.json reaches any line of transformers' own code
        raise CamkitError(f"{spec}: its config.json makes no network of transformers' ({one_line(error)})") from error
    if getattr(config, "quantization_config", None):
        raise CamkitError(
            f"{spec}: its weights are quantised, and maps need the numbers: take the network it was made of"
        )
    return config


def _of_timm(path: Path) -> str:
    """The name of timm's network that a configuration is of, as timm writes it or transformers; "" of any other."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):  # transformers says why
        return ""
    is_timm = isinstance(held, dict) and ("pretrained_cfg" in held or held.get("model_type") == "timm_wrapper")
    return str(held.get("architecture") or "NAME") if is_timm else ""


def _weights_file(spec: str, folder: Path) -> Path:
    found = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if found is None:
        raise CamkitError(
            f"{spec}: no {WEIGHTS[0]} in {folder}: put it there, name a file with --weights, or none (random)"
        )
    return found


def _input_spec(transformers: Any, spec: str, folder: Path) -> InputSpec:
    if not any((folder / name).is_file() for name in PROCESSORS):
        raise CamkitError(
            f"{spec}: no preprocessor_config.json in {folder}, so that nothing says which images it was trained on: "
            "put that of the network it was made from there"
        )
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:
        raise CamkitError(
            f"{spec}: its preprocessor_config.json makes no image processor ({one_line(error)})"
        ) from error
    try:
        return input_spec_of(processor)
    except CamkitError as error:
        raise CamkitError(f"{spec}: {error}, to a network that you load in Python") from error


def _kind(transformers: Any, spec: str, config: Any, embeddings: ClassEmbeddings | None) -> Any:
    """The family of networks: with a classifier of their own, or with a tower for texts beside that for images."""
    classifies = type(config) in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING
    named = " or ".join(config.architectures or [type(config).__name__])
    if embeddings is not None:
        return transformers.AutoModel
    if not classifies:
        more = f": {ZERO_SHOT}" if hasattr(config, "vision_config") else ""
        raise CamkitError(f"{spec}: a {named:.80} is no image classifier{more}")
    return transformers.AutoModelForImageClassification


def _from_config(kind: Any, spec: str, config: Any) -> nn.Module:
    try:
        network: nn.Module = kind.from_config(config, trust_remote_code=False)
    except Exception as error:
        raise CamkitError(f"{spec}: transformers cannot make the network ({one_line(error)})") from error
    return network


def _network(spec: str, kind: Any, config: Any, state: State | None) -> tuple[nn.Module, str]:
    """The network with its weights, all of them, and what they are in words."""
    if state is None:
        return _from_config(kind, spec, config), RANDOM
    with torch.device("meta"):
        made = type(_from_config(kind, spec, config))
    try:
        network, info = made.from_pretrained(  # type: ignore[attr-defined]
            None, config=config, state_dict=dict(state), output_loading_info=True, ignore_mismatched_sizes=True,
            dtype=torch.float32)  # fmt: skip
    except Exception as error:
        raise CamkitError(f"{spec}: transformers cannot load the weights ({one_line(error)})") from error
    missing, beside = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    other = sorted(key if isinstance(key, str) else str(key[0]) for key in info["mismatched_keys"])
    if missing or other:
        what = f"lack {some(missing)}" if missing else f"have other shapes in {some(other)}"
        zero_shot = (
            f"; a CLIP or SigLIP has no classes of its own: {ZERO_SHOT}" if hasattr(config, "vision_config") else ""
        )
        raise CamkitError(f"{spec}: its weights {what}, which a {made.__name__} has{zero_shot}")
    return network, f"{state.origin}{f' (without {some(beside)})' if beside else ''}"


def _class_names(config: Any) -> tuple[str, ...] | None:
    """The names in a configuration; transformers fills in LABEL_0, LABEL_1 where nobody says them."""
    held = {int(number): str(name) for number, name in (config.id2label or {}).items()}
    if sorted(held) != list(range(config.num_labels)) or all(held[i] == f"LABEL_{i}" for i in held):
        return None
    return tuple(held[i] for i in range(len(held)))


def _zero_shot(classifier: Classifier, embeddings: ClassEmbeddings) -> Classifier:
    network: Any = classifier.model
    if not hasattr(network, "get_image_features"):
        raise CamkitError(
            f"{classifier.name}: a {type(network).__name__} has no embeddings that texts share: --classes-from takes a "
            "whole CLIP or SigLIP"
        )
    for name in TEXT:
        if isinstance(getattr(network, name, None), nn.Module):
            setattr(network, name, None)
    scale, bias = getattr(network, "logit_scale", None), getattr(network, "logit_bias", None)
    return with_embeddings(
        classifier,
        ImageEncoder(network),
        embeddings,
        None if scale is None else float(scale.detach().exp()),
        None if bias is None else float(bias.detach()),
    )
