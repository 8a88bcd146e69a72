"""DANet's maps at test: of a class's several maps the positive parts, averaged."""

import torch
from torch import Tensor, nn

from camkit.cam.source import MapFunction
from camkit.cam.trace import in_this_thread
from camkit.errors import CamkitError
from camkit.nn import ClassMaps2d


def relu_maps(network: nn.Module) -> MapFunction:
    r"""``--maps-by relu-maps``: :math:`\frac1M \sum_m \mathrm{ReLU}(M_m)` of a network that has M maps of each class.

    Without the ReLU it is the score map, whose mean over positions is the logit; with it, it adds up to nothing.

    Raises
    ------
    CamkitError
        The network has no several maps of a class.

    References
    ----------
    Xue et al.: DANet: Divergent Activation for Weakly Supervised Object Localization, ICCV 2019: its published code.
    """
    layers = [module for module in network.modules() if isinstance(module, ClassMaps2d) and module.maps > 1]
    if len(layers) != 1:
        raise CamkitError(
            "--maps-by relu-maps takes a network with several maps of each class: train with --method danet "
            "--method-option keep=true, or with --pool maps:M"
        )
    (layer,) = layers

    def maps(images: Tensor, classes: Tensor) -> Tensor:
        held: list[Tensor] = []
        handle = layer.register_forward_pre_hook(in_this_thread(lambda _module, args: held.append(args[0])))
        try:
            with torch.no_grad():
                network(images)
                (features,) = held
                return torch.stack([layer.of(features, one).relu().mean(1) for one in classes.T], 1)
        finally:
            handle.remove()

    return maps
