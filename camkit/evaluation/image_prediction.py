"""What is predicted of one annotated image: the maps of its own class, and the likeliest classes."""

from dataclasses import dataclass

import torch

from camkit.boxes import Window
from camkit.data import Record


@dataclass(frozen=True, eq=False)
class ImagePrediction:
    """One annotated image and the maps of its own class.

    Attributes
    ----------
    record : Record
        With a label.
    size : tuple of int
        Height and width of the image.
    window : tuple of float or None
        The part of the image that the maps cover; None for all of it.
    maps : dict from weighting to Tensor (h, w)
        Of a folder of maps there is one, under every weighting.
    label : int or None
        The image's class as the classifier numbers it; None where there is no classifier.
    predicted : Tensor (k,) or None
        The likeliest classes, best first.
    score : float or None
        The probability that the maps' network gives the image's own class; None of maps without a network.
    """

    record: Record
    size: tuple[int, int]
    window: Window | None
    maps: dict[str, torch.Tensor]
    label: int | None
    predicted: torch.Tensor | None
    score: float | None = None
