"""SPG: pixels of the class map that are surely object or background teach inner layers, and these teach the last."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD

from camkit.boxes import stretched
from camkit.errors import CamkitError
from camkit.training.method import Method
from camkit.training.network import Network, at_least_float32

LEAST, SHARE = 30, 0.7  # pixels of an object that a threshold must find; else this share of the maximum is one

# above the first a pixel is object, below the second background
ATTENTION, MIDDLE, LAST = (0.7, 0.05), (0.5, 0.05), (0.7, 0.1)

Seeds = tuple[Tensor, Tensor]


@dataclass
class SPG(Method):
    r"""Self-produced guidance: three branches that live only while training say where the object is, pixel by pixel.

    Every map is taken at the image's size. The class map of the image's label, stretched to [0, 1], guides the branch
    on the later inner layer; what that says guides the branch on the earlier one; what both say on average guides the
    branch on the last features. A guide tells object above one threshold, background below another, and leaves the
    pixels between open; the loss is CE plus the binary cross-entropy of each branch over the pixels that are told, of
    the whole batch. What is saved is the plain network.

    Attributes
    ----------
    at : str
        The two inner layers, the earlier one first; empty for the backbone's own (`camkit.models.wsol.PLACES`).
    width : int
        Channels inside the branches.
    as_published : bool
        With two slips of the authors' code: an image with fewer than 30 pixels of object lowers the threshold for all
        later ones of its batch, and InceptionV3's later branch reads the layer before the one that it stands after.

    References
    ----------
    Zhang, Wei, Kang, Yang, Huang: Self-produced Guidance for Weakly-supervised Object Localization, ECCV 2018.
    """

    needs_labels: ClassVar[bool] = True

    at: str = ""
    width: int = 512
    as_published: bool = False

    def __post_init__(self) -> None:
        if self.width < 1:
            raise CamkitError(f"spg: width {self.width}: give 1 channel or more")

    def modules(self, network: Network) -> Mapping[str, nn.Module]:
        """The branches; the two on inner layers end in the same layers."""
        published = self.as_published and "spg as published" in network.places
        given = self.at or ",".join(network.places["spg as published"] if published else ())
        self.places = network.places_of("spg", given, 2)
        early, late = (network.channels_at(name) for name in self.places)
        made = {
            "early": nn.Sequential(nn.Conv2d(early, self.width, 3, padding=1), nn.ReLU()),
            "late": nn.Sequential(nn.Conv2d(late, self.width, 3, padding=1), nn.ReLU()),
            "shared": to_one_map(self.width, self.width),
            "last": to_one_map(network.cam.head.channels, self.width),
        }
        for module in made.values():
            module.apply(xavier)
        return made

    def prepare(self, network: Network, optimizer: SGD) -> None:
        """Look for the class weights; refused where maps are not made by one linear layer."""
        del optimizer
        self.fc = network.fc

    def step(self, network: Network, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        passed = network.forward(images, at=self.places)
        branches, size = network.modules, (images.shape[-2], images.shape[-1])
        with network.autocast():
            sides = [branches["shared"](branches[name](passed.inner[place]))
                     for name, place in zip(("early", "late"), self.places, strict=True)]  # fmt: skip
            sides.append(branches["last"](passed.features))
        early, late, last = (resized(side[:, 0], size) for side in sides)
        with torch.no_grad():
            attention = stretched(resized(network.class_maps(passed.features, labels), size))
            told = [
                seeds(attention, *ATTENTION, leaks=self.as_published),
                seeds(late.sigmoid(), *MIDDLE, leaks=self.as_published),
                seeds((early.sigmoid() + late.sigmoid()) / 2, *LAST, leaks=self.as_published),
            ]
        entropy = self.loss(passed.logits, network.smoothed(labels))
        guided = [guidance(network, branch, *of) for branch, of in zip((late, early, last), told, strict=True)]
        figures = dict(zip(("late", "early", "last"), guided, strict=True))
        return {"loss": entropy + torch.stack(guided).sum(), "entropy": entropy, **figures}


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, h, w) at the image's height and width, bilinearly, in float32 at least."""
    return F.interpolate(at_least_float32(maps)[:, None], size, mode="bilinear")[:, 0]


def seeds(maps: Tensor, high: float, low: float, leaks: bool = False) -> tuple[Tensor, Tensor]:
    """Which pixels of maps (N, H, W) are object, and which background; background wins where both hold.

    Where fewer than 30 pixels are above `high`, the threshold of that map is 0.7 of its maximum. `leaks`: and of the
    maps after it.
    """
    fallbacks = SHARE * maps.amax((1, 2))
    if leaks:
        thresholds = []
        for one, fallback in zip(maps, fallbacks.tolist(), strict=True):
            high = fallback if (one > high).sum() < LEAST else high
            thresholds.append(high)
        highs = maps.new_tensor(thresholds)
    else:
        highs = torch.where((maps > high).sum((1, 2)) < LEAST, fallbacks, high)
    background = maps < low
    return (maps > highs[:, None, None]) & ~background, background


def guidance(network: Network, logits: Tensor, is_object: Tensor, is_background: Tensor) -> Tensor:
    """Binary cross-entropy of logits (N, H, W), its mean over the pixels that are told, those of all processes; 0
    where none is.
    """
    told = (is_object | is_background).to(logits)
    total = F.binary_cross_entropy_with_logits(logits, is_object.to(logits), told, reduction="sum")
    (number,) = network.group.mean([told.sum()]) or []
    return total / number.clamp(min=1 / network.group.world_size)


def to_one_map(channels: int, width: int) -> nn.Sequential:
    """The last layers of a branch."""
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 1, 1))


def xavier(module: nn.Module) -> None:
    """Glorot's initialisation of a convolution, as the published code has it."""
    if isinstance(module, nn.Conv2d):
        assert module.bias is not None
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
