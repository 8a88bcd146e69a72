"""What a classifier wants to be shown: sizes and normalisation, as numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InputSpec:
    """The preprocessing that belongs to a model's weights.

    Attributes
    ----------
    size : tuple of int
        Height and width of the input, in pixels.
    resize : int
        Length of the short side before the centre crop of `size` (torchvision's ``resize_size``), in pixels.
    mean, std : tuple of float
        Per channel, of an RGB image in [0, 1]: ``(x - mean) / std``.
    interpolation : str
        "bilinear" or "bicubic"; how the image is resized, antialiased.
    """

    size: tuple[int, int] = (224, 224)
    resize: int = 256
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"
