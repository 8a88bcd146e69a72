"""Another pooling in a network: GAP, TAP, maximum or log-sum-exp before the same classifier, WILDCAT behind it."""

import copy

import torch
from torch import Tensor, fx, nn

from camkit.cam import Pooling, find_pooling
from camkit.errors import CamkitError
from camkit.models.messages import one_line
from camkit.models.score_pool import take_classifier
from camkit.models.stride import replace
from camkit.nn import ScoreAvgPool2d, WildcatPool2d

ADDED = "camkit_pool"  # the module's name where the network pools by a function of its own


def replace_pool(model: nn.Module, pool: nn.Module, input_size: tuple[int, int] = (224, 224)) -> nn.Module:
    """The same network with another pooling before its classifier.

    Parameters
    ----------
    model : nn.Module
        A classifier in eval mode whose head camkit finds. It stays as it is.
    pool : nn.Module
        (N, C, h, w) to (N, C, 1, 1), such as `camkit.nn.make_pool` makes. A `WildcatPool2d` or `ScoreAvgPool2d` pools
        class scores: the classifier goes before it (`camkit.models.score_pool`).
    input_size : tuple of int
        Height and width of images that the model takes.

    Returns
    -------
    nn.Module
        A copy that shares the model's parameters and buffers. Where the model pools by a function and not by a module,
        it is a `torch.fx.GraphModule` with the same modules, parameters and names.

    Raises
    ------
    CamkitError
        If the model has no pooled feature map, or pools by a function where no layer can be put.
    """
    found = find_pooling(model, input_size)
    tensors: list[Tensor] = [*model.parameters(), *model.buffers()]
    changed = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    if isinstance(pool, WildcatPool2d | ScoreAvgPool2d):
        pool = take_classifier(changed, found, pool, input_size)
    layer = pool if found.pooled.ndim == 4 else nn.Sequential(pool, nn.Flatten())
    if found.module is None:
        return with_module(changed, found, layer)
    replace(changed, found.module, layer)
    return changed


def with_module(model: nn.Module, found: Pooling, layer: nn.Module) -> nn.Module:
    """The network with a module in the place of the function that pools."""
    graphs = []
    for training in (True, False):
        model.train(training)  # a model's own may return nothing
        graphs.append(traced(model))
    graph_module = graphs[1]
    if graphs[0].code != graph_module.code or graph_module.state_dict().keys() != model.state_dict().keys():
        raise CamkitError("the network pools by a function and runs otherwise in training: give it a module that pools")
    node = pooling_node(graph_module, found)
    graph_module.add_submodule(ADDED, layer)
    with graph_module.graph.inserting_after(node):
        new = graph_module.graph.call_module(ADDED, (node.all_input_nodes[0],))
    node.replace_all_uses_with(new)
    graph_module.graph.erase_node(node)
    graph_module.recompile()
    return graph_module.eval()


def traced(model: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(model)
    except Exception as error:  # other people's networks fail in their own ways
        raise CamkitError(
            f"the network pools by a function, where torch.fx cannot put a layer ({one_line(error)}): "
            "give it a module that pools, such as torch.nn.AdaptiveAvgPool2d(1)"
        ) from error


def pooling_node(model: fx.GraphModule, found: Pooling) -> fx.Node:
    """The operation that takes the feature map and gives the pooled vector."""
    values: dict[fx.Node, object] = {}

    class Keeping(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            values[n] = super().run_node(n)
            return values[n]

    with torch.no_grad():
        Keeping(model).run(found.images)
    for node, value in values.items():
        inputs = [values[parent] for parent in node.all_input_nodes]
        if len(inputs) == 1 and same(inputs[0], found.features) and same(value, found.pooled):
            return node
    raise CamkitError("the network pools in several steps, where no layer can be put: give it a module that pools")


def same(value: object, tensor: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == tensor.shape and torch.equal(value, tensor)
