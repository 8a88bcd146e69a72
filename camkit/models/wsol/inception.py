"""GoogLeNet and InceptionV3 in SPG's form: cut before the last stage, two convolutions of 1024 channels, GAP."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import googlenet as torchvision_googlenet
from torchvision.models import inception_v3 as torchvision_inception_v3

from camkit.models.wsol.backbone import chain, initialise
from camkit.nn import GlobalAvgPool2d


def googlenet(num_classes: int) -> nn.Module:
    """14x14 positions of 1024 channels at 224, after inception4e. Its keys up to there are torchvision's."""
    original = torchvision_googlenet(weights=None, aux_logits=False, init_weights=False)
    return initialise(cut(original, "inception4e", 832, num_classes))


def inception_v3(num_classes: int) -> nn.Module:
    """28x28 positions of 1024 channels at 224, after Mixed_6e. Its keys up to there are torchvision's.

    In training half of the values before each of the last three layers are dropped, as in SPG's code and in the WSOL
    benchmark's.
    """
    original = torchvision_inception_v3(weights=None, aux_logits=False, init_weights=False)
    original.Conv2d_1a_3x3.conv.padding = (1, 1)
    original.maxpool1 = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)
    original.maxpool2 = nn.MaxPool2d(3, 2, padding=1, ceil_mode=True)
    original.Mixed_6a = FineReduction(original.Mixed_6a)
    return initialise(cut(original, "Mixed_6e", 768, num_classes, dropout=0.5))


class FineReduction(nn.Module):
    """InceptionV3's first reduction at stride 1: more channels, as many positions."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.branch3x3 = block.branch3x3
        self.branch3x3dbl_1, self.branch3x3dbl_2 = block.branch3x3dbl_1, block.branch3x3dbl_2
        self.branch3x3dbl_3 = block.branch3x3dbl_3
        for strided in (self.branch3x3.conv, self.branch3x3dbl_3.conv):
            strided.stride, strided.padding = (1, 1), (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 1, 1)], 1)


def cut(original: nn.Module, last: str, channels: int, num_classes: int, dropout: float = 0.0) -> nn.Sequential:
    """The layers up to the one named, and SPG's two convolutions (Zhang et al., ECCV 2018) in place of the others.

    SPG ends in a 1x1 convolution and the mean of its maps: that is the linear layer on the mean of what the last
    dropout leaves.
    """
    layers = dict(original.named_children())
    names = list(layers)
    return chain(
        **{name: layers[name] for name in names[: names.index(last) + 1]},
        drop6=nn.Dropout(dropout),
        conv6=nn.Conv2d(channels, 1024, 3, padding=1),
        relu6=nn.ReLU(inplace=True),
        drop7=nn.Dropout(dropout),
        conv7=nn.Conv2d(1024, 1024, 3, padding=1),
        relu7=nn.ReLU(inplace=True),
        drop=nn.Dropout(dropout),
        pool=GlobalAvgPool2d(),
        flatten=nn.Flatten(),
        classifier=nn.Linear(1024, num_classes),  # not fc: torchvision's would fit, and belongs behind other layers
    )
