"""Masking the image against masking the features (MinMaxCAM, Section 4.3 and Table 3)."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from camkit.analysis.dispersion import masked_features
from camkit.analysis.finding import Analysis, Finding, run_analysis, table_of
from camkit.analysis.observation import Observation, Requirements
from camkit.figures import plot_masking
from camkit.localization import Failure
from camkit.metrics.intervals import mean

MASKED = ("image", "features")


class Masking(Analysis[dict[str, Any]]):
    """See `masking`."""

    name = "masking"

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    @property
    def requirements(self) -> Requirements:
        return Requirements(masked=True)

    def measure(self, observation: Observation) -> dict[str, Any]:
        by_image = masked_features(observation, self.name)
        by_features = observation.head.pooled((observation.features * observation.soft_mask())[None])[0]
        row: dict[str, Any] = {"image": observation.record.image, "label": observation.label}
        for name, f in zip(MASKED, (by_image, by_features), strict=True):
            row |= {f"{measure}_{name}": value for measure, value in moved(f, observation).items()}
        row["between"] = cosine(by_image, by_features)
        return row

    def add(self, measured: dict[str, Any]) -> None:
        self.rows.append(measured)

    def finding(self) -> Finding:
        table = table_of(self.rows, self.name)
        figures = [str(name) for name in table.columns[2:]]
        summary = {name: mean(table[name].to_numpy()) for name in figures}
        turned = (table["cosine_features"] - table["cosine_image"]).to_numpy()
        summary["cosine_difference"] = mean(turned, (-2, 2))
        return Finding(self.name, table, summary, partial(plot_masking, table))


def masking(observations: Iterable[Observation | Failure]) -> Finding:
    """What the map does to the pooled features, multiplied with the image or with the features.

    A map has one number for all channels of a position. Multiplied with the features it can only shift weight between
    positions that all channels already saw with their surroundings; multiplied with the image it lets the network see
    less. The paper masks the image; masking the features instead cost it 4 to 19 points.

    Parameters
    ----------
    observations : iterable of Observation
        Taken with ``Requirements(masked=True)``: one pass more an image, the same as for `dispersion`.

    Returns
    -------
    Finding
        Table, for the mask on the `image` and on the `features`: distance (of what comes out to ``f^o``, over the
        length of ``f^o``), cosine (with ``f^o``) and logit (what the own class's logit gains by the change, at the
        image's own class weights); between, the cosine of the two. Summary: their means; `cosine_difference`, features
        minus image, paired.

    Raises
    ------
    CamkitError
        There is no image, or the second pass was not taken.
    """
    return run_analysis(Masking(), observations)


def moved(f: Tensor, observation: Observation) -> dict[str, float]:
    """How far features (C,) have moved from the image's own: distance, direction, the own class's logit."""
    change = f - observation.pooled
    length = observation.pooled.norm().clamp(min=1e-12)
    return {
        "distance": float(change.norm() / length),
        "cosine": cosine(f, observation.pooled),
        "logit": float(observation.logit_weight @ change),
    }


def cosine(first: Tensor, second: Tensor) -> float:
    """Of the angle between two vectors (C,); 0 where one is zero."""
    return float(F.cosine_similarity(first, second, dim=0))
