"""ACoL's network: two heads on the same features, of which the second sees what the first leaves; its class maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camkit.boxes import stretched
from camkit.cam.class_maps import ClassMaps
from camkit.cam.extractor import CAM, example_images, refuse_training
from camkit.cam.features import Features
from camkit.cam.head import Head
from camkit.cam.prediction import Classes, Prediction
from camkit.cam.source import MapSource
from camkit.cam.views import AveragedMaps
from camkit.nn import GlobalAvgPool2d


class ConvHead(nn.Module):
    """Two 3x3 convolutions, the mean over positions and a linear layer: an exact head.

    ACoL's third convolution, 1x1 to the classes, and the mean of its maps are that linear layer on the mean.

    Parameters
    ----------
    channels : int
        Of the features that it reads.
    width : int
        Of its convolutions.
    num_classes : int
    """

    def __init__(self, channels: int, width: int, num_classes: int) -> None:
        super().__init__()
        convolutions = nn.Conv2d(channels, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.features = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1], nn.ReLU())
        self.pool, self.fc = GlobalAvgPool2d(), nn.Linear(width, num_classes)
        for layer in (*convolutions, self.fc):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        return self.classify(self.features(features))

    def classify(self, inner: Tensor) -> Tensor:
        """Logits (N, K) of its own features (N, width, h, w)."""
        logits: Tensor = self.fc(self.pool(inner).flatten(1))
        return logits

    def class_maps(self, inner: Tensor, classes: Tensor) -> Tensor:
        """Signed maps (N, h, w) of each image's class in `classes` (N,), from its own features."""
        return torch.einsum("nc,nchw->nhw", self.fc.weight[classes], inner.to(self.fc.weight.dtype))


class TwoHeads(nn.Module):
    """A network with two heads: the class is the first one's, the maps are both's (`FusedMaps`).

    Parameters
    ----------
    body : nn.Module
        Images (N, 3, H, W) to features (N, C, h, w).
    first, second : ConvHead
    delta : float
        From which share of its range on the first head's map erases what the second sees.

    References
    ----------
    Zhang, Wei, Feng, Yang, Huang: Adversarial Complementary Learning for Weakly Supervised Object Localization, CVPR
    2018.
    """

    delta: Tensor

    def __init__(self, body: nn.Module, first: ConvHead, second: ConvHead, delta: float = 0.6) -> None:
        super().__init__()
        self.body, self.first, self.second = body, first, second
        self.register_buffer("delta", torch.tensor(delta, dtype=torch.float32, device=first.fc.weight.device))

    def forward(self, images: Tensor) -> Tensor:
        """The first head's logits (N, K)."""
        logits: Tensor = self.first(self.body(images))
        return logits


def erased(features: Tensor, maps: Tensor, delta: float | Tensor) -> Tensor:
    """Features (N, C, h, w) without the positions where the stretched map (N, h, w) reaches delta."""
    return features * (stretched(maps.detach()) < delta)[:, None]


class FusedMaps:
    """The map source of a network with two heads: of each class the maximum of both heads' stretched maps.

    The first head's signed map of a class erases what the second head sees for it. Each head's maps add up to that
    head's own logits; their maximum adds up to none.

    Parameters
    ----------
    model : TwoHeads
        In eval mode.
    input_size : tuple of int

    Attributes
    ----------
    heads : tuple of CAM
        Both heads, on the body's features.
    """

    kind = "two heads"
    completeness = None

    def __init__(self, model: TwoHeads, input_size: tuple[int, int] = (224, 224)) -> None:
        refuse_training(model)
        self.model = model
        images = example_images(model, input_size)
        with torch.no_grad():
            size = model.body(images).shape[-2:]
        self.heads = CAM(model.first, (size[0], size[1])), CAM(model.second, (size[0], size[1]))
        self.channels, self.num_classes = images.shape[1], self.heads[0].num_classes
        self.map_size = self.heads[0].map_size

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a run records beside the kind."""
        return {
            "heads_completeness": [head.completeness for head in self.heads],
            "delta": round(float(self.model.delta), 6),
        }

    def predict(self, images: Tensor) -> "FusedPrediction":
        """One forward pass of body and first head; the second runs once for each class that a map is wanted of."""
        refuse_training(self.model)
        with torch.no_grad():
            features = self.model.body(images)
            return FusedPrediction(features.float(), self.heads[0].features(features), self)


@dataclass(frozen=True, eq=False)
class FusedPrediction(Prediction):
    """What a `FusedMaps` says of a batch.

    Attributes
    ----------
    features : Tensor (N, C, h, w), float32
        The body's.
    first : Features
        What the first head makes of them.
    source : FusedMaps
    """

    features: Tensor
    first: Features
    source: FusedMaps

    @property
    def logits(self) -> Tensor:  # type: ignore[override]
        """The first head's."""
        return self.first.logits

    def class_maps(self, classes: Classes = None, weighting: str = "signed") -> ClassMaps:
        """See `Prediction.class_maps`; both heads' maps have the weighting, and none has an offset."""
        chosen = self.choose(classes)
        fused = stretched(self.first.class_maps(chosen, weighting).maps)
        signed = self.first.class_maps(chosen).maps
        for k in range(chosen.shape[1]):
            rest = erased(self.features, signed[:, k], self.source.model.delta)
            second = self.source.heads[1].features(rest).class_maps(chosen[:, k], weighting)
            fused[:, k] = torch.maximum(fused[:, k], stretched(second.maps[:, 0]))
        return ClassMaps(fused, chosen, self.logits, None, weighting)


def heads_of(source: MapSource) -> tuple[Head, ...]:
    """The heads whose class weights make a source's maps; none where something else makes them."""
    if isinstance(source, AveragedMaps):
        return heads_of(source.source)
    cams = (source,) if isinstance(source, CAM) else source.heads if isinstance(source, FusedMaps) else ()
    return tuple(cam.head for cam in cams)
