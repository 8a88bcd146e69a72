"""`tiny`: the small classifier that ships inside camkit, so that the main job runs without a download.

A residual network of 3x3 convolutions, global average pooling and one linear layer, 8 pixels to a map position.
"""

import torch
import torch.nn.functional as F
from torch import nn

TINY = "tiny"


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut, ReLU after the sum: features are never negative."""

    def __init__(self, cin: int, cout: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(cout)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)


class TinyResNet(nn.Module):
    """A residual network for photographs of 64 to 128 pixels a side.

    Parameters
    ----------
    num_classes : int
        Rows of the linear layer.
    widths : tuple of int
        Channels of each stage; every stage after the first halves the map.
    depth : int
        Residual blocks a stage.
    """

    def __init__(self, num_classes: int = 100, widths: tuple[int, ...] = (64, 128, 192), depth: int = 2) -> None:
        super().__init__()
        stem, *_ = widths
        layers: list[nn.Module] = [nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)]
        cin = stem
        for stage, cout in enumerate(widths):
            for block in range(depth):
                layers.append(Residual(cin, cout, stride=2 if stage > 0 and block == 0 else 1))
                cin = cout
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(cin, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.pool(self.features(x)).flatten(1))
        return logits
