"""The networks and photographs of the benchmark: random weights, which cost what trained ones do; nothing is loaded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import skimage.data
import torch
from PIL import Image
from torch import nn
from torchvision import models

SIZE = (460, 400)  # width and height of the photographs


@dataclass(frozen=True)
class Network:
    """A network, and the names by which peers are told where its features and its classifier are."""

    build: Callable[[], nn.Module]
    features: str
    classifier: str


def _timm(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        import timm  # noqa: PLC0415 - an extra

        return timm.create_model(name)

    return build


NETWORKS = {
    "MobileNetV2": Network(models.mobilenet_v2, "features", "classifier.1"),
    "ResNet50": Network(models.resnet50, "layer4", "fc"),
    "EfficientNet-Lite0": Network(_timm("tf_efficientnet_lite0"), "bn2", "classifier"),
    "ConvNeXt-T": Network(models.convnext_tiny, "features", "classifier.2"),
    "Swin-T": Network(models.swin_t, "permute", "head"),
    "ViT-S": Network(_timm("vit_small_patch16_224"), "", ""),
}
CONVOLUTIONAL = ("MobileNetV2", "ResNet50", "EfficientNet-Lite0")


def network(name: str) -> nn.Module:
    """With norms that have statistics of their own, so that folding has something to fold."""
    torch.manual_seed(0)
    model = NETWORKS[name].build().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
    return model


def photographs(folder: Path, n: int) -> list[Path]:
    """JPEGs of 460x400 pixels, parts of scikit-image's photographs."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = [Image.fromarray(getattr(skimage.data, name)()) for name in ("astronaut", "coffee", "chelsea")]
    paths = [folder / f"{number:04}.jpg" for number in range(n)]
    for number, path in enumerate(paths):
        source = sources[number % len(sources)]
        left, top = (7 * number) % 60, (5 * number) % 40
        source.crop((left, top, left + 380, top + 260)).resize(SIZE, Image.Resampling.BICUBIC).save(path, quality=90)
    return paths
