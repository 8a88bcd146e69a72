"""Classifiers by name: what `--model` takes."""

import re
from dataclasses import replace
from importlib import resources
from pathlib import Path

import torch
from torch import nn

from camkit.errors import CamkitError
from camkit.models.architecture import build, equip, in_eval_mode, on_the_cpu
from camkit.models.card import EPOCH_BY, Card, read_card
from camkit.models.checkpoint import load_weights, read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.efficientnet_lite import SIZES as LITES
from camkit.models.efficientnet_lite import installed_lites, load_efficientnet_lite
from camkit.models.embeddings import ClassEmbeddings, read_embeddings
from camkit.models.factory import load_factory
from camkit.models.hf_models import PREFIX as HF
from camkit.models.hf_models import load_hf
from camkit.models.messages import did_you_mean, one_line
from camkit.models.new_fc import with_new_fc
from camkit.models.open_clip_models import PREFIX as OPEN_CLIP
from camkit.models.open_clip_models import load_open_clip
from camkit.models.score_pool import maps_a_class
from camkit.models.state import State
from camkit.models.timm_models import PREFIX as TIMM
from camkit.models.timm_models import load_timm
from camkit.models.tiny import TINY
from camkit.models.torchvision_models import load_torchvision, torchvision_names
from camkit.models.two_heads import PREFIX as TWO_HEADS
from camkit.models.two_heads import Form
from camkit.models.wsol import BACKBONES
from camkit.models.wsol import PREFIX as WSOL
from camkit.models.wsol_models import load_wsol
from camkit.models.zero_shot import with_embeddings

SUFFIX = ".safetensors"
FACTORY = re.compile(r"\.py(:|$)")


def load_classifier(spec: str, weights: str | None = "DEFAULT", classes_from: str | Path | None = None) -> Classifier:
    """Load a classifier by name.

    Parameters
    ----------
    spec : str
        A torchvision name, ``timm:NAME``, ``hf:NAME``, ``open_clip:NAME@PRETRAINED``, ``wsol:NAME``,
        ``path/to/file.py:factory``, ``tiny``, or a checkpoint that `save_checkpoint` wrote, ``FILE.safetensors``, which
        says itself which network it is.
    weights : str or None
        ``DEFAULT``: the weights that belong to the name (of a factory: as it returns the model). ``none`` or None:
        random. A file of weights as `read_weights` takes it, read without running code; a checkpoint brings its
        pooling and output stride, and must be one of the named network. For a torchvision name also one of its
        published weights, such as ``IMAGENET1K_V1``.
    classes_from : str or Path, optional
        A file of text embeddings, as `read_embeddings` takes it: the network is the image tower of a CLIP or SigLIP,
        and these are its classes.

    Returns
    -------
    Classifier
        In eval mode, float32, on the CPU, with its preprocessing and class names.

    Raises
    ------
    CamkitError
        The name is unknown, the weights cannot be had, or they do not fit the model.
    """
    embeddings = None if classes_from is None else read_embeddings(classes_from)
    classifier = _load(spec, _plain(weights), embeddings)
    on_the_cpu(classifier.model, spec)
    in_eval_mode(classifier.model, spec)
    return classifier


def _load(spec: str, weights: str, embeddings: ClassEmbeddings | None) -> Classifier:
    if spec.startswith(HF):
        return load_hf(spec, weights, embeddings)
    if spec.startswith(OPEN_CLIP):
        return load_open_clip(spec, weights, embeddings)
    classifier = _load_alone(spec, weights)
    return classifier if embeddings is None else with_embeddings(classifier, classifier.model, embeddings)


def _load_alone(spec: str, weights: str) -> Classifier:
    if spec.lower().endswith(SUFFIX):
        return _load_checkpoint(spec, weights)
    card = read_card(weights) if weights.lower().endswith(SUFFIX) else None
    if card is not None:
        return _load_with_card(spec, card, weights)
    return _load_two_heads(spec, weights) if spec.startswith(TWO_HEADS) else _load_named(spec, weights)


def _load_named(spec: str, weights: str) -> Classifier:
    if spec == TINY:
        return _load_tiny(weights)
    if spec in LITES:
        return load_efficientnet_lite(spec, weights)
    if spec.startswith(TIMM):
        return load_timm(spec, weights)
    if spec.startswith(WSOL):
        return load_wsol(spec, weights)
    if FACTORY.search(spec):
        return load_factory(spec, weights)
    if spec in torchvision_names():
        return load_torchvision(spec, weights)
    near = did_you_mean(spec, [*LITES, *(name for _, name in model_names())])
    raise CamkitError(f"no model {spec!r}{near}; `camkit models` lists the names, path/to/file.py:factory is your own")


