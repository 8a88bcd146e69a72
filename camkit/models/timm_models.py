"""timm's classifiers, where timm is installed: `timm:NAME`."""

from types import ModuleType

import torch
from torch import nn

from camkit.errors import CamkitError
from camkit.imagenet import imagenet_names
from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.configurations import of_timm
from camkit.models.extras import extra
from camkit.models.messages import did_you_mean, one_line

PREFIX = "timm:"


def load_timm(spec: str, weights: str) -> Classifier:
    """A classifier of timm's with its pretrained weights, with random ones, or with those of a file."""
    timm = _timm()
    name = spec.removeprefix(PREFIX)
    if not timm.is_model(name):
        raise CamkitError(f"timm has no model {name!r}{did_you_mean(name, timm.list_models())}")
    pretrained, classes = weights == DEFAULT, {}
    state = None
    if weights not in (DEFAULT, NONE):
        with torch.device("meta"):
            state = read_weights(weights, timm.create_model(name, pretrained=False).state_dict())
        last = f"{timm.get_pretrained_cfg(name).classifier}.weight"
        classes = {"num_classes": state[last].shape[0]} if last in state else {}
    try:
        model = timm.create_model(name, pretrained=pretrained, **classes)
    except Exception as error:  # the hub's client fails in its own ways
        raise CamkitError(
            f"{spec}: timm cannot make the model ({one_line(error)}); without a network, name its file with --weights"
        ) from error
    if state:
        load_weights(model, state, weights)
    said = state.origin if state else f"timm {model.pretrained_cfg.get('tag')}" if pretrained else RANDOM
    named = said != RANDOM and model.num_classes == len(imagenet_names())
    shown = of_timm(timm.data.resolve_model_data_config(model))
    return Classifier(model, spec, shown, imagenet_names() if named else None, said, spec,
                      class_names_assumed=named and bool(state))  # fmt: skip


def build_timm(spec: str, num_classes: int) -> nn.Module:
    """Timm's network with random weights."""
    timm, name = _timm(), spec.removeprefix(PREFIX)
    if not timm.is_model(name):
        raise CamkitError(f"timm has no model {name!r}{did_you_mean(name, timm.list_models())}")
    model: nn.Module = timm.create_model(name, pretrained=False, num_classes=num_classes)
    return model


def _timm() -> ModuleType:
    return extra("timm", PREFIX, "timm", "data")
