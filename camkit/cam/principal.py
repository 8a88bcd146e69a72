"""Deep descriptor transforming: the one direction in which the features of a set of images vary most.

Wei et al., *Deep Descriptor Transforming for Image Co-Localization*, IJCAI 2017; PSOL (Zhang et al., CVPR 2020) makes
its pseudo boxes so, class by class. No class weights take part: of images that are known to show one class,
``(F - mean) @ p`` is to be positive where the object is; ``> 0`` is `Threshold(0.0, 0.0, "max")` of maps as they are.
"""

from dataclasses import dataclass

import torch

from camkit.errors import CamkitError


@dataclass(frozen=True, eq=False)
class Direction:
    """The first principal direction of positions' features.

    Attributes
    ----------
    mean, vector : Tensor (C,), float64
        `vector` has length 1. **Its sign**, which a decomposition leaves open, is that by which maps grow with the sum
        of the channels: as features are the larger where there is something, the object's side is positive. For an
        eigenvector that covariance is its eigenvalue times the sum of its entries, so the sum is not negative; where it
        is 0 the entry of the largest magnitude is positive.
    share : float
        Of the features' variance that the direction has, in [0, 1].
    """

    mean: torch.Tensor
    vector: torch.Tensor
    share: float

    def maps(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, C, h, w) to maps (N, h, w), float32: each position's place along the direction."""
        vector = self.vector.to(features.device)
        along = torch.einsum("c,nchw->nhw", vector, features.double())
        return (along - vector @ self.mean.to(features.device)).float()


class Moments:
    """Sums over positions, from which the direction is computed once all images were seen: memory (C, C), however many.

    Examples
    --------
    >>> moments = Moments()
    >>> moments.add(torch.tensor([[[[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]]]]))  # both channels alike
    >>> moments.direction().vector.round(decimals=3).tolist()
    [0.707, 0.707]
    """

    def __init__(self) -> None:
        self.positions = 0
        self._anchor = self._sum = self._products = torch.zeros(0, dtype=torch.float64)

    def add(self, features: torch.Tensor) -> None:
        """Take in the features (N, C, h, w) of N more images.

        Raises
        ------
        CamkitError
            They are not finite, or of another number of channels than before.
        """
        rows = features.detach().double().permute(0, 2, 3, 1).flatten(0, 2).cpu()
        if not bool(rows.isfinite().all()):
            raise CamkitError("features are NaN or infinite: leave the image out")
        if not self.positions:
            # Products of what lies near 0 lose no digits to a mean that is large beside the deviations.
            self._anchor = rows.mean(0)
            self._sum, self._products = torch.zeros_like(self._anchor), rows.new_zeros(rows.shape[1], rows.shape[1])
        if rows.shape[1] != len(self._anchor):
            raise CamkitError(f"features of {rows.shape[1]} channels among others of {len(self._anchor)}")
        rows = rows - self._anchor
        self.positions += len(rows)
        self._sum = self._sum + rows.sum(0)
        self._products = self._products + rows.T @ rows

    def direction(self) -> Direction:
        """The first principal direction.

        Raises
        ------
        CamkitError
            There were no features, or they are the same everywhere, so that no direction is the first.
        """
        if not self.positions:
            raise CamkitError("no features were seen, and there is no direction: give an image")
        mean = self._sum / self.positions
        covariance = self._products / self.positions - torch.outer(mean, mean)
        values, vectors = torch.linalg.eigh(covariance)
        total = float(covariance.trace())
        if not total > 1e-12 * float((self._anchor + mean).square().sum()):
            raise CamkitError("the features are the same at all positions of all images: there is no direction in them")
        vector = vectors[:, -1]
        turn = float(vector.sum())
        if abs(turn) < 1e-12:
            turn = float(vector[vector.abs().argmax()])
        return Direction(self._anchor + mean, vector if turn > 0 else -vector, float(values[-1]) / total)
