"""The papers' backbones as classifiers: `wsol:NAME`, with weights of one's own."""

import torch

from camkit.errors import CamkitError
from camkit.imagenet import imagenet_names
from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.messages import did_you_mean
from camkit.models.wsol import BACKBONES, PREFIX, Backbone


def backbone_named(spec: str) -> Backbone:
    """The row of `BACKBONES` for ``wsol:NAME``."""
    name = spec.removeprefix(PREFIX)
    if name not in BACKBONES:
        raise CamkitError(f"no backbone {name!r}{did_you_mean(name, BACKBONES)}; it is one of {', '.join(BACKBONES)}")
    return BACKBONES[name]


def load_wsol(spec: str, weights: str) -> Classifier:
    """One of the papers' backbones with random weights, or with those of a file that fits it in every layer."""
    backbone = backbone_named(spec)
    if weights == NONE:
        return Classifier(backbone.build(len(imagenet_names())), spec, backbone.input, None, RANDOM, spec)
    if weights == DEFAULT:
        raise CamkitError(
            f"{spec} has no published weights: train it, name a file with --weights, or take --weights none (random)"
        )
    with torch.device("meta"):
        own = backbone.build(1).state_dict()
    state = read_weights(weights, own)
    last = [value for key, value in state.items() if key.endswith((".bias", ".weight")) and value.ndim][-1:]
    model = backbone.build(last[0].shape[0] if last else 1)
    load_weights(model, state, weights)
    return Classifier(model, spec, backbone.input, None, state.origin, spec)
