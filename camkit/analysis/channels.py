"""Each channel's activated area, maximum and pooled value against its class weight (Rethinking CAM, Fig. 2)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from camkit.analysis.finding import Analysis, Finding, Summary, run_analysis, table_of
from camkit.analysis.observation import Observation
from camkit.figures import plot_channels
from camkit.localization import Failure
from camkit.metrics import Estimate
from camkit.metrics.intervals import Z, mean
from camkit.nn import ThresholdedAvgPool2d

Vector = NDArray[np.float64]

CORRELATION = (-1.0, 1.0)
QUANTITIES = ("area", "maximum", "gap", "tap")


@dataclass(frozen=True, eq=False)
class Pooled:
    """What one image's channels show, (C,) each.

    Attributes
    ----------
    fires : bool
        Whether any of the channel is above 0; where it is not, the other numbers are 0.
    area : float
        Share of the positions above TAP's threshold.
    maximum, gap, tap : float
    """

    fires: NDArray[np.bool_]
    area: Vector
    maximum: Vector
    gap: Vector
    tap: Vector


def pooled_values(features: torch.Tensor, tap_theta: float = 0.1) -> Pooled:
    """Area, maximum and both pooled values of channels (C, h, w), from the same features.

    The area is what TAP divides by: positions above ``tap_theta * max F_c`` (Rethinking CAM, Eq. 4). At
    ``tap_theta = 0`` and without negative features the pooled value of GAP (Eq. 1) is area times that of TAP.

    Examples
    --------
    Fig. 2: two channels of about the same maximum, one active on an area 4 times the other's.

    >>> head, body = torch.zeros(2, 10, 10)
    >>> head[:2, :5], body[:8, :5] = 25.0, 24.75
    >>> pooled = pooled_values(torch.stack([head, body]))
    >>> pooled.gap.round(2).tolist(), pooled.tap.round(2).tolist()
    ([2.5, 9.9], [25.0, 24.75])
    """
    maximum = features.amax((-2, -1))
    fires = maximum > 0
    active = features > tap_theta * maximum[:, None, None]
    values = (
        active.double().mean((-2, -1)),
        maximum,
        features.mean((-2, -1)),
        ThresholdedAvgPool2d(tap_theta)(features[None]),
    )
    return Pooled(fires.numpy(), *((value.flatten() * fires).double().numpy() for value in values))


class Channels(Analysis[tuple[dict[str, Any], Pooled, Vector]]):
    """See `channels`."""

    name = "channels"
    series = ("images",)

    def __init__(self, tap_theta: float = 0.1) -> None:
        self.tap_theta = tap_theta
        self.rows: list[dict[str, Any]] = []
        self.firing: Vector = np.zeros(0)
        self.sums: dict[str, Vector] = {}

    def measure(self, observation: Observation) -> tuple[dict[str, Any], Pooled, Vector]:
        pooled, weight = pooled_values(observation.features, self.tap_theta), observation.weight.double().numpy()
        counted = pooled.fires & (weight > 0)
        row: dict[str, Any] = {
            "image": observation.record.image,
            "label": observation.label,
            "channels": int(counted.sum()),
        }
        for quantity in QUANTITIES:
            values = getattr(pooled, quantity)[counted]
            row[f"rank_{quantity}"] = rank_correlation(values, weight[counted])
            row[f"variation_{quantity}"] = variation(values)
        return row, pooled, weight

    def add(self, measured: tuple[dict[str, Any], Pooled, Vector]) -> None:
        row, pooled, weight = measured
        self.rows.append(row)
        one = {quantity: getattr(pooled, quantity) for quantity in QUANTITIES}
        one |= {"weight": weight**2 * pooled.fires, "fires": pooled.fires.astype(float)}
        self.sums = {name: self.sums.get(name, 0) + values for name, values in one.items()}

    def finding(self) -> Finding:
        images = table_of(self.rows, self.name)
        fires = self.sums["fires"]
        means = {name: self.sums[name] / np.maximum(fires, 1) for name in (*QUANTITIES, "weight")}
        table = pd.DataFrame({"channel": np.arange(len(fires)), "fires": fires / len(images), **means})
        table["weight"] = np.sqrt(table["weight"])
        alive = table[table["fires"] > 0]
        summary: Summary = {"tap_theta": self.tap_theta, "images": len(images), "channels": len(table)}
        for kind in ("rank", "variation"):
            for quantity in QUANTITIES:
                values = images[f"{kind}_{quantity}"].dropna().to_numpy()
                if len(values):
                    summary[f"{kind}_{quantity}"] = mean(values, CORRELATION if kind == "rank" else None)
        if len(alive):
            for quantity in QUANTITIES:
                pair = alive[quantity].to_numpy(), alive["weight"].to_numpy()
                summary[f"rank_{quantity}_channels"] = rank_correlation_between(*pair)
        notes = []
        if len(alive) < len(table):
            notes.append(f"{len(table) - len(alive)} of {len(table)} channels fire in no image")
        if len(undefined := images[images["rank_area"].isna()]):
            notes.append(f"{len(undefined)} of {len(images)} images have no rank correlation: too few channels differ")
        return Finding(
            self.name, table, summary, partial(plot_channels, alive, images), {"images": images}, tuple(notes)
        )


def channels(observations: Iterable[Observation | Failure], tap_theta: float = 0.1) -> Finding:
    """Whether channels with a small activated area carry larger class weights, and what TAP makes of them.

    Global average pooling divides by the whole map, so that a channel with a small activated area pools to a small
    value and needs a larger weight for the same say in the logit; the class map then shows that area too strongly.

    Parameters
    ----------
    observations : iterable of Observation
    tap_theta : float
        Of thresholded average pooling, in [0, 1).

    Returns
    -------
    Finding
        Table, a row a channel: fires (share of the images in which it is above 0 somewhere), and over those images the
        means of area, maximum, gap and tap (see `pooled_values`) and the root mean square of its weights for the
        images' own classes. Series `images`, a row an image: Spearman's rank correlation of the own class's weights
        with each quantity, over the channels that fire and have a positive weight, and the quantity's coefficient of
        variation over them. Summary: means of both over images; the rank correlations over channels
        (`rank_*_channels`, interval over channels).

    Raises
    ------
    CamkitError
        There is no image.
    """
    return run_analysis(Channels(tap_theta), observations)


def variation(values: Vector) -> float:
    """Standard deviation over mean, NaN without values above 0."""
    return float(values.std() / values.mean()) if len(values) and values.mean() > 0 else float("nan")


def rank_correlation(first: Vector, second: Vector) -> float:
    """Spearman's, NaN where one of the two is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def rank_correlation_between(first: Vector, second: Vector) -> Estimate:
    """Spearman's over (n,) things, with Fisher's interval as Bonett and Wright (2000) have it for ranks."""
    value, n = rank_correlation(first, second), len(first)
    if n <= 3:
        return Estimate(value, -1.0, 1.0, n)
    reach = Z * np.sqrt((1 + value**2 / 2) / (n - 3))
    with np.errstate(divide="ignore"):  # a correlation of 1
        low, high = np.tanh(np.arctanh(np.clip(value, -1, 1)) + np.array([-reach, reach]))
    return Estimate(value, float(low), float(high), n)
