"""How features move when the input's intensity changes (MinMaxCAM, Section 4.3)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from camkit.analysis.finding import Analysis, Finding, Summary, run_analysis, table_of
from camkit.analysis.masking import moved
from camkit.analysis.observation import Observation, Requirements
from camkit.errors import CamkitError
from camkit.figures import plot_intensity
from camkit.localization import Failure
from camkit.metrics.intervals import mean

INTENSITIES = (0.25, 0.5, 0.75)

Rows = list[dict[str, Any]]


class Intensity(Analysis[tuple[Rows, np.ndarray[Any, Any]]]):
    """See `intensity`."""

    name = "intensity"

    def __init__(self, intensities: tuple[float, ...] = INTENSITIES) -> None:
        if not intensities or not all(0 <= a != 1 and np.isfinite(a) for a in intensities):
            raise CamkitError(f"intensities {intensities}: give numbers of at least 0, not 1, such as 0.25, 0.5, 0.75")
        self.intensities = intensities
        self.rows: Rows = []
        self.images = 0
        self.total: Any = 0.0
        self.squares = 0.0

    @property
    def requirements(self) -> Requirements:
        return Requirements(intensities=self.intensities)

    def measure(self, observation: Observation) -> tuple[Rows, np.ndarray[Any, Any]]:
        if missing := [a for a in self.intensities if a not in observation.dimmed]:
            raise CamkitError(
                f"intensity needs a pass for each of {missing}: observe with Requirements(intensities=...)"
            )
        about = {"image": observation.record.image, "label": observation.label}
        rows = []
        for a in self.intensities:
            f = observation.dimmed[a]
            length = float(f.norm() / observation.pooled.norm().clamp(min=1e-12))
            rows.append(about | {"intensity": a, "length": length, **moved(f, observation)})
        return rows, observation.pooled.double().numpy()

    def add(self, measured: tuple[Rows, np.ndarray[Any, Any]]) -> None:
        rows, pooled = measured
        self.rows += rows
        self.images += 1
        self.total = self.total + pooled
        self.squares += float(pooled @ pooled)

    def finding(self) -> Finding:
        table = table_of(self.rows, self.name)
        figures = ("distance", "cosine", "length", "logit")
        summary: Summary = {
            str(a): {name: mean(rows[name].to_numpy()) for name in figures} for a, rows in table.groupby("intensity")
        }
        between = self.between_images()
        summary["between_images"] = between
        return Finding(self.name, table, summary, partial(plot_intensity, table, between))

    def between_images(self) -> float:
        """Root mean square distance of two images' features, over the root mean square of their length."""
        centre = self.total / self.images
        mean_square = self.squares / self.images
        if not mean_square:
            return float("nan")
        return float(np.sqrt(max(2 * (mean_square - centre @ centre), 0) / mean_square))


def intensity(observations: Iterable[Observation | Failure], intensities: tuple[float, ...] = INTENSITIES) -> Finding:
    """How far the features move when the input is multiplied with a constant.

    FRR is the distance between features of the image times map and of the image. It can widen a map only where the
    backbone is not indifferent to the intensity of its input, which is what a low value of the map changes. The input
    is multiplied after normalisation, as the published code multiplies it with maps: at intensity 0 the image is the
    mean colour.

    Parameters
    ----------
    observations : iterable of Observation
        Taken with ``Requirements(intensities=...)``: one pass more an image for each.
    intensities : tuple of float
        The constants; 1 would be the image itself.

    Returns
    -------
    Finding
        Table, a row an image and intensity: distance (of the features to the image's own, over the length of these),
        cosine (with them), length (over theirs) and logit (what the own class's logit gains, at the image's own class
        weights). Summary: their means for each intensity; `between_images`, the distance of two different images on
        the same scale (root mean squares). A network that answers in proportion has distance ``1 - intensity``, cosine
        1 and the intensity's length; an indifferent one distance 0.

    Raises
    ------
    CamkitError
        There is no image, an intensity is 1 or below 0, or its pass was not taken.
    """
    return run_analysis(Intensity(intensities), observations)
