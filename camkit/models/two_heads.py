"""Networks with two heads by their names: ``acol:NETWORK,at=MODULE,width=CHANNELS``."""

import re
from dataclasses import dataclass, replace

import torch
from torch import nn

from camkit.cam.extractor import example_images
from camkit.cam.two_heads import ConvHead, TwoHeads
from camkit.errors import CamkitError
from camkit.models.card import Card
from camkit.models.cut import cut

PREFIX = "acol:"
NAME = re.compile(r"acol:(?P<network>.+),at=(?P<at>[^,]+),width=(?P<width>[1-9]\d{0,3})")


@dataclass(frozen=True)
class Form:
    """What such a name says.

    Attributes
    ----------
    network : str
        What the heads stand on, as `load_classifier` takes it.
    at : str
        The module whose output they read.
    width : int
        Channels of their convolutions.
    """

    network: str
    at: str
    width: int

    def __str__(self) -> str:
        return f"{PREFIX}{self.network},at={self.at},width={self.width}"

    @classmethod
    def named(cls, name: str) -> "Form":
        """The form of that name; `CamkitError` where it is none."""
        found = NAME.fullmatch(name)
        if found is None:
            raise CamkitError(f"{name:.80}: write acol:NETWORK,at=MODULE,width=CHANNELS, as camkit train names it")
        return cls(found["network"], found["at"], int(found["width"]))

    def beneath(self, card: Card) -> Card:
        """The card of the network that the heads stand on."""
        return replace(card, model=self.network)

    def on(self, network: nn.Module, card: Card) -> TwoHeads:
        """Fresh heads on that network, which is in eval mode."""
        body = cut(network, self.at).eval()
        with torch.no_grad():
            channels = body(example_images(body, card.input.size)).shape[1]
        first, second = (ConvHead(channels, self.width, card.num_classes) for _ in range(2))
        return TwoHeads(body, first, second).eval()
