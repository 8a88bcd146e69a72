"""The network that a run trains: its architecture, where its weights come from, and what a checkpoint says of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from camkit.input_spec import InputSpec
from camkit.models import BACKBONES, Card, build, load_pretrained, pretrained_state
from camkit.training.settings import TrainSettings

WSOL, NONE = "wsol:", "none"


@dataclass(frozen=True, eq=False)
class InitialNetwork:
    """A network before its first step.

    Attributes
    ----------
    model : nn.Module
    card : Card
        What a checkpoint says of it.
    new : frozenset of str
        Names of the parameters that do not start from given weights.
    adl_at : tuple of str
        Where the papers put ADL; empty where they do not say.
    loaded : str
        What was loaded and what starts fresh, in words.
    """

    model: nn.Module
    card: Card
    new: frozenset[str]
    adl_at: tuple[str, ...]
    loaded: str


def make_network(settings: TrainSettings, num_classes: int, labels: Sequence[str] | None) -> InitialNetwork:
    """A network with its first weights; what is random comes from PyTorch's default generator.

    Raises
    ------
    CamkitError
        The backbone, its pooling or its stride is unknown, or the weights cannot be had.
    """
    backbone = BACKBONES.get(settings.backbone.removeprefix(WSOL))
    usual = InputSpec() if backbone is None else backbone.input
    side = settings.size[-1]
    spec = replace(usual, size=(side, side), resize=side if settings.crop_scale else settings.resize)
    name = settings.backbone if backbone is None else f"{WSOL}{settings.backbone.removeprefix(WSOL)}"
    names = None if labels is None else tuple(labels)
    card = Card(name, num_classes, spec, names, settings.pool, settings.output_stride or None, settings.dilation)
    model = build(card)
    adl_at = () if backbone is None else backbone.adl_at
    parameters = [parameter for parameter, _ in model.named_parameters()]
    if settings.weights.lower() == NONE:
        return InitialNetwork(model, card, frozenset(parameters), adl_at, f"{name}: all weights start fresh")
    state, said = pretrained_state(name, settings.weights)
    loaded, fresh = load_pretrained(model, state)
    new = frozenset(fresh).intersection(parameters)
    layers = sorted({parameter.rpartition(".")[0] for parameter in new})
    told = f"{name}: {len(loaded)} of {len(loaded) + len(fresh)} tensors from {said}"
    return InitialNetwork(model, card, new, adl_at, f"{told}; fresh: {', '.join(layers) or 'none'}")
