"""The network that a run trains: its architecture, where its weights come from, and what a checkpoint says of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import nn

from camkit.cam import TwoHeads
from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models import (
    BACKBONES,
    Card,
    build,
    load_classifier,
    load_pretrained,
    pretrained_state,
    with_new_fc,
)
from camkit.models.architecture import equip
from camkit.models.torchvision_models import torchvision_names
from camkit.models.two_heads import Form
from camkit.models.wsol import places_in
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
    places : mapping from str to tuple of str
        Where other methods reach in, by method.
    """

    model: nn.Module
    card: Card
    new: frozenset[str]
    adl_at: tuple[str, ...]
    loaded: str
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def make_network(settings: TrainSettings, num_classes: int, class_names: Sequence[str] | None) -> InitialNetwork:
    """A network with its first weights; what is random comes from PyTorch's default generator.

    Raises
    ------
    CamkitError
        The backbone, its pooling or its stride is unknown, or the weights cannot be had.
    """
    backbone = BACKBONES.get(settings.backbone.removeprefix(WSOL))
    if backbone is None and settings.backbone not in torchvision_names():
        return _from_classifier(settings, num_classes, class_names)
    usual = InputSpec() if backbone is None else backbone.input
    spec = _input(usual, settings)
    name = settings.backbone if backbone is None else f"{WSOL}{settings.backbone.removeprefix(WSOL)}"
    names = None if class_names is None else tuple(class_names)
    card = Card(name, num_classes, spec, names, settings.pool, settings.output_stride or None, settings.dilation)
    model = build(card)
    adl_at = () if backbone is None else backbone.adl_at
    places = places_in(settings.backbone.removeprefix(WSOL))
    parameters = [parameter for parameter, _ in model.named_parameters()]
    if settings.weights.lower() == NONE:
        return InitialNetwork(model, card, frozenset(parameters), adl_at, f"{name}: all weights start fresh", places)
    state, said = pretrained_state(name, settings.weights)
    loaded, fresh = load_pretrained(model, state)
    new = frozenset(fresh).intersection(parameters)
    layers = sorted({parameter.rpartition(".")[0] for parameter in new})
    told = f"{name}: {len(loaded)} of {len(loaded) + len(fresh)} tensors from {said}"
    return InitialNetwork(model, card, new, adl_at, f"{told}; fresh: {', '.join(layers) or 'none'}", places)


def _from_classifier(settings: TrainSettings, num_classes: int, class_names: Sequence[str] | None) -> InitialNetwork:
    """Any classifier that ``--model`` takes, with a last layer of its own for these classes."""
    start = load_classifier(settings.backbone, settings.weights)
    if isinstance(start.model, TwoHeads):
        raise CamkitError(
            f"{settings.backbone} has two heads, and other classes need both anew: train with --method acol from the "
            f"network that they stand on, --backbone {Form.named(start.network).network}"
        )
    stride = settings.output_stride or None
    if start.output_stride is not None and stride not in (None, start.output_stride):
        raise CamkitError(f"{settings.backbone} has output stride {start.output_stride}: leave --output-stride out")
    model, fresh = with_new_fc(start.model, num_classes, start.input.size)
    names = None if class_names is None else tuple(class_names)
    spec = _input(start.input, settings)
    card = Card(start.network or start.name, num_classes, spec, names, settings.pool, stride, settings.dilation)
    model = equip(model, card)
    random = settings.weights.lower() == NONE
    new = frozenset(name for name, _ in model.named_parameters()) if random else frozenset(fresh)
    said = "all weights start fresh" if random else f"{start.weights}; fresh: {fresh[0].rpartition('.')[0]}"
    return InitialNetwork(
        model, replace(card, output_stride=stride or start.output_stride), new, (), f"{settings.backbone}: {said}"
    )


def _input(usual: InputSpec, settings: TrainSettings) -> InputSpec:
    """What the network is shown: in the training's size, else as its weights want it."""
    side = settings.size[-1]
    return replace(usual, size=(side, side), resize=side if settings.crop_scale else settings.resize)
