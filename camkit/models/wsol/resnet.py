"""ResNet50 with its last stage at stride 1, and the same with squeeze-and-excitation blocks."""

from typing import Any

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import SqueezeExcitation

from camkit.models.tiny import TinyResNet
from camkit.nn import GlobalAvgPool2d

BLOCKS = [3, 4, 6, 3]
REDUCTION = 16  # of the squeeze, in both publications


class SEBottleneck(Bottleneck):  # type: ignore[misc] # torchvision has no annotations
    """A bottleneck whose residual is gated channel by channel before the sum (Hu et al., CVPR 2018)."""

    def __init__(self, inplanes: int, planes: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(inplanes, planes, *args, **kwargs)
        channels = planes * self.expansion
        self.se = SqueezeExcitation(channels, channels // REDUCTION)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.se(self.bn3(self.conv3(y)))
        shortcut = x if self.downsample is None else self.downsample(x)
        out: Tensor = self.relu(y + shortcut)
        return out


def resnet50(num_classes: int) -> nn.Module:
    """14x14 positions of 2048 channels at 224. All keys are torchvision's."""
    return finer(ResNet(Bottleneck, BLOCKS, num_classes))


def resnet50_se(num_classes: int) -> nn.Module:
    """The same with a gate in every block. All keys but the gates' are those of torchvision's ResNet50."""
    return finer(ResNet(SEBottleneck, BLOCKS, num_classes))


def finer(model: Any) -> nn.Module:
    """The last stage at stride 1, not dilated."""
    first = model.layer4[0]
    first.conv2.stride = first.downsample[0].stride = (1, 1)
    model.avgpool = GlobalAvgPool2d()
    found: nn.Module = model
    return found


def resnet_small(num_classes: int) -> nn.Module:
    """A small residual network for 64x64: 8x8 positions of 96 channels."""
    return TinyResNet(num_classes, widths=(32, 64, 96), depth=1)
