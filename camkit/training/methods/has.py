"""Hide-and-Seek (HaS): cells of a grid over the image are hidden, so that the rest of the object must do."""

from dataclasses import dataclass

import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.training.method import Method


@dataclass
class HideAndSeek(Method):
    """Each cell of the grid is hidden by itself: filled with the data set's mean, which is 0 after normalisation.

    Attributes
    ----------
    grid : int or tuple of int
        Side of a cell in pixels; the last cells of a row and a column are cut where the image ends. Of several, each
        image draws one, and 0 hides nothing: the authors' code draws from 0, 16, 32, 44, 56.
    p : float
        Probability that a cell is hidden.

    References
    ----------
    Singh, Lee: Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action Localization,
    ICCV 2017.
    """

    grid: int | tuple[int, ...] = 32
    p: float = 0.5

    def __post_init__(self) -> None:
        several = isinstance(self.grid, tuple | list)
        self.sides = tuple(self.grid) if isinstance(self.grid, tuple | list) else (self.grid,)
        whole = all(type(side) is int and side >= (0 if several else 1) for side in self.sides)
        if not whole or not self.sides or not 0 <= self.p <= 1:
            raise CamkitError(
                f"has: grid {self.grid} and p {self.p}: give whole pixels above 0 (of several, 0 hides nothing), and p "
                "in [0, 1]"
            )

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Hide cells of every image, each image its own."""
        del num_classes
        if len(self.sides) == 1:
            return images * self._seen(images, self.sides[0]), labels
        drawn = torch.randint(len(self.sides), (len(images), 1, 1, 1), device=images.device)
        for number, side in enumerate(self.sides):
            if side:
                images = images * (self._seen(images, side) | (drawn != number))
        return images, labels

    def _seen(self, images: Tensor, side: int) -> Tensor:
        """Which pixels are not hidden, (N, 1, H, W)."""
        n, _, height, width = images.shape
        cells = (n, 1, -(-height // side), -(-width // side))
        seen = torch.rand(cells, device=images.device) >= self.p
        return seen.repeat_interleave(side, -2).repeat_interleave(side, -1)[..., :height, :width]
