"""VGG16-GAP: VGG16's convolutions without the last pooling, one more convolution, GAP, one linear layer."""

from torch import nn
from torchvision.models.vgg import cfgs, make_layers

from camkit.models.wsol.backbone import chain, initialise
from camkit.nn import GlobalAvgPool2d

FINE = 3  # poolings with a stride in ACoL's form
SMALL_LAYERS: list[str | int] = [32, 32, "M", 64, 64, "M", 96]


def vgg16(num_classes: int) -> nn.Module:
    """14x14 positions of 1024 channels at 224 (Zhou et al., CVPR 2016). Keys of ``features`` are torchvision's."""
    return initialise(with_gap(make_layers(cfgs["D"][:-1]), 512, 1024, num_classes))


def vgg16_acol(num_classes: int) -> nn.Module:
    """VGG16 in ACoL's form: 28x28 positions of 1024 channels at 224, keys of ``features`` torchvision's.

    Poolings are 3x3 and overlap, the last two at stride 1; an average of 3x3 positions and two convolutions follow.
    """
    features = make_layers(cfgs["D"])
    poolings = [index for index, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)]
    for number, index in enumerate(poolings):
        features[index] = nn.MaxPool2d(3, 2 if number < FINE else 1, padding=1)
    return initialise(
        chain(
            features=features,
            smooth=nn.AvgPool2d(3, 1, padding=1),
            conv6=nn.Conv2d(512, 1024, 3, padding=1),
            relu6=nn.ReLU(inplace=True),
            conv7=nn.Conv2d(1024, 1024, 3, padding=1),
            relu7=nn.ReLU(inplace=True),
            pool=GlobalAvgPool2d(),
            flatten=nn.Flatten(),
            fc=nn.Linear(1024, num_classes),
        )
    )


def vgg_small(num_classes: int) -> nn.Module:
    """The same manner at 64x64: 16x16 positions of 96 channels, six convolutions and the one before GAP, no norm."""
    return initialise(with_gap(make_layers(SMALL_LAYERS), 96, 96, num_classes))


def vgg_small_bn(num_classes: int) -> nn.Module:
    """The same with batch normalisation: it learns in a quarter of the time, under GAP above all."""
    model = with_gap(make_layers(SMALL_LAYERS, batch_norm=True), 96, 96, num_classes)
    model.conv6 = chain(conv=nn.Conv2d(96, 96, 3, padding=1, bias=False), norm=nn.BatchNorm2d(96))
    return initialise(model)


def with_gap(features: nn.Module, channels: int, width: int, num_classes: int) -> nn.Sequential:
    return chain(
        features=features,
        conv6=nn.Conv2d(channels, width, 3, padding=1),
        relu6=nn.ReLU(inplace=True),
        pool=GlobalAvgPool2d(),
        flatten=nn.Flatten(),
        fc=nn.Linear(width, num_classes),
    )
