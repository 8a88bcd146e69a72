"""I2C: what two images of one class show of it agrees, and stays near what the class has shown before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.linalg import vector_norm

from camkit.errors import CamkitError
from camkit.training.frozen import frozen
from camkit.training.method import Method
from camkit.training.network import Network, Pass, at_least_float32

PAIR = 2


class Bank(nn.Module):
    """Each class's mean feature, and in how many steps it has moved.

    Parameters
    ----------
    classes, channels : int
    """

    means: Tensor
    counts: Tensor

    def __init__(self, classes: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(classes, channels))
        self.register_buffer("counts", torch.zeros(classes))

    def move(self, means: Tensor, here: Tensor, decay: float) -> None:
        """Towards `means` (K, C) of the classes that are `here` (K,); a class's first takes its place whole."""
        rate = torch.exp(-decay * self.counts)[:, None]
        moved = (1 - rate) * self.means + rate * means
        self.means.copy_(torch.where(here[:, None], moved, self.means))
        self.counts += here


@dataclass
class I2C(Method):
    r"""Inter-Image Communication: features of the object are held together, within a pair and to the class's mean.

    Batches are pairs of images of one class. Of each image :math:`n` positions are drawn among those where the map of
    its class, stretched to [0, 1], is above :math:`\delta`. With :math:`f^1_i, f^2_i` the features there,
    :math:`\bar f` their mean and :math:`b_y` the class's mean so far,

    .. math:: L = CE + \lambda_{SC} \frac1n \sum_i \lVert f^1_i - f^2_i \rVert
        + \lambda_{GC} \lVert b_y - \bar f \rVert

    each of the two a mean over pairs; a class that comes for the first time adds nothing to the second. After the step
    :math:`b_y \leftarrow b_y + e^{-\text{decay} \cdot t} (\bar f - b_y)`, :math:`t` the steps in which it has moved
    before. What is saved is the plain network.

    Attributes
    ----------
    at : str
        The module whose output the features are; empty for the backbone's own (`camkit.models.wsol.PLACES`), or the
        last feature map where it has none.
    sets : int
        Pairs in a batch, over all processes.
    positions : int
        :math:`n`. Where fewer are the object, they come again.
    delta : float
    sc, gc : float
        :math:`\lambda_{SC}` and :math:`\lambda_{GC}`.
    decay : float
    as_published : bool
        With a slip of the authors' code, which draws positions and does not use them: the first :math:`n` of the
        object, row by row from the top.

    References
    ----------
    Zhang, Wei, Yang: Inter-Image Communication for Weakly Supervised Localization, ECCV 2020.
    """

    needs_labels: ClassVar[bool] = True

    at: str = ""
    sets: int = 40
    positions: int = 3
    delta: float = 0.7
    sc: float = 0.008
    gc: float = 0.001
    decay: float = 0.002
    as_published: bool = False

    def __post_init__(self) -> None:
        if self.sets < 1 or self.positions < 1:
            raise CamkitError(f"i2c: sets {self.sets} and positions {self.positions}: give 1 or more of each")
        if not 0 <= self.delta < 1:
            raise CamkitError(f"i2c: delta {self.delta}: give a number from 0 to below 1")
        for name, value in (("sc", self.sc), ("gc", self.gc), ("decay", self.decay)):
            if not 0 <= value < float("inf"):
                raise CamkitError(f"i2c: {name} {value}: give a number from 0")

    def class_sets(self) -> tuple[int, int]:
        return self.sets, PAIR

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        """The bank; refused where no linear layer makes class maps, or they are of another size than the features."""
        own = bool(self.at or network.places.get("i2c"))
        self.places = network.places_of("i2c", self.at) if own else ()
        with frozen(network.model, []), torch.no_grad():
            like = next(network.model.parameters())
            passed = network.forward(like.new_zeros(2, 3, *network.input_size), self.places)
            maps = network.class_maps(passed.features, like.new_zeros(2, dtype=torch.int64))
        features = self.features(passed)
        sizes = ["x".join(map(str, one.shape[-2:])) for one in (features, maps)]
        if sizes[0] != sizes[1]:
            raise CamkitError(
                f"i2c, at={self.places[0]}: its map is {sizes[0]}, and class maps are {sizes[1]}: name a module whose "
                "map is of their size"
            )
        self.bank = Bank(network.num_classes, features.shape[1])
        return {"bank": self.bank}

    def features(self, passed: Pass) -> Tensor:
        """What is held together, (N, C, h, w)."""
        return at_least_float32(passed.inner[self.places[0]]) if self.places else passed.features

    def step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        passed = network.forward(images, self.places)
        maps = network.class_maps(passed.features, labels).detach()
        features = self.features(passed).flatten(2)
        at = object_positions(maps.flatten(1), self.positions, self.delta, first=self.as_published)
        first, second = (
            features.gather(2, at[:, None].expand(-1, features.shape[1], -1)).unflatten(0, (-1, PAIR)).unbind(1)
        )
        classes = labels[::PAIR]
        means = ((first + second) / 2).mean(-1)
        distances = vector_norm(self.bank.means[classes] - means, dim=1)
        entropy = self.loss(passed.logits, network.smoothed(labels))
        sc = vector_norm(first - second, dim=1).mean()
        gc = torch.where(self.bank.counts[classes] > 0, distances, 0).mean()
        self.seen = classes, means.detach()
        return {"loss": entropy + self.sc * sc + self.gc * gc, "entropy": entropy, "sc": sc, "gc": gc}

    def after_step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Move the bank by the pairs of all processes; several of one class count as their mean."""
        del images, labels
        classes, means = self.seen
        hot = F.one_hot(classes, network.num_classes).to(means)
        sums, counts = network.group.mean([hot.T @ means, hot.sum(0)]) or []
        here = counts > 0
        self.bank.move(sums / torch.where(here, counts, 1)[:, None], here, self.decay)
        return {}


def object_positions(maps: Tensor, number: int, delta: float, *, first: bool = False) -> Tensor:
    """`number` positions of the object in each flat map (N, hw), drawn without repeating one while there are others.

    The object is what is above ``min + delta * (max - min)``; of a constant map, all of it. `first`: nothing is drawn,
    and the first ones are taken.
    """
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    is_object = maps > low + delta * (high - low)
    is_object |= ~is_object.any(1, keepdim=True)
    order = torch.arange(maps.shape[1], 0, -1, device=maps.device).expand(maps.shape)
    ranks = order if first else torch.rand(maps.shape, device=maps.device)
    drawn = ranks.masked_fill(~is_object, -1).argsort(1, descending=True)
    turns = torch.arange(number, device=maps.device) % is_object.sum(1, keepdim=True)
    return drawn.gather(1, turns)
