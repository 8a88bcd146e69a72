"""Thresholds: rules that read a value tau off a score map; what lies strictly above tau is the object."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camkit.errors import CamkitError


class Threshold(Protocol):
    """A rule ``maps (..., H, W) -> tau (...)``; write a class with this method to bring your own."""

    def __call__(self, maps: ArrayLike, /) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class MaxThreshold:
    """A share of the map's maximum: ``tau = theta * max(M')`` (Rethinking CAM, Eq. 3).

    Parameters
    ----------
    theta : float
        In [0, 1].

    Raises
    ------
    CamkitError
        `theta` out of range.
    """

    theta: float = 0.2

    def __post_init__(self) -> None:
        _check_theta(self.theta)

    def __call__(self, maps: ArrayLike, /) -> NDArray[np.float64]:
        return np.asarray(self.theta * _values(maps).max(axis=-1))

    def __str__(self) -> str:
        return f"{self.theta:g} of the maximum"


@dataclass(frozen=True)
class PercentileThreshold:
    """Percentile as a standard for thresholding (PaS): ``tau = theta * percentile_i(M')`` (Rethinking CAM, Eq. 6).

    A high percentile moves less than the maximum where a small part of the map shoots up, so the region shrinks less.

    Parameters
    ----------
    theta : float
        In [0, 1].
    percentile : float
        The paper's i, in [80, 100]; between two values of the map it is interpolated linearly. 100: the maximum.

    Raises
    ------
    CamkitError
        `theta` or `percentile` out of range.
    """

    theta: float = 0.35
    percentile: float = 90.0

    def __post_init__(self) -> None:
        _check_theta(self.theta)
        if not 80 <= self.percentile <= 100:
            raise CamkitError(
                f"percentile is {self.percentile}: give a number from 80 to 100, the range PaS is defined on"
            )

    def __call__(self, maps: ArrayLike, /) -> NDArray[np.float64]:
        return np.asarray(self.theta * np.percentile(_values(maps), self.percentile, axis=-1, overwrite_input=True))

    def __str__(self) -> str:
        return f"{self.theta:g} of the percentile {self.percentile:g}"


def _check_theta(theta: float) -> None:
    if not 0 <= theta <= 1:
        raise CamkitError(f"theta is {theta}: give a number from 0 to 1, a share of the map's maximum or percentile")


def _values(maps: ArrayLike) -> NDArray[Any]:
    """(..., H, W) -> (..., H*W), a copy in float64: a map's tau does not depend on the precision it is stored in."""
    array = np.asarray(maps)
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise CamkitError(
            f"a score map of shape {array.shape}: give maps of shape (..., height, width), at least 1x1 pixel"
        )
    return array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1]).astype(np.float64)
