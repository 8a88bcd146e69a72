"""DANet: several different maps of a class, along a tree of classes: orders early, families later, species last."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from camkit.errors import CamkitError
from camkit.models import Card, replace_pool
from camkit.nn import ClassMaps2d, ScorePool2d, make_pool
from camkit.training.frozen import frozen
from camkit.training.method import Method
from camkit.training.network import Network, at_least_float32
from camkit.training.tree import read_tree

WEIGHT, EPS = 0.5, 1e-8  # of each cross-entropy; under the root of each pair's product, as the published code has it


@dataclass
class DANet(Method):
    r"""Divergent Activation: heads for superclasses on inner layers, and M maps of each class that shall differ.

    Every head ends in a 1x1 convolution to :math:`M` maps a class, whose mean over maps and positions is the class's
    logit. Of each image the M maps of its class and of its superclasses, at the size of the earliest head's, are taken
    together, and half of them are drawn, the same half for the whole batch. With :math:`P` pairs of these,

    .. math:: L = \tfrac12 \sum_{\text{levels}} CE + \lambda \Big| \frac1P \sum_{i<j} \cos(M_i, M_j) \Big|

    the second a mean over images. The classes' own head stands on the network's last feature map, in the place of its
    linear layer. The mean of its M convolutions is one linear layer: that is what the network has after each step, and
    what is saved is the plain network.

    Attributes
    ----------
    tree : str
        A file for `read_tree`: each class's superclasses, the nearest first.
    at : str
        The modules that the superclasses' heads stand on, the earliest, for the widest superclasses, first; empty for
        the backbone's own (`camkit.models.wsol.PLACES`).
    maps : int
        :math:`M`.
    cosine : float
        :math:`\lambda`.
    drawn : int
        Maps that are compared; 0: half of them.
    keep : bool
        Whether the checkpoints keep all maps of a class, as with ``--pool maps:M``, for `camkit.cam.relu_maps`. CAM is
        the same.

    References
    ----------
    Xue, Liu, Wan, Jiao, Ji, Ye: DANet: Divergent Activation for Weakly Supervised Object Localization, ICCV 2019.
    """

    needs_labels: ClassVar[bool] = True

    tree: str = ""
    at: str = ""
    maps: int = 8
    cosine: float = 0.01
    drawn: int = 0
    keep: bool = False

    def __post_init__(self) -> None:
        if not self.tree:
            raise CamkitError(
                "danet needs a class tree: --method-option tree=FILE, a CSV file of each class and its superclasses "
                "(docs/methods.md)"
            )
        if self.maps < 2 or not (self.drawn == 0 or self.drawn >= 2):
            raise CamkitError(f"danet: maps {self.maps} and drawn {self.drawn}: give 2 or more, or drawn=0 for half")
        if not 0 <= self.cosine < float("inf"):
            raise CamkitError(f"danet: cosine {self.cosine}: give a number from 0")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        """The heads. The network's own linear layer is trained through the classes' one alone."""
        names = network.class_names or tuple(map(str, range(network.num_classes)))
        self.levels = read_tree(self.tree, names)
        count = len(self.levels.levels)
        given = self.at or ",".join(network.places.get("danet", ())[-count:])
        self.places = network.places_of("danet", given, count)
        fc = network.fc
        if fc.before is not None:
            raise CamkitError(
                f"danet: the network changes its pooled features before {fc.name} (a norm, say), and its maps would "
                "not fold into that layer: take another network"
            )
        if self.keep and network.cam.head.pool is not None:
            raise CamkitError("danet: keep=true keeps maps whose mean over positions is the logit: leave --pool out")
        if self.drawn > (count + 1) * self.maps:
            raise CamkitError(
                f"danet: drawn {self.drawn} of {(count + 1) * self.maps} maps: give no more than there are"
            )
        for parameter in fc.parameters:
            parameter.requires_grad_(False)
        channels = network.cam.head.channels
        self.head = ClassMaps2d(channels, network.num_classes, self.maps, fc.bias is not None)
        self.above = [  # the nearest superclasses stand on the latest layer
            SuperclassHead(network.channels_at(place), len(its), self.maps)
            for place, its in zip(reversed(self.places), self.levels.names, strict=True)
        ]
        self.names = [f"level_{number}" for number in range(1, count + 1)]
        made = {"classes": self.head, **dict(zip(self.names, self.above, strict=True))}
        for module in made.values():
            module.apply(fresh)
        return made

    def prepare(self, network: Network, optimizer: SGD) -> None:
        """The network's own linear layer is the mean of the maps' from the first step on."""
        del optimizer
        self.fold(network)

    def step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        passed = network.forward(images, self.places)
        weight, bias = self.head.folded()
        pooled = network.cam.head.pooled(passed.features)
        entropies = [self.loss(F.linear(pooled, weight.flatten(1), bias), network.smoothed(labels))]
        maps = [self.head.of(passed.features, labels)]
        for level, (place, head) in enumerate(zip(reversed(self.places), self.above, strict=True)):
            with network.autocast():
                hidden = head.layers(passed.inner[place])
            hidden, own = at_least_float32(hidden), self.levels.of(level, labels)
            logits = head.maps(hidden.mean((2, 3), keepdim=True)).flatten(1)
            entropies.append(F.cross_entropy(logits, own, label_smoothing=network.label_smoothing))
            maps.append(head.maps.of(hidden, own))
        size = maps[-1].shape[-2:]
        together = torch.cat([F.interpolate(one, size, mode="bilinear", align_corners=True) for one in maps], 1)
        drawn = torch.randperm(together.shape[1], device=images.device)[: self.drawn or together.shape[1] // 2]
        cosine = likeness(together[:, drawn])
        named = dict(zip(("entropy", *self.names), entropies, strict=True))
        return {"loss": WEIGHT * torch.stack(entropies).sum() + self.cosine * cosine, "cosine": cosine, **named}

    def after_step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        del images, labels
        self.fold(network)
        return {}

    @torch.no_grad()
    def fold(self, network: Network) -> None:
        """Give the network's own linear layer the mean of the maps' weights."""
        weight, bias = self.head.folded()
        network.fc.weight.copy_(weight.reshape(network.fc.weight.shape))
        if network.fc.bias is not None and bias is not None:
            network.fc.bias.copy_(bias)

    def saved(self, network: Network, card: Card) -> tuple[nn.Module, Card]:
        """The plain network, or with `keep` the one that has all maps of a class."""
        if not self.keep:
            return network.model, card
        name = f"maps:{self.maps}"
        with frozen(network.model, []):
            model = replace_pool(network.model, make_pool(name), network.input_size)
        for layer in model.modules():
            if isinstance(layer, ScorePool2d):
                layer.scores.load_state_dict(self.head.state_dict())
        return model, replace(card, pool=name)


class SuperclassHead(nn.Module):
    """Two 3x3 convolutions of twice the channels, and the maps.

    Parameters
    ----------
    channels, superclasses, maps : int
    """

    def __init__(self, channels: int, superclasses: int, maps: int) -> None:
        super().__init__()
        width = 2 * channels
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )
        self.maps = ClassMaps2d(width, superclasses, maps)


def fresh(module: nn.Module) -> None:
    """Glorot's initialisation of a convolution, as the published code has it."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def likeness(maps: Tensor) -> Tensor:
    """The mean cosine of all pairs of an image's maps (N, n, h, w), without its sign; the mean over images."""
    flat = maps.flatten(2)
    products = flat @ flat.transpose(1, 2)
    squares = products.diagonal(dim1=1, dim2=2)
    cosines = products / (squares[:, :, None] * squares[:, None] + EPS).sqrt()
    pairs = maps.shape[1] * (maps.shape[1] - 1) / 2
    return (cosines.triu(1).sum((1, 2)) / pairs).abs().mean()
