"""From an image to the network's input, and which part of the image the input shows."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

from camkit.data.large import alone
from camkit.errors import CamkitError, UnreadableImage
from camkit.input_spec import InputSpec

Fit = Literal["stretch", "crop", "keep"]

# A short side of one pixel would be magnified to hundreds, and the long side with it.
MAX_ASPECT = 100
# Values from which on the three channels are resized one by one, to the same result: torchvision makes float32 of all.
LARGE = 1 << 24


@dataclass(frozen=True)
class View:
    """What of an image an input shows.

    Attributes
    ----------
    size : tuple of int
        Height and width of the original image, in pixels.
    window : tuple of float
        ``x0, y0, x1, y1`` in pixels of the original image: the rectangle that fills the input. It reaches outside the
        image where the input is padded.
    """

    size: tuple[int, int]
    window: tuple[float, float, float, float]


@dataclass(frozen=True)
class Preprocess:
    """A classifier's preprocessing, as torchvision does it: antialiased resize, [0, 1], mean and standard deviation.

    Parameters
    ----------
    spec : InputSpec
        Sizes and normalisation.
    fit : {"stretch", "crop", "keep"}
        "stretch": the whole image, resized to `spec.size`. "crop": the short side resized to `spec.resize`, or the
        whole image to it where it is a height and width, then the centre crop of `spec.size`; what torchvision's
        classification weights do, to the bit. "keep": the short side
        resized to the shorter side of `spec.size`, the long side in proportion, rounded down; nothing is cut.
    """

    spec: InputSpec
    fit: Fit = "stretch"

    def __post_init__(self) -> None:
        if self.fit not in get_args(Fit):
            raise CamkitError(f"fit {self.fit!r} is unknown: use one of {', '.join(get_args(Fit))}")

    def __call__(self, image: Tensor) -> tuple[Tensor, View]:
        """Preprocess one image.

        Parameters
        ----------
        image : Tensor (3, H, W), uint8

        Returns
        -------
        input : Tensor (3, h, w), float32
        view : View

        Raises
        ------
        UnreadableImage
            One side is over 100 times the other, and `fit` magnifies both alike.
        """
        with alone(image.shape[-2] * image.shape[-1]):
            return self._shown(image)

    def _shown(self, image: Tensor) -> tuple[Tensor, View]:
        _, height, width = image.shape
        if self.fit == "stretch":
            pixels, window = self._resize(image, self.spec.size), (0.0, 0.0, float(width), float(height))
        elif max(height, width) > MAX_ASPECT * min(height, width):
            raise UnreadableImage(
                f"{width} x {height} pixels: fit {self.fit!r} takes sides up to {MAX_ASPECT} to 1; use --fit stretch"
            )
        elif self.fit == "keep":
            pixels, window = self._resize(image, (min(self.spec.size),)), (0.0, 0.0, float(width), float(height))
        else:
            sides = (self.spec.resize,) if isinstance(self.spec.resize, int) else self.spec.resize
            resized = self._resize(image, sides)
            pixels = F.center_crop(resized, self.spec.size)
            window = _crop_window((height, width), (resized.shape[-2], resized.shape[-1]), self.spec.size)
        scaled = F.convert_image_dtype(pixels, torch.float32)
        return F.normalize(scaled, self.spec.mean, self.spec.std, inplace=True), View((height, width), window)

    def _resize(self, image: Tensor, size: tuple[int, ...]) -> Tensor:
        # The first version of torchvision's functional: the second resizes uint8 in other arithmetic (up to 19 levels
        # away on noise, bicubic), which depends on the processor, and is not what the weights' own transforms call.
        if image.shape[0] > 1 and image.numel() > LARGE:
            return torch.cat([self._resize(channel, size) for channel in image.split(1)])
        resized: Tensor = F.resize(image, size, InterpolationMode(self.spec.interpolation), antialias=True)
        return resized


def _crop_window(
    size: tuple[int, int], resized: tuple[int, int], crop: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Where torchvision's centre crop of a resized image lies in the original."""
    (y0, y1), (x0, x1) = map(_crop_span, size, resized, crop)
    return x0, y0, x1, y1


def _crop_span(original: int, resized: int, crop: int) -> tuple[float, float]:
    # torchvision rounds half to even when it cuts, and down when it pads.
    start = round((resized - crop) / 2) if resized >= crop else -((crop - resized) // 2)
    return start * original / resized, (start + crop) * original / resized
