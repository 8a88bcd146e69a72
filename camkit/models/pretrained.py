"""Pretrained weights for the layers that they fit; the others start fresh."""

from torch import Tensor, nn

from camkit.errors import CamkitError
from camkit.models.checkpoint import read_weights
from camkit.models.classifier import DEFAULT
from camkit.models.torchvision_models import published_state, torchvision_names
from camkit.models.weights_file import is_weights
from camkit.models.wsol import PREFIX
from camkit.models.wsol_models import backbone_named


def pretrained_state(network: str, weights: str) -> tuple[dict[str, Tensor], str]:
    """Weights to start training a network from, and what they are in words.

    Parameters
    ----------
    network : str
        ``wsol:NAME`` or a torchvision name.
    weights : str
        ``DEFAULT`` or a name of torchvision's, such as ``IMAGENET1K_V1``; or a file of weights.

    Raises
    ------
    CamkitError
        The network has no published weights, or the file cannot be read.
    """
    if is_weights(weights):
        state = read_weights(weights)
        return state, state.origin
    name = backbone_named(network).pretrained if network.startswith(PREFIX) else network
    if name not in torchvision_names():
        raise CamkitError(f"{network} has no published weights in torchvision: name a file of weights, or none")
    return published_state(str(name), DEFAULT if weights.upper() == DEFAULT else weights)


def load_pretrained(model: nn.Module, state: dict[str, Tensor]) -> tuple[list[str], list[str]]:
    """Put every tensor of `state` into `model` that has its name and shape there.

    Returns
    -------
    loaded, fresh : list of str
        Names of the model's parameters and buffers that were loaded, and of those that stay as they were.

    Raises
    ------
    CamkitError
        If nothing fits: the weights are another network's.
    """
    own = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    if not fitting:
        raise CamkitError(f"none of the {len(state)} weights fits {type(model).__name__}: they are another network's")
    model.load_state_dict(fitting, strict=False)
    return [key for key in own if key in fitting], [key for key in own if key not in fitting]
