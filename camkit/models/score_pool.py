"""A network that pools class scores: its classifier goes before the pooling, and a class's maps fold into one."""

import copy
from contextlib import ExitStack
from dataclasses import replace as with_fields
from typing import Any

import torch
from torch import Tensor, nn

from camkit.cam import CAM, Pooling, find_fc
from camkit.errors import CamkitError
from camkit.models.card import Card
from camkit.models.new_fc import fc_module, put_for
from camkit.models.stride import replace
from camkit.nn import ScoreAvgPool2d, ScorePool2d, WildcatPool2d, make_pool, pool_name


def take_classifier(
    model: nn.Module, found: Pooling, pool: WildcatPool2d | ScoreAvgPool2d, size: tuple[int, int]
) -> ScorePool2d:
    """Take the classifier out of a network, and the dropout before it, for a layer that goes where the network pools.

    With one map a class the layer has the classifier's weights; with several it starts fresh, each map by itself.

    Parameters
    ----------
    model : nn.Module
        In eval mode. It is changed: what is taken out leaves an ``nn.Identity``.
    found : Pooling
        Of the model.
    pool : WildcatPool2d or ScoreAvgPool2d
    size : tuple of int
        Height and width of an input.

    Raises
    ------
    CamkitError
        Its classes are not one plain linear layer on pooled features.
    """
    cam = CAM(model, size)
    fc = find_fc(cam.model, cam.head)
    old = fc_module(model, fc)
    if fc.before is not None:
        raise CamkitError(
            f"--pool {pool.name}: the network changes its pooled features before {fc.name} (a norm, say), and class "
            "scores are pooled of features as they are: take another network, or another pooling"
        )
    dropout = [module for module in dropouts_after(model, found) if module is not old]
    for module in (old, *dropout):
        put_for(model, module, nn.Identity())
    channels, classes = cam.head.channels, cam.head.num_classes
    layer = ScorePool2d(channels, classes, pool, fc.bias is not None, nn.Sequential(*dropout) if dropout else None)
    if pool.maps == 1:
        layer.scores.weight = nn.Parameter(fc.weight.detach().reshape(classes, channels, 1, 1))
        layer.scores.bias = None if fc.bias is None else nn.Parameter(fc.bias.detach())
    return layer.to(fc.weight).eval()


@torch.no_grad()
def dropouts_after(model: nn.Module, found: Pooling) -> list[nn.Module]:
    """The layers that drop pooled features while training."""
    dropping: list[nn.Module] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
        taken = inputs[0].flatten(1) if isinstance(inputs[0], Tensor) else None
        if taken is not None and torch.equal(taken, found.pooled.flatten(1)) and module not in dropping:
            dropping.append(module)

    with ExitStack() as hooks:
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                hooks.callback(module.register_forward_hook(note).remove)
        model(found.images)
    return dropping


def maps_a_class(pool: str | None) -> int:
    """How many maps of each class a network with that pooling has weights for; 1 for what is no pooling's name."""
    try:
        return 1 if pool is None else int(getattr(make_pool(pool), "maps", 1))
    except CamkitError:
        return 1


def with_one_map(model: nn.Module, card: Card) -> tuple[nn.Module, Card]:
    """The network with one score map a class where WILDCAT trains with several, and its card.

    The model stays as it is: of one that changes, the rest is shared. Those of ``maps:M`` are kept, to be looked at
    one by one.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, ScorePool2d)}
    several = {
        name: layer for name, layer in layers.items() if layer.pool.maps > 1 and isinstance(layer.pool, WildcatPool2d)
    }
    if not several:
        return model, card
    tensors: list[Tensor] = [*model.parameters(), *model.buffers()]
    folded = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    for name, layer in several.items():
        one = layer.folded()
        replace(folded, name, one)
        card = with_fields(card, pool=pool_name(one.pool))
    return folded, card
