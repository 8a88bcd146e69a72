"""From a card to the network that it describes, with random weights."""

from torch import nn

from camkit.errors import CamkitError
from camkit.models.card import Card
from camkit.models.pools import replace_pool
from camkit.models.stride import set_output_stride
from camkit.models.timm_models import PREFIX as TIMM
from camkit.models.timm_models import build_timm
from camkit.models.tiny import TINY, TinyResNet
from camkit.models.torchvision_models import build_torchvision, torchvision_names
from camkit.models.wsol import PREFIX as WSOL
from camkit.models.wsol_models import backbone_named
from camkit.nn import make_pool


def build(card: Card) -> nn.Module:
    """The network that the card describes, in eval mode on the CPU.

    Raises
    ------
    CamkitError
        Its name is unknown, or it cannot have that pooling or output stride.
    """
    return equip(named_network(card).eval(), card)


def equip(model: nn.Module, card: Card) -> nn.Module:
    """The card's output stride and pooling in a network that has its own."""
    if card.output_stride is not None:
        model = set_output_stride(model, card.output_stride, card.dilate, card.input.size)
    if card.pool is not None:
        model = replace_pool(model, make_pool(card.pool), card.input.size)
    return model


def named_network(card: Card) -> nn.Module:
    """The network of the card's name, as it comes."""
    if card.model == TINY:
        return TinyResNet(card.num_classes)
    if card.model.startswith(WSOL):
        return backbone_named(card.model).build(card.num_classes)
    if card.model.startswith(TIMM):
        return build_timm(card.model, card.num_classes)
    if card.model in torchvision_names():
        return build_torchvision(card.model, card.num_classes, card.input.size)
    raise CamkitError(f"no network {card.model!r:.80} can be built by its name; `camkit models` lists the names")
