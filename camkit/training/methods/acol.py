"""ACoL: two heads on the same features; where the first one's map is high, the second does not see them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from camkit.cam.extractor import example_images
from camkit.cam.two_heads import ConvHead, TwoHeads, erased
from camkit.errors import CamkitError
from camkit.models import Card
from camkit.models.cut import cut
from camkit.models.two_heads import Form
from camkit.nn import GlobalAvgPool2d, pool_name
from camkit.training.frozen import frozen
from camkit.training.method import Method
from camkit.training.network import Network, at_least_float32
from camkit.training.tail import recorded


@dataclass
class ACoL(Method):
    r"""Adversarial Complementary Learning: the second head must tell the class where the first does not look.

    Both heads are two 3x3 convolutions, the mean over positions and a linear layer, in the place of the layers after
    one module of the backbone. With F that module's output and :math:`M_A` the first head's map of the image's class,
    stretched to [0, 1], the second head reads :math:`F \cdot 1[M_A < \delta]`, and the loss is :math:`CE_A + CE_B`.
    What is saved has both heads, and its maps are the maximum of theirs (`camkit.cam.two_heads.FusedMaps`).

    Attributes
    ----------
    delta : float
        From which share of its range on the first head's map erases.
    width : int
        Channels of the heads' convolutions.
    at : str
        The module whose output both heads read; empty for the backbone's own (`camkit.models.wsol.PLACES`).

    References
    ----------
    Zhang, Wei, Feng, Yang, Huang: Adversarial Complementary Learning for Weakly Supervised Object Localization, CVPR
    2018.
    """

    needs_labels: ClassVar[bool] = True

    delta: float = 0.6
    width: int = 1024
    at: str = ""

    def __post_init__(self) -> None:
        if not (0 < self.delta <= 1 and 1 <= self.width <= 9999):
            raise CamkitError(
                f"acol: delta {self.delta} and width {self.width}: delta must lie above 0 and up to 1, width from 1 to "
                "9999"
            )

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        """Both heads. The layers that they replace stay as they are, and neither run nor learn."""
        (self.place,) = network.places_of("acol", self.at)
        self.body = body_of(network, self.place)
        kept = set(self.body.modules())
        for name, module in network.model.named_modules():
            if module in kept:
                continue
            if module._forward_hooks or module._forward_pre_hooks:
                raise CamkitError(
                    f"acol's heads take the place of the layers after {self.place!r}, where the method before it acts, "
                    f"at {name!r}: name earlier modules, such as with --adl-at"
                )
            if type(module).__module__ == GlobalAvgPool2d.__module__ and not isinstance(module, GlobalAvgPool2d):
                raise CamkitError(f"acol's heads average over positions: leave out --pool {pool_name(module)}")
            if not any(one in kept for one in module.modules()):
                module.requires_grad_(False)
        channels = network.channels_at(self.place)
        return {name: ConvHead(channels, self.width, network.num_classes) for name in ("first", "second")}

    def step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        first, second = network.modules["first"], network.modules["second"]
        assert isinstance(first, ConvHead)
        with network.autocast():
            features = self.body(images)
            inner = first.features(features)
            with torch.no_grad():
                maps = at_least_float32(first.class_maps(inner, labels))
            every = first.classify(inner), second(erased(features, maps, self.delta))
        one, other = (self.loss(at_least_float32(logits), network.smoothed(labels)) for logits in every)
        return {"loss": one + other, "first": one, "second": other}

    def saved(self, network: Network, card: Card) -> tuple[nn.Module, Card]:
        """The network with both heads; refused where no name builds what they stand on."""
        if ".py" in card.model:
            raise CamkitError(
                f"acol: no checkpoint with two heads can say how {card.model!r:.80} is built: take a backbone by name"
            )
        first, second = network.modules["first"], network.modules["second"]
        assert isinstance(first, ConvHead)
        assert isinstance(second, ConvHead)
        form = Form(card.model, self.place, self.width)
        return TwoHeads(self.body, first, second, self.delta), replace(card, model=str(form))


def body_of(network: Network, place: str) -> nn.Sequential:
    """The network's layers up to a module.

    Raises
    ------
    CamkitError
        They do not come to what the module gives inside the network.
    """
    model, body = network.model, cut(network.model, place)
    images = example_images(model, network.input_size)
    with frozen(model, []), torch.no_grad(), recorded(model, [place]) as points:
        model(images)
    with frozen(model, []), torch.no_grad():
        try:
            same = torch.allclose(body(images), points[place].output, rtol=1e-4, atol=1e-5)
        except (RuntimeError, TypeError, NotImplementedError):  # what is no chain may fail in any way
            same = False
    if not same:
        raise CamkitError(
            f"acol: the network is no chain of its modules up to {place!r}, and cannot be cut there: name another with "
            "--method-option at=NAME, or take another backbone"
        )
    return body
