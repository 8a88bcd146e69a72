"""MobileNetV1 and V2, their last two strided layers at stride 1."""

from torch import nn
from torchvision.models import MobileNetV2
from torchvision.ops import Conv2dNormActivation

from camkit.models.wsol.backbone import chain, initialise
from camkit.nn import GlobalAvgPool2d

# channels and stride of each depthwise separable convolution (Howard et al. 2017, Table 1), the last two strides 1
SEPARABLE = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 1), *[(512, 1)] * 5, (1024, 1), (1024, 1)]
# expansion, channels, blocks, stride (Sandler et al. 2018, Table 2), the last two strides 1
INVERTED = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 1], [6, 96, 3, 1], [6, 160, 3, 1], [6, 320, 1, 1]]


def mobilenet_v1(num_classes: int) -> nn.Module:
    """28x28 positions of 1024 channels at 224."""
    layers, cin = [Conv2dNormActivation(3, 32, 3, 2)], 32
    for cout, stride in SEPARABLE:
        depthwise = Conv2dNormActivation(cin, cin, 3, stride, groups=cin)
        layers.append(nn.Sequential(depthwise, Conv2dNormActivation(cin, cout, 1)))
        cin = cout
    fc = nn.Linear(cin, num_classes)
    return initialise(chain(features=nn.Sequential(*layers), pool=GlobalAvgPool2d(), flatten=nn.Flatten(), fc=fc))


def mobilenet_v2(num_classes: int) -> nn.Module:
    """28x28 positions of 1280 channels at 224. All keys are torchvision's."""
    original = MobileNetV2(num_classes, inverted_residual_setting=INVERTED)
    return chain(
        features=original.features, pool=GlobalAvgPool2d(), flatten=nn.Flatten(), classifier=original.classifier
    )
