"""Hide-and-Seek (HaS): cells of a grid over the image are hidden, so that the rest of the object must do."""

from dataclasses import dataclass

import torch
from torch import Tensor

from camkit.errors import CamkitError
from camkit.training.methods.method import Method


@dataclass
class HideAndSeek(Method):
    """Each cell of the grid is hidden by itself: filled with the data set's mean, which is 0 after normalisation.

    Attributes
    ----------
    grid : int
        Side of a cell in pixels; the last cells of a row and a column are cut where the image ends.
    p : float
        Probability that a cell is hidden.

    References
    ----------
    Singh, Lee: Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action Localization,
    ICCV 2017.
    """

    grid: int = 32
    p: float = 0.5

    def __post_init__(self) -> None:
        if self.grid < 1 or not 0 <= self.p <= 1:
            raise CamkitError(f"has: grid {self.grid} and p {self.p}: give whole pixels above 0, and p in [0, 1]")

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Hide cells of every image, each image its own."""
        del num_classes
        n, _, height, width = images.shape
        cells = (n, 1, -(-height // self.grid), -(-width // self.grid))
        seen = torch.rand(cells, device=images.device) >= self.p
        mask = seen.repeat_interleave(self.grid, -2).repeat_interleave(self.grid, -1)[..., :height, :width]
        return images * mask, labels
