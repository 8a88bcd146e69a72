"""open_clip's image encoders with class embeddings, where open_clip is installed: `open_clip:NAME[@PRETRAINED]`."""

import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.configurations import of_open_clip
from camkit.models.embeddings import ClassEmbeddings
from camkit.models.extras import extra
from camkit.models.messages import did_you_mean, one_line, some
from camkit.models.weights_file import is_weights
from camkit.models.zero_shot import with_embeddings

PREFIX = "open_clip:"


def load_open_clip(spec: str, weights: str, embeddings: ClassEmbeddings | None) -> Classifier:
    """The image tower of a model of open_clip's, with the classes of a file."""
    open_clip = extra("open_clip", PREFIX, "clip")
    name, _, pretrained = spec.removeprefix(PREFIX).partition("@")
    if name not in open_clip.list_models():
        raise CamkitError(f"open_clip has no model {name!r:.80}{did_you_mean(name, open_clip.list_models())}")
    if embeddings is None:
        raise CamkitError(f"{spec} tells images from texts and has no classes of its own: give --classes-from FILE")
    if pretrained and weights != DEFAULT:
        raise CamkitError(f"{spec} names its weights itself: leave --weights out")
    path, config = (weights, {}) if weights != DEFAULT else _pretrained(open_clip, spec, name, pretrained)
    with quiet():
        try:
            model = open_clip.create_model(name, pretrained_text=False)
        except Exception as error:  # text towers of other libraries want their files
            raise CamkitError(f"{spec}: open_clip cannot make the model ({one_line(error)})") from error
    said = RANDOM if path == NONE else _load(model, path)
    shown = {**open_clip.get_model_preprocess_cfg(model), **{k: v for k, v in config.items() if k in PREPROCESS and v}}
    bias: Tensor | None = getattr(model, "logit_bias", None)
    return with_embeddings(
        Classifier(model, spec, of_open_clip(shown), None, said),
        ImageTower(model.visual),
        embeddings,
        float(model.logit_scale.detach().exp()),
        None if bias is None else float(bias.detach()),
    )


PREPROCESS = ("mean", "std", "interpolation", "resize_mode")  # what published weights say of their images


class ImageTower(nn.Module):
    """From images (N, 3, H, W) to embeddings (N, D), as ``model.encode_image`` gives them."""

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, images: Tensor) -> Tensor:
        found = self.visual(images)
        embeddings: Tensor = found[0] if isinstance(found, tuple) else found  # some give their tokens beside it
        return embeddings


@contextmanager
def quiet() -> Iterator[None]:
    """open_clip warns that weights are random before they are loaded."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _pretrained(open_clip: Any, spec: str, name: str, pretrained: str) -> tuple[str, dict[str, Any]]:
    """The file of the weights that a name has after its @, and what open_clip knows of them."""
    tags = open_clip.list_pretrained_tags_by_model(name)
    if not pretrained:
        raise CamkitError(f"{spec}: which weights? Write {spec}@TAG ({some(tags, 6) or 'none is published'}) or @FILE")
    if is_weights(pretrained) or Path(pretrained).exists():
        return pretrained, {}
    config = open_clip.get_pretrained_cfg(name, pretrained)
    if not config:
        raise CamkitError(
            f"{spec}: {pretrained!r:.80} is neither a file nor weights of {name}; open_clip has {some(tags, 6)}"
        )
    if bool(config.get("quick_gelu")) != bool(open_clip.get_model_config(name).get("quick_gelu")):
        other = f"{name}-quickgelu" if config.get("quick_gelu") else name.removesuffix("-quickgelu")
        raise CamkitError(f"{spec}: these weights were trained with another GELU: give {PREFIX}{other}@{pretrained}")
    try:
        return str(open_clip.download_pretrained(config)), config
    except Exception as error:  # the hub's client fails in its own ways
        raise CamkitError(
            f"{spec}: cannot be fetched ({one_line(error)}); fetch its file elsewhere, and give @FILE"
        ) from error


def _load(model: Any, path: str) -> str:
    """Weights into a model, from a file in open_clip's names, in OpenAI's or in another library's that it knows."""
    convert = importlib.import_module("open_clip.convert").convert_state_dict
    models = importlib.import_module("open_clip.model")
    read = read_weights(path)
    try:
        state = convert(model, dict(read))
        if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
            state = models.convert_to_custom_text_state_dict(state)
        for key in ("logit_scale", "logit_bias"):
            if key in state and getattr(model, key, None) is not None:
                state[key] = state[key].reshape(getattr(model, key).shape)
        models.resize_pos_embed(state, model)
    except Exception as error:  # a hostile file reaches any line of open_clip's own code
        raise CamkitError(f"{path}: open_clip cannot read these weights ({one_line(error)})") from error
    load_weights(model, state, path)
    return read.origin
