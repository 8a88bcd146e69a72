"""From a card to the network that it describes, with random weights."""

from torch import fx, nn

from camkit.errors import CamkitError
from camkit.models.card import Card
from camkit.models.hf_models import PREFIX as HF
from camkit.models.hf_models import build_hf
from camkit.models.messages import one_line
from camkit.models.pools import replace_pool
from camkit.models.stride import set_output_stride
from camkit.models.timm_models import PREFIX as TIMM
from camkit.models.timm_models import build_timm
from camkit.models.tiny import TINY, TinyResNet
from camkit.models.torchvision_models import build_torchvision, torchvision_names
from camkit.models.two_heads import PREFIX as TWO_HEADS
from camkit.models.two_heads import Form
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
    if card.model.startswith(TWO_HEADS):
        form = Form.named(card.model)
        return form.on(build(form.beneath(card)), card)
    return equip(in_eval_mode(named_network(card), card.model), card)


def on_the_cpu(model: nn.Module, name: str) -> nn.Module:
    """The model in float32 on the CPU; `CamkitError` where its parameters hold no numbers."""
    try:
        model.float().cpu()
    except NotImplementedError as error:
        raise CamkitError(f"{name}: parts of the model are on the meta device, without weights: load some") from error
    return model


def in_eval_mode(model: nn.Module, name: str) -> nn.Module:
    """The model, put into eval mode; its own ``train`` may be overridden and return anything.

    Raises
    ------
    CamkitError
        It has no eval mode, as an exported program, or its own code for that fails.
    """
    try:
        model.eval()
    except Exception as error:  # other people's networks fail in their own ways
        exported = ": load the Python model that it was exported from" if isinstance(model, fx.GraphModule) else ""
        raise CamkitError(f"{name}: the model's own eval() fails ({one_line(error)}){exported}") from error
    return model


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
    if card.model.startswith(HF):
        return build_hf(card.model, card.num_classes)
    if card.model in torchvision_names():
        return build_torchvision(card.model, card.num_classes, card.input.size)
    raise CamkitError(f"no network {card.model!r:.80} can be built by its name; `camkit models` lists the names")
