"""What a cell leaves, and how sure a sum of figures of several cells is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from camkit.errors import CamkitError
from camkit.metrics import Estimate
from camkit.metrics.intervals import LEVEL

PERCENT = ("loc", "cls", "acc", "v2", "pxap", "right_max", "right_percentile", "own", "other")


@dataclass(frozen=True)
class Measured:
    """What one run of an experiment found.

    Attributes
    ----------
    images : tuple of str
        Their names, with the data set's before them: figures on the same images are compared image by image.
    outcomes : mapping from figure to sequence of float (n,)
        What each image counts for; NaN where it does not. The figure is their mean.
    estimates : mapping from figure to Estimate
        Figures that are no mean over images.
    facts : mapping
        Whatever else is worth knowing: what failed, what was chosen.
    """

    images: tuple[str, ...] = ()
    outcomes: Mapping[str, Sequence[float]] = field(default_factory=dict)
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """In JSON's types; NaN is null, other numbers have 9 digits."""
        outcomes = {
            name: [None if np.isnan(value) else float(f"{value:.9g}") for value in values]
            for name, values in self.outcomes.items()
        }
        estimates = {name: asdict(one) for name, one in self.estimates.items()}
        return {"images": list(self.images), "outcomes": outcomes, "estimates": estimates, "facts": dict(self.facts)}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> "Measured":
        """What `as_json` gave."""
        outcomes = {
            name: [float("nan") if value is None else value for value in values]
            for name, values in held["outcomes"].items()
        }
        estimates = {name: Estimate(**one) for name, one in held["estimates"].items()}
        return cls(tuple(held["images"]), outcomes, estimates, held["facts"])


@dataclass(frozen=True)
class Quantity(Estimate):
    """A sum of figures with its interval.

    Attributes
    ----------
    seeds : int
        Trained networks behind each figure; 0 where nothing was trained, 1 where the interval is over images alone.
    unanimous : float or None
        The value that every single image has, where they all have one.
    """

    seeds: int = 0
    unanimous: float | None = None


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure of a cell, over its seeds: outcomes (seeds, images) with the names of both."""

    sign: int
    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: NDArray[np.float64]


def figure_of(sign: int, name: str, runs: Mapping[int | None, Measured]) -> Figure | Estimate:
    """A figure of a cell from its runs by seed; an `Estimate` where it is no mean over images.

    Raises
    ------
    CamkitError
        The cell has no such figure, no image has it, or its seeds were not measured on the same images.
    """
    first = next(iter(runs.values()))
    if name in first.estimates and len(runs) == 1:
        return first.estimates[name]
    if any(name not in run.outcomes for run in runs.values()):
        raise CamkitError(
            f"no figure {name!r} is a mean over the images of that cell: it has {', '.join(first.outcomes)}"
        )
    if any(run.images != first.images for run in runs.values()):
        raise CamkitError(f"{name}: the seeds were not measured on the same images")
    values = np.array([run.outcomes[name] for run in runs.values()], dtype=np.float64)
    known = ~np.isnan(values).any(axis=0)
    if not known.any():
        raise CamkitError(f"{name}: no image has it")
    images = tuple(first.images[place] for place in np.flatnonzero(known))
    return Figure(sign, tuple(seed for seed in runs if seed is not None), images, values[:, known])


def added_up(figures: Sequence[Figure], scale: float) -> Quantity:
    """The signed sum of figures, with a 95 % interval over images and, where networks were trained, seeds.

    Each image moves the sum by what it counts for in all figures that it is in, and so does each seed: figures on the
    same images, or of networks of the same seeds, are thereby paired, and others are independent. The variance is the
    sum of both parts (an upper bound: what image and seed share is in it twice), the quantile Student's with
    Satterthwaite's degrees of freedom. Where no two images differ there is no variance to go by, and the interval is as
    wide as an unseen share of images allows (Wilson).

    Parameters
    ----------
    figures : sequence of Figure
    scale : float
        The range of an image's outcome: 100 for percentages, 1 for shares.
    """
    by_image: dict[str, float] = defaultdict(float)
    by_seed: dict[int, float] = defaultdict(float)
    totals: dict[str, float] = defaultdict(float)
    value = 0.0
    for one in figures:
        mean = one.values.mean()
        value += one.sign * mean
        for image, outcome in zip(one.images, one.values.mean(axis=0), strict=True):
            by_image[image] += one.sign * (outcome - mean) / len(one.images)
            totals[image] += one.sign * outcome
        for seed, outcome in zip(one.seeds, one.values.mean(axis=1)[: len(one.seeds)], strict=True):
            by_seed[seed] += one.sign * (outcome - mean) / len(one.seeds)
    n, seeds = len(by_image), max(len(one.seeds) for one in figures)
    parts = [_variance(by_image), _variance(by_seed)]
    variance = sum(part for part, _ in parts)
    if np.sqrt(variance) <= 1e-9 * scale:
        z = float(stats.norm.ppf((1 + LEVEL) / 2))
        reach = scale * z**2 / (n + z**2)
    else:
        freedom = variance**2 / sum(part**2 / df for part, df in parts if df)
        reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(variance))
    same = all(one.images == figures[0].images and one.seeds == figures[0].seeds for one in figures)
    single = np.unique(np.sum([one.sign * one.values for one in figures], axis=0)) if same else np.array(())
    unanimous = float(single[0]) if len(single) == 1 else None
    return Quantity(float(value), float(value - reach), float(value + reach), n, seeds, unanimous)


def _variance(moves: Mapping[Any, float]) -> tuple[float, int]:
    """Of a mean whose i-th of n observations moves it so far, and its degrees of freedom."""
    n = len(moves)
    if n < 2:
        return 0.0, 0
    return float(np.square(sorted(moves.values())).sum() * n / (n - 1)), n - 1


def scale_of(figure: str) -> float:
    """The range of a figure's outcomes: 100 for percentages, 1 for all else."""
    return 100.0 if figure.partition("@")[0].rpartition(":")[2].endswith(PERCENT) else 1.0
