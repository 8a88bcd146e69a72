"""Accuracy over the threshold as lines of an SVG, in the units of its view box."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from camkit.boxes import Threshold
from camkit.recipe import Recipe
from camkit.report.runs import Column

WIDTH, HEIGHT = 100.0, 60.0  # of the plot's inside


@dataclass(frozen=True)
class Line:
    """One accuracy over the threshold.

    Attributes
    ----------
    name : str
    points : str
        Of an SVG polyline.
    best : tuple of float
        Threshold and accuracy, in percent, where it is highest.
    mark : tuple of float
        The same in the view box.
    """

    name: str
    points: str
    best: tuple[float, float]
    mark: tuple[float, float]


@dataclass(frozen=True)
class Chart:
    """The curves of one map, with the recipes that are cut from it.

    Attributes
    ----------
    title : str
    lines : tuple of Line
    thetas : tuple of (str, float, float)
        Of the recipes whose threshold is a share of the maximum: in words, theta, and where it stands.
    rows : tuple of (float, tuple of float)
        Some of the curve as numbers.
    """

    title: str
    lines: tuple[Line, ...]
    thetas: tuple[tuple[str, float, float], ...]
    rows: tuple[tuple[float, tuple[float, ...]], ...]


def charts_of(labels: Sequence[str], columns: Sequence[Column]) -> list[Chart]:
    """A chart for each different curve: recipes that differ in the threshold alone share one."""
    groups: list[tuple[pd.DataFrame, list[int]]] = []
    for number, column in enumerate(columns):
        curve = column.curve.drop(columns="recipe", errors="ignore").reset_index(drop=True)
        if "threshold" not in curve:
            continue
        same = next((members for known, members in groups if known.equals(curve)), None)
        if same is None:
            groups.append((curve, [number]))
        else:
            same.append(number)
    return [_chart(curve, [labels[n] for n in members], [columns[n] for n in members]) for curve, members in groups]


def _chart(curve: pd.DataFrame, labels: list[str], columns: list[Column]) -> Chart:
    at = curve["threshold"].to_numpy(float)
    names = [str(name) for name in curve.columns if str(name).startswith("iou_")]
    thetas = [(label, *told) for label, column in zip(labels, columns, strict=True)
              if (told := _theta(column.recipe)) is not None]  # fmt: skip
    shown = [int(np.abs(at - t).argmin()) for t in np.arange(0, 1, 0.1)]
    rows = tuple((float(at[i]), tuple(float(curve[name].iloc[i]) for name in names)) for i in shown)
    return Chart(", ".join(labels), tuple(_line(name, at, curve[name].to_numpy(float)) for name in names),
                 tuple(thetas), rows)  # fmt: skip


def _line(name: str, at: Any, values: Any) -> Line:
    keep = np.unique(np.concatenate([np.linspace(0, len(at) - 1, 201).round().astype(int), [values.argmax()]]))
    points = " ".join(f"{_x(at[i]):.2f},{_y(values[i]):.2f}" for i in keep)
    best = int(values.argmax())
    place = float(at[best]), float(values[best])
    return Line(name.replace("iou_", "IoU ≥ "), points, place, (_x(place[0]), _y(place[1])))


def _theta(recipe: Recipe | None) -> tuple[float, float] | None:
    """A recipe's theta, where the curve's threshold means the same: a share of a stretched map's maximum."""
    if recipe is None or not isinstance(recipe.threshold, Threshold) or recipe.normalization != "minmax":
        return None
    threshold = recipe.threshold
    if threshold.lo not in (0, "min") or threshold.hi != "max":
        return None
    return threshold.theta, _x(threshold.theta)


def _x(threshold: float) -> float:
    return float(WIDTH * threshold)


def _y(accuracy: float) -> float:
    return float(HEIGHT * (1 - accuracy / 100))