def model_names() -> list[tuple[str, str]]:
    """Source and name of every classifier that needs nothing but its name."""
    return [
        ("camkit", TINY),
        *(("ImageNet, installed", name) for name in installed_lites()),
        *(("camkit", f"{WSOL}{name}") for name in BACKBONES),
        *(("torchvision", name) for name in torchvision_names()),
    ]


def _load_checkpoint(spec: str, weights: str) -> Classifier:
    """A file that says itself which network it is."""
    if weights != DEFAULT:
        raise CamkitError(f"{spec} holds its own weights: leave --weights out")
    card = read_card(spec)
    if card is None:
        raise CamkitError(f"{spec}: its header names no network; name it yourself: --model NAME --weights {spec}")
    if FACTORY.search(card.model):
        raise CamkitError(
            f"{spec}: its network is made by code, {card.model!r:.80}, which no checkpoint may run; "
            f"if you trust that file: --model path/to/file.py:factory --weights {spec}"
        )
    return _from_card(spec, card, spec)


def _load_with_card(spec: str, card: Card, path: str) -> Classifier:
    """A named network whose file of weights says which network it is, and with which pooling and stride."""
    if FACTORY.search(spec):
        made = load_factory(spec, NONE)
        made = replace(made, input=card.input, class_names=card.class_names or made.class_names)
        model = _of_classes(in_eval_mode(made.model, spec), card, path)
        state = read_weights(path, model.state_dict())
        return _filled(replace(made, model=equip(model, card)), card, path, state)
    if spec != card.model:
        raise CamkitError(f"{path}: a checkpoint of {card.model!r:.80}, not of {spec}: give --model {path} alone")
    return _from_card(spec, card, path)


def _of_classes(model: nn.Module, card: Card, path: str) -> nn.Module:
    """The factory's network, with another last layer where it was trained on other classes than it is made for."""
    own = model.state_dict()
    if all(own[name].shape == value.shape for name, value in read_weights(path).items() if name in own):
        return model
    return with_new_fc(model, card.num_classes, card.input.size)[0]


def _from_card(name: str, card: Card, path: str) -> Classifier:
    state = read_weights(path)
    rows = card.num_classes * maps_a_class(card.pool)
    if rows not in {value.shape[0] for value in state.values() if value.ndim}:
        raise CamkitError(f"{path}: its header says {card.num_classes} classes, none of its tensors has {rows} rows")
    try:
        model = build(card)
    except Exception as error:  # a hostile header reaches any line of the networks' own code
        why = error if isinstance(error, CamkitError) else one_line(error)
        raise CamkitError(f"{path}: the network that its header describes cannot be built: {why}") from error
    return _filled(Classifier(model, name, card.input, card.class_names, ""), card, path, state)


def _filled(classifier: Classifier, card: Card, path: str, state: State) -> Classifier:
    load_weights(classifier.model, state, path)
    return replace(classifier, weights=state.origin, network=card.model, pool=card.pool,
                   output_stride=card.output_stride, dilate=card.dilate, epoch_by=_epoch_by(card))  # fmt: skip


def _epoch_by(card: Card) -> str | None:
    said = card.facts.get(EPOCH_BY)
    return said if isinstance(said, str) else None


def _load_two_heads(spec: str, weights: str) -> Classifier:
    """Two heads on a network, with random weights; a checkpoint of camkit's brings its own."""
    if weights != NONE:
        raise CamkitError(
            f"{spec} has no published weights: train it with --method acol, give that run's .safetensors file as "
            "--model, or take --weights none (random)"
        )
    form = Form.named(spec)
    beneath = _load_named(form.network, NONE)
    with torch.no_grad():
        classes = beneath.model.eval()(torch.zeros(1, 3, *beneath.input.size)).shape[1]
    card = Card(spec, classes, beneath.input)
    return replace(beneath, model=form.on(beneath.model, card), name=spec, weights=RANDOM, network=spec)


def _load_tiny(weights: str) -> Classifier:
    if weights not in (DEFAULT, NONE):
        raise CamkitError(f"{weights}: tiny reads its class names and sizes from a .safetensors file's header")
    with resources.as_file(resources.files("camkit.models") / "tiny.safetensors") as path:
        card = read_card(path)
        assert card is not None
        if weights == NONE:
            return Classifier(build(card), TINY, card.input, None, RANDOM, TINY)
        return replace(_from_card(TINY, card, str(path)), weights="tiny.safetensors of camkit")


def _plain(weights: str | None) -> str:
    """`DEFAULT` and `none` in whatever case, and Python's None, as the constants."""
    weights = NONE if weights is None else weights
    return {"default": DEFAULT, "none": NONE}.get(weights.lower(), weights)
