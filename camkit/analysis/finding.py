"""What an analysis is, and what it finds: a tidy table, a summary with intervals, a figure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit.analysis.observation import MapObservation, Requirements
from camkit.errors import CamkitError
from camkit.figures import as_png
from camkit.localization import Failure
from camkit.metrics import Estimate

T = TypeVar("T")
Summary = dict[str, Any]

SHARES = np.linspace(0, 1, 101)  # of an image or a map, where curves in descending order are kept


@dataclass(frozen=True, eq=False)
class Finding:
    """What one analysis found.

    Attributes
    ----------
    name : str
    table : DataFrame
        Tidy; a row an image, a channel or a setting, as the analysis says.
    summary : dict
        Figures by name: `camkit.metrics.Estimate` with its 95 % interval and n, or plain numbers; dicts group them.
        Shares are in [0, 1], accuracies in percent.
    figure : callable
        Draws the figure in the place of a matplotlib Axes (``ax``), or on a page of its own; gives the Axes.
    series : dict from name to DataFrame
        What else the figure shows: curves, maps.
    notes : tuple of str
        What a reader has to know before the figures: images that are not in them, and why.
    """

    name: str
    table: pd.DataFrame
    summary: Summary
    figure: Callable[..., Any]
    series: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Finding({self.name!r}: {len(self.table)} rows, {self.headline})"

    @property
    def headline(self) -> str:
        """The first figure of the summary, with its interval."""
        found = ((name, value) for name, value in self.summary.items() if isinstance(value, Estimate))
        return next((f"{name} {value.value:.3f} ({value.low:.3f} to {value.high:.3f})" for name, value in found),
                    f"summary of {', '.join(self.summary)}")  # fmt: skip

    def plot(self, ax: Any = None) -> Any:
        """Draw the figure in the place of a matplotlib Axes, or on a page of its own; returns the Axes."""
        return self.figure(ax=ax)

    def _repr_png_(self) -> bytes:
        return as_png(self.plot())

    def as_json(self) -> Summary:
        """Summary and notes in JSON's types; what could not be measured is null."""
        return {"analysis": self.name, **_plain(self.summary), "notes": list(self.notes)}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value


class Analysis(ABC, Generic[T]):
    """One analysis on its way over the images.

    `measure` looks at one image by itself, so that threads may do it; `add` takes the results in, in the images' order;
    `finding` is asked at the end. Only what `add` keeps stays in memory. Between the two a result may wait on disk, as
    far as `slim` leaves it.
    """

    name: ClassVar[str]
    series: ClassVar[tuple[str, ...]] = ()  # the names in `Finding.series`

    @property
    def requirements(self) -> Requirements:
        return Requirements()

    @abstractmethod
    def measure(self, observation: Any) -> T:
        """What one image leaves: an `Observation`, or a `MapObservation` where `requirements` asks for no head."""

    def slim(self, measured: T) -> T:
        """A result without what `add` would drop: pictures of images that no figure shows."""
        return measured

    @abstractmethod
    def add(self, measured: T) -> None:
        """Take it in."""

    @abstractmethod
    def finding(self) -> Finding:
        """What all images together say."""


def run_analysis(analysis: Analysis[T], observations: Iterable[MapObservation | Failure]) -> Finding:
    """An analysis of observations at hand; images that failed are named in the notes.

    Raises
    ------
    CamkitError
        There is nothing to analyse.
    """
    failed = []
    for observation in observations:
        if isinstance(observation, Failure):
            failed.append(f"{observation.image} is left out: {observation.reason}")
        else:
            analysis.add(analysis.measure(observation))
    found = analysis.finding()
    return replace(found, notes=(*found.notes, *failed))


def table_of(rows: list[dict[str, Any]], analysis: str, wanted: str = "an image") -> pd.DataFrame:
    """Rows as a table, refused where there are none."""
    if not rows:
        raise CamkitError(f"{analysis} needs {wanted}, and there is none: check the data set and its split")
    return pd.DataFrame(rows)


def band_table(kind: str, curves: Mapping[str, NDArray[Any]]) -> pd.DataFrame:
    """Where most images are: a tenth, half and nine tenths of the curves (n, 101) at each share, for each kind."""
    tables = []
    for name, values in curves.items():
        low, middle, high = np.quantile(values, [0.1, 0.5, 0.9], axis=0)
        tables.append(pd.DataFrame({kind: name, "share": SHARES, "low": low, "middle": middle, "high": high}))
    return pd.concat(tables, ignore_index=True)
