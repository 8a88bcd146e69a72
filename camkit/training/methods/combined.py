"""Several methods in one run: ``has+minmax``."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD

from camkit.errors import CamkitError
from camkit.models import Card
from camkit.training.method import Method
from camkit.training.network import Network

FIRST = ("attach", "mix")  # the places that a method may use which is not the last


class Combined(Method):
    """What the first methods do to network and images, then the last method with all it is.

    Parameters
    ----------
    named : dict from str to Method

    Raises
    ------
    CamkitError
        One that is not the last has a loss, modules or sets of its own, or mixes the labels that the last needs whole.
    """

    def __init__(self, named: dict[str, Method]) -> None:
        *self.first, self.last = named.values()
        self.mixes_labels = any(method.mixes_labels for method in named.values())  # type: ignore[misc]
        *first, last = named
        for name, method in zip(first, self.first, strict=True):
            own = [place for place in PLACES if place not in FIRST and overrides(method, place)]
            if own:
                raise CamkitError(f"--method {'+'.join(named)}: {name} has a {own[0]} of its own: it can only be last")
            if method.mixes_labels and (self.last.class_sets() or self.last.needs_labels):
                needs = "sets of one class" if self.last.class_sets() else "one class an image"
                raise CamkitError(f"--method {'+'.join(named)}: {name} mixes classes, and {last} needs {needs}")

    def attach(self, model: nn.Module, at: Sequence[str]) -> None:
        for method in (*self.first, self.last):
            method.attach(model, at)

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        return self.last.modules(network)

    def lr_factor(self, name: str) -> float | None:
        return self.last.lr_factor(name)

    def prepare(self, network: Network, optimizer: SGD) -> None:
        self.last.prepare(network, optimizer)

    def class_sets(self) -> tuple[int, int] | None:
        return self.last.class_sets()

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        for method in (*self.first, self.last):
            images, labels = method.mix(images, labels, num_classes)
        return images, labels

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.last.loss(logits, labels)

    def step(self, network: Network, images: Tensor, labels: Tensor) -> Tensor | dict[str, Tensor]:
        for method in self.first:
            images, labels = method.mix(images, labels, network.num_classes)
        return self.last.step(network, images, labels)

    def after_step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return self.last.after_step(network, images, labels)

    def state_dict(self) -> dict[str, Any]:
        return self.last.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.last.load_state_dict(state)

    def saved(self, network: Network, card: Card) -> tuple[nn.Module, Card]:
        return self.last.saved(network, card)


PLACES = [name for name, value in vars(Method).items() if callable(value) and not name.startswith("_")]


def overrides(method: Method, place: str) -> bool:
    """Whether a method has this place of its own."""
    return getattr(type(method), place) is not getattr(Method, place)
