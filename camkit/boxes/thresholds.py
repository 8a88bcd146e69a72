"""Thresholds: one family, ``tau = lo + theta * (hi - lo)``; what lies strictly above tau is the object."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from camkit.errors import CamkitError

Level = float | str  # a value of the map, "min", "max", or "p90": the percentile 90


class ThresholdRule(Protocol):
    """A rule ``maps (..., H, W) -> tau (...)``; write a function like this to bring your own."""

    def __call__(self, maps: ArrayLike, /) -> NDArray[np.float64]: ...


@dataclass(frozen=True)
class Threshold:
    """A share of the way from one level of the map to another: ``tau = lo + theta * (hi - lo)``.

    Parameters
    ----------
    theta : float
        In [0, 1].
    lo, hi : float or str
        A value, ``"min"``, ``"max"``, or ``"p"`` and a percentile from 0 to 100, such as ``"p90"``; between two values
        of the map a percentile is interpolated linearly.

    Raises
    ------
    CamkitError
        `theta` out of range, a level that is none, or `lo` that is not below `hi`.

    Notes
    -----
    The published rules are points of the family (`THRESHOLDS` has them by name): Rethinking CAM, Eq. 3 (lo 0, hi max)
    and Eq. 6 (lo 0, hi p90); min-max (lo min, hi max); PaS after min-max (lo min, hi p90); IVR (lo a percentile, hi
    max; Kim et al., ICCV 2021). Whatever lies on a map that min-max normalisation has stretched has minimum 0.

    Examples
    --------
    >>> maps = [[0.0, 1.0], [2.0, 4.0]]
    >>> float(Threshold(0.5, "min", "max")(maps)), float(Threshold(0.5, 0.0, "p50")(maps))
    (2.0, 0.75)
    >>> print(Threshold(0.2, "p60", "max"))
    0.2 of the way from the percentile 60 to the maximum
    """

    theta: float = 0.2
    lo: Level = 0.0
    hi: Level = "max"

    def __post_init__(self) -> None:
        if not 0 <= self.theta <= 1:
            raise CamkitError(
                f"theta is {self.theta}: give a number from 0 to 1, a share of the map's maximum or percentile"
            )
        lo, hi = percentile_of(self.lo), percentile_of(self.hi)
        ends = (self.lo, self.hi) if lo is None and hi is None else (lo, hi)
        if None not in ends and not ends[0] < ends[1]:  # type: ignore[operator]
            raise CamkitError(f"the threshold's lo {self.lo} is not below its hi {self.hi}: exchange them")

    def __call__(self, maps: ArrayLike, /) -> NDArray[np.float64]:
        values = _values(maps)
        lo, hi = _read(self.lo, values), _read(self.hi, values)
        return np.asarray(lo + self.theta * (hi - lo))

    def __str__(self) -> str:
        if self.lo == 0:
            return f"{self.theta:g} of the {_in_words(self.hi)}"
        return f"{self.theta:g} of the way from the {_in_words(self.lo)} to the {_in_words(self.hi)}"


def MaxThreshold(theta: float = 0.2) -> Threshold:  # noqa: N802 - the name of a point of the family
    """A share of the map's maximum: ``tau = theta * max(M')`` (Rethinking CAM, Eq. 3).

    Examples
    --------
    >>> float(MaxThreshold(0.25)([[0.0, 1.0], [2.0, 4.0]]))
    1.0
    """
    return Threshold(theta, 0.0, "max")


def PercentileThreshold(theta: float = 0.35, percentile: float = 90.0) -> Threshold:  # noqa: N802
    """Percentile as a standard for thresholding (PaS): ``tau = theta * percentile_i(M')`` (Rethinking CAM, Eq. 6).

    A high percentile moves less than the maximum where a small part of the map shoots up, so the region shrinks less.

    Parameters
    ----------
    theta : float
        In [0, 1].
    percentile : float
        The paper's i, in [80, 100]. 100: the maximum.

    Raises
    ------
    CamkitError
        `theta` or `percentile` out of range.

    Examples
    --------
    >>> import numpy as np
    >>> float(PercentileThreshold(0.5, 90)(np.arange(11.0).reshape(1, 11)))
    4.5
    """
    return Threshold(theta, 0.0, _pas(percentile))


THRESHOLDS: dict[str, Callable[[float | None, float | None], Threshold]] = {
    "max": lambda theta, _: Threshold(_or(theta, 0.2), 0.0, "max"),
    "minmax": lambda theta, _: Threshold(_or(theta, 0.2), "min", "max"),
    "pas": lambda theta, percentile: Threshold(_or(theta, 0.35), "min", _pas(_or(percentile, 90))),
    "ivr": lambda theta, percentile: Threshold(_or(theta, 0.2), f"p{_or(percentile, 60):g}", "max"),
}
"""The published rules by name, of a theta and a percentile; None is the paper's, or the field's 0.2 for theta."""


def percentile_of(level: Level) -> float | None:
    """A level as a percentile of the map (0: the minimum, 100: the maximum); None for a value.

    Raises
    ------
    CamkitError
        It is no level.
    """
    if isinstance(level, str):
        found = {"min": 0.0, "max": 100.0}.get(level)
        if found is None and re.fullmatch(r"p\d+(\.\d+)?", level):
            found = float(level[1:])
        if found is not None and found <= 100:
            return found
    elif np.isfinite(level):
        return None
    raise CamkitError(f"the level {level!r} is none: give a number, min, max, or a percentile such as p90")


def level(text: str) -> Level:
    """A number, or the name of a level."""
    try:
        return float(text)
    except ValueError:
        return text


def _pas(percentile: float) -> str:
    if not 80 <= percentile <= 100:
        raise CamkitError(f"percentile is {percentile}: give a number from 80 to 100, the range PaS is defined on")
    return "max" if percentile == 100 else f"p{float(percentile)!r}".removesuffix(".0")


def _or(given: float | None, default: float) -> float:
    return default if given is None else given


def _in_words(level: Level) -> str:
    if isinstance(level, str):
        return {"min": "minimum", "max": "maximum"}.get(level, f"percentile {level[1:]}")
    return f"value {level:g}"


def _read(level: Level, values: NDArray[Any]) -> NDArray[np.float64]:
    """The level of each map, values (..., H*W)."""
    if not isinstance(level, str):
        return np.full(values.shape[:-1], float(level))
    if level in ("min", "max"):
        return np.asarray(values.min(axis=-1) if level == "min" else values.max(axis=-1), np.float64)
    return _percentile(values, float(level[1:]))


def _percentile(values: NDArray[Any], percentile: float) -> NDArray[np.float64]:
    """`numpy.percentile` of float64 values along the last axis, to the bit, in the precision they are stored in.

    Only two values count, neighbours in order: one partition gives the lower, the least of what is beyond it the upper.
    """
    last = values.shape[-1] - 1
    place = last * (percentile / 100)
    before = min(int(place), last)
    parted = np.partition(values, before, axis=-1)
    low = parted[..., before].astype(np.float64)
    high = parted[..., before + 1 :].min(axis=-1).astype(np.float64) if before < last else low
    share, step = place - before, high - low
    return np.asarray(high - step * (1 - share) if share >= 0.5 else low + step * share)


def _values(maps: ArrayLike) -> NDArray[Any]:
    """(..., H, W) -> (..., H*W), in the floats they are stored in, else in float64.

    Levels are chosen among the values and become float64 then: a map's tau does not depend on how it is stored.
    """
    array = np.asarray(maps)
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise CamkitError(
            f"a score map of shape {array.shape}: give maps of shape (..., height, width), at least 1x1 pixel"
        )
    flat = array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])
    return flat if flat.dtype in (np.float32, np.float64) else flat.astype(np.float64)
