"""SeeNet as a training method: ACoL's heads, and a mask of three values that knows background, too.

camkit train ... --method examples/seenet_method.py:SeeNet --out run
camkit evaluate --model run/last.safetensors ...

Hou, Jiang, Wei, Cheng, NeurIPS 2018 published the network at test alone (Caffe). Where the first head's map of the
class, its positive part stretched to [0, 1], is above 0.8 the second head sees nothing, and where it is below `low`
it sees the features with their sign flipped; a third head sees the background alone and must tell nothing. All heads
have sigmoids. At test the map is the maximum of the first two heads' maps, the second erased and nothing flipped, as
in the published file, whose lower threshold is 0: ACoL's network (the signed map is stretched there).

Of general knowledge are: `low` 0.05 in training; that the sign is flipped after the features' ReLU (before it,
flipping would be erasing); that the third head has weights of its own and sees what is below `low`; the sum over
classes and mean over images in the loss; the maximum. A map without a positive part knows no background: nothing is
changed there. SeeNet trains on VOC, with several classes to an image; here an image has one.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from camkit.boxes import stretched
from camkit.cam.two_heads import ConvHead
from camkit.errors import CamkitError
from camkit.training.methods.acol import ACoL
from camkit.training.network import at_least_float32


def ternary(maps, high, low):
    """Of maps (N, h, w): 0 where they are high, -1 where they are low, else 1; and the low positions, bool."""
    attention = stretched(maps.relu())
    background = (attention < low) & (attention.amax((1, 2), keepdim=True) > 0)
    signs = torch.where(background, -1.0, 1.0).to(maps)
    return signs * (attention <= high), background


@dataclass
class SeeNet(ACoL):
    """Binary cross-entropies of the first head, of the second behind the mask, and of nothing on the background."""

    delta: float = 0.8
    low: float = 0.05

    def __post_init__(self):
        super().__post_init__()
        if not 0 <= self.low < self.delta:
            raise CamkitError(f"low {self.low}: must lie from 0 to below delta, {self.delta}")

    def modules(self, network):
        heads = super().modules(network)
        channels = network.channels_at(self.place)
        return {**heads, "third": ConvHead(channels, self.width, network.num_classes)}

    def step(self, network, images, labels):
        first, second, third = (network.modules[name] for name in ("first", "second", "third"))
        with network.autocast():
            features = self.body(images)
            inner = first.features(features)
            with torch.no_grad():
                signs, background = ternary(at_least_float32(first.class_maps(inner, labels)), self.delta, self.low)
            every = first.classify(inner), second(features * signs[:, None]), third(features * background[:, None])
        one, other, nothing = map(at_least_float32, every)
        target = network.smoothed(F.one_hot(labels, network.num_classes).to(one))
        figures = {"first": told(one, target), "second": told(other, target), "background": told(nothing, 0 * target)}
        return {"loss": sum(figures.values()), **figures}


def told(logits, target):
    """Binary cross-entropy, its sum over classes and mean over images."""
    return F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / len(logits)
