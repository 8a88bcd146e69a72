"""Classifiers by name, and weights read from files that never run code."""

from camkit.models.architecture import build
from camkit.models.card import Card, read_card
from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import Classifier
from camkit.models.embeddings import ClassEmbeddings, read_embeddings, write_embeddings
from camkit.models.fc import fc_file, with_fc
from camkit.models.new_fc import with_new_fc
from camkit.models.pools import replace_pool
from camkit.models.preprocessing import input_spec_of
from camkit.models.pretrained import load_pretrained, pretrained_state
from camkit.models.registry import load_classifier, model_names
from camkit.models.saving import save_checkpoint
from camkit.models.score_pool import with_one_map
from camkit.models.stride import set_output_stride
from camkit.models.tiny import TinyResNet
from camkit.models.wsol import BACKBONES, Backbone

__all__ = [
    "BACKBONES",
    "Backbone",
    "Card",
    "ClassEmbeddings",
    "Classifier",
    "TinyResNet",
    "build",
    "fc_file",
    "input_spec_of",
    "load_classifier",
    "load_pretrained",
    "load_weights",
    "model_names",
    "pretrained_state",
    "read_card",
    "read_embeddings",
    "read_weights",
    "replace_pool",
    "save_checkpoint",
    "set_output_stride",
    "with_fc",
    "with_new_fc",
    "with_one_map",
    "write_embeddings",
]
