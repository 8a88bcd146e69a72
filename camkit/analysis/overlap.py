"""Where the most activated regions of the channels coincide (Rethinking CAM, Fig. 1, P3)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from camkit.analysis.channels import rank_correlation
from camkit.analysis.finding import SHARES, Analysis, Finding, Summary, band_table, run_analysis, table_of
from camkit.analysis.observation import Observation, Requirements
from camkit.boxes import resize_maps
from camkit.figures import Example, plot_overlap
from camkit.localization import Failure, window_of
from camkit.metrics.intervals import mean

Map = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Coincidence:
    """What one image leaves: its row, the sorted overlap (101,) by itself and by chance, the overlap map (h, w)."""

    row: dict[str, Any]
    curve: Map
    chance: Map
    overlap: Map
    example: Example | None


def top_regions(features: torch.Tensor, top: float = 0.8) -> NDArray[np.bool_]:
    """Where each channel that fires is most activated, above `top` of its maximum: (channels, h, w)."""
    maximum = features.amax((-2, -1), keepdim=True)
    regions: NDArray[np.bool_] = (features > top * maximum)[maximum.flatten() > 0].numpy()
    return regions


def scattered(regions: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """The same regions (channels, h, w), each rolled round the map by a random shift."""
    channels, h, w = regions.shape
    y = (np.arange(h) + rng.integers(h, size=(channels, 1))) % h
    x = (np.arange(w) + rng.integers(w, size=(channels, 1))) % w
    rolled: NDArray[np.bool_] = regions[np.arange(channels)[:, None, None], y[:, :, None], x[:, None, :]]
    return rolled


class Overlap(Analysis[Coincidence]):
    """See `overlap`."""

    name = "overlap"
    series = ("curve", "map")

    def __init__(self, top: float = 0.8) -> None:
        self.top = top
        self.rows: list[dict[str, Any]] = []
        self.curves: list[Map] = []
        self.chances: list[Map] = []
        self.total: torch.Tensor = torch.zeros(0)
        self.example: tuple[float, Example] | None = None
        self.peak = -np.inf  # the highest that `slim` has seen

    @property
    def requirements(self) -> Requirements:
        return Requirements(pixels=True)

    def measure(self, observation: Observation) -> Coincidence:
        regions = top_regions(observation.features, self.top)
        rolled = scattered(regions, np.random.default_rng([0, observation.index]))
        overlap, chance = (r.mean(axis=0) if len(r) else np.zeros(r.shape[1:]) for r in (regions, rolled))
        row = {
            "image": observation.record.image,
            "label": observation.label,
            "channels": len(regions),
            "even": overlap.mean(),
            "peak": overlap.max(),
            "peak_by_chance": chance.max(),
            "with_class_map": rank_correlation(overlap.ravel(), observation.class_map().double().numpy().ravel()),
            "peak_inside": peak_inside(overlap, observation),
        }
        example = None
        if observation.pixels is not None and len(regions):
            resized = resize_maps(torch.from_numpy(overlap), observation.view.size, window_of(observation.view)).numpy()
            example = Example(
                observation.record.image,
                observation.pixels,
                observation.on_image(resized),
                {"truth": observation.record.boxes},
            )
        return Coincidence(row, descending(overlap), descending(chance), overlap, example)

    def slim(self, measured: Coincidence) -> Coincidence:
        """Without the picture of an image whose peak is below that of one before."""
        if measured.example is None or measured.row["peak"] < self.peak:
            return replace(measured, example=None)
        self.peak = measured.row["peak"]
        return measured

    def add(self, measured: Coincidence) -> None:
        self.rows.append(measured.row)
        self.curves.append(measured.curve)
        self.chances.append(measured.chance)
        overlap = torch.from_numpy(measured.overlap)
        if not self.total.numel():
            self.total = torch.zeros_like(overlap)
        self.total += resize_maps(overlap, (self.total.shape[0], self.total.shape[1]))
        if measured.example is not None and (self.example is None or measured.row["peak"] > self.example[0]):
            self.example = measured.row["peak"], measured.example

    def finding(self) -> Finding:
        table = table_of(self.rows, self.name)
        summary: Summary = {"top": self.top}
        summary |= {name: mean(table[name].to_numpy(float), (0, 1)) for name in ("even", "peak", "peak_by_chance")}
        summary["over_even"] = mean((table["peak"] / table["even"].clip(lower=1e-12)).to_numpy())
        for name, bounds in (("with_class_map", (-1, 1)), ("peak_inside", (0, 1))):
            known = table[name].dropna().to_numpy(float)
            if len(known):
                summary[name] = mean(known, bounds)
        notes = []
        if silent := int((table["channels"] == 0).sum()):
            notes.append(f"in {silent} of {len(table)} images no channel fires")
        series = {
            "curve": band_table("regions", {"measured": np.stack(self.curves), "by chance": np.stack(self.chances)}),
            "map": map_table((self.total / len(table)).numpy()),
        }
        example = None if self.example is None else self.example[1]
        figure = partial(plot_overlap, series["curve"], series["map"], example)
        return Finding(self.name, table, summary, figure, series, tuple(notes))


def overlap(observations: Iterable[Observation | Failure], top: float = 0.8) -> Finding:
    """How many channels are most activated at the same place.

    At each position of the map the share of channels, of those that are above 0 somewhere, that are there above `top`
    of their own maximum. Were the regions spread evenly, every position would have the same share, `even`; where they
    coincide the class map, their weighted sum, shoots up.

    Parameters
    ----------
    observations : iterable of Observation
    top : float
        A channel's most activated region is where it exceeds this share of its maximum.

    Returns
    -------
    Finding
        Table: image, label, channels (that fire), even, peak (the highest share), peak_by_chance (the same regions,
        each moved round the map by a random shift), with_class_map (rank correlation of overlap and class map over
        positions), peak_inside (1 where the peak lies in a ground-truth box, NaN without one). Series: `curve`, the
        shares in descending order over the map; `map`, their mean over images. Summary: means; `over_even`, peak over
        even.

    Raises
    ------
    CamkitError
        There is no image.
    """
    return run_analysis(Overlap(top), observations)


def descending(overlap: Map) -> Map:
    """The map's values from the highest to the lowest, at 101 shares of the map."""
    values = np.sort(overlap, axis=None)[::-1]
    return np.interp(SHARES, np.linspace(0, 1, len(values)), values)


def peak_inside(overlap: Map, observation: Observation) -> float:
    """Whether the centre of the highest position lies in a ground-truth box of the image."""
    if not len(observation.record.boxes):
        return float("nan")
    (row, column), (h, w) = np.unravel_index(overlap.argmax(), overlap.shape), overlap.shape
    left, top, right, bottom = observation.view.window
    x, y = left + (column + 0.5) / w * (right - left), top + (row + 0.5) / h * (bottom - top)
    x0, y0, x1, y1 = observation.record.boxes.T
    return float(((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).any())


def map_table(overlap: Map) -> pd.DataFrame:
    """A row a position."""
    y, x = np.indices(overlap.shape)
    return pd.DataFrame({"y": y.ravel(), "x": x.ravel(), "overlap": overlap.ravel()})
