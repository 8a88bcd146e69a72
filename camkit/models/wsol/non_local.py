"""VGG16 in NL-CCAM's form: blocks in which every position looks at every other, between the stages."""

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from camkit.models.wsol.backbone import chain, initialise
from camkit.nn import GlobalAvgPool2d

REDUCTION, SLOPE = 8, 0.2  # of queries and keys; of the leaky ReLUs that stand for VGG16's
AFTER = (9, 16, 23, 29)  # pool2, pool3, pool4, conv5_3's activation, as torchvision counts VGG16's layers


class NonLocal2d(nn.Module):
    r"""Features, plus a mix of all positions: :math:`x + BN(W_o (W_v x) \mathrm{softmax}((W_q x)^T W_k x)^T)`.

    The norm starts at zero, so that a fresh block changes nothing.

    Parameters
    ----------
    channels : int

    References
    ----------
    Wang, Girshick, Gupta, He: Non-local Neural Networks, CVPR 2018; as in the published code of Yang, Kim, Kim, Kim:
    Combinational Class Activation Maps for Weakly Supervised Object Localization, WACV 2020.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key = (nn.Conv2d(channels, channels // REDUCTION, 1) for _ in range(2))
        self.value, self.out = (nn.Conv2d(channels, channels, 1) for _ in range(2))
        self.norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the same; takes memory for (hw)^2 numbers an image."""
        query, key, value = (layer(x).flatten(2) for layer in (self.query, self.key, self.value))
        attention = torch.softmax(query.transpose(1, 2) @ key, 2)
        mixed = (value @ attention.transpose(1, 2)).unflatten(2, x.shape[-2:])
        out: Tensor = x + self.norm(self.out(mixed))
        return out


def vgg16_nl(num_classes: int) -> nn.Module:
    """14x14 positions of 512 channels at 224. Keys of ``features`` are torchvision's, but for the blocks'."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for index, layer in enumerate(make_layers(cfgs["D"][:-1])):
        channels = getattr(layer, "out_channels", channels)
        layers[str(index)] = nn.LeakyReLU(SLOPE, inplace=True) if isinstance(layer, nn.ReLU) else layer
        if index in AFTER:
            layers[f"non_local_{index}"] = NonLocal2d(channels)
    fc = nn.Linear(channels, num_classes)
    return initialise(chain(features=nn.Sequential(layers), pool=GlobalAvgPool2d(), flatten=nn.Flatten(), fc=fc))
