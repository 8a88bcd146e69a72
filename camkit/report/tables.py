"""The page's tables: figures with intervals, by class, by size, and every two columns against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from camkit.metrics import compare
from camkit.metrics.groups import EDGES, size_groups
from camkit.metrics.intervals import accuracy, mean

TITLES = {
    "gt_loc": ("GT-known Loc", "%"),
    "top1_loc": ("Top-1 Loc", "%"),
    "top5_loc": ("Top-5 Loc", "%"),
    "max_box_acc": ("MaxBoxAcc", "%"),
    "max_box_acc_v2": ("MaxBoxAccV2", "%"),
    "max_box_acc_v3": ("MaxBoxAccV3", "%"),
    "max_box_acc_v3_precision": ("MaxBoxAccV3, precision", "%"),
    "max_box_acc_v3_f1": ("MaxBoxAccV3, F1", "%"),
    "pxap": ("PxAP", "%"),
    "mpxap": ("mPxAP", "%"),
    "peak_iou": ("peak IoU of pixels", "%"),
    "pointing_game": ("pointing game", "%"),
    "energy_pointing_game": ("energy pointing game", ""),
    "insertion": ("insertion", ""),
    "deletion": ("deletion", ""),
    "mean_iou": ("mean IoU", ""),
    "top1_cls": ("Top-1 Cls", "%"),
    "top5_cls": ("Top-5 Cls", "%"),
    "coverage_predicted": ("boxes cover, of the image", ""),
    "coverage_truth": ("the largest true box covers", ""),
    "coverage_excess": ("boxes cover more by", ""),
}
SHARES = ("mean_iou", "energy_pointing_game")  # and their means over classes
SHOWN = 200  # classes
PAIRS = 6  # columns of which every two are compared


@dataclass(frozen=True)
class Figure:
    """A figure as the page prints and draws it.

    Attributes
    ----------
    title, unit : str
    value, low, high : float
    n : int
    note : str
        Where its threshold was chosen.
    least, most : float
        The scale that it is drawn on.
    """

    title: str
    unit: str
    value: float
    low: float
    high: float
    n: int
    note: str = ""
    least: float = 0.0
    most: float = 100.0

    def at(self, value: float) -> float:
        """Where a value lies on the scale, in percent."""
        share = (value - self.least) / (self.most - self.least)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def shown(self, value: float) -> str:
        """A value as it is printed."""
        if not np.isfinite(value):
            return "unbounded"
        return f"{value:.1f}" if self.unit else f"{value:.3f}"


def figures_of(metrics: dict[str, dict[str, Any]]) -> list[Figure]:
    """The figures of a column, the usual ones first."""
    order = {name: place for place, name in enumerate(TITLES)}
    names = sorted(metrics, key=lambda name: order.get(name.removeprefix("tap:"), len(order)))
    found = []
    for name in names:
        plain, held = name.removeprefix("tap:"), metrics[name]
        percent = not plain.startswith(("coverage", *SHARES))
        title, unit = TITLES.get(plain, (plain, "%" if percent else ""))
        most = 100.0 if unit else 1.0
        least = -most if plain == "coverage_excess" else 0.0
        split = str(held.get("threshold_split", ""))
        found.append(Figure(title, unit, float(held["value"]), float(held["low"]), float(held["high"]), int(held["n"]),
                            split, least, most))  # fmt: skip
    return found


@dataclass(frozen=True)
class Group:
    """Images of one class or size."""

    name: str
    n: int
    found: Figure
    iou: Figure


def by_class(table: pd.DataFrame, classes: Sequence[str]) -> list[Group]:
    """A row a class, the hardest first; nothing where boxes were not judged. `classes`: of each row its name."""
    if "gt_loc" not in table:
        return []
    names = np.asarray(classes, object)
    groups = [group_of(name, table[names == name]) for name in dict.fromkeys(classes)]
    return sorted(groups, key=lambda group: (group.found.value, -group.n))


def by_size(table: pd.DataFrame) -> list[Group]:
    """A row a size: the share of the image that its largest true box covers."""
    if "gt_loc" not in table or "truth_share" not in table:
        return []
    groups = size_groups(table["truth_share"].to_numpy(float))
    low, high = (f"{100 * edge:g} %" for edge in EDGES)
    said = dict(enumerate((f"small (under {low})", f"medium ({low} to {high})", f"large ({high} and more)")))
    return [group_of(said[group], table[groups == group]) for group in np.unique(groups).tolist()]


def group_of(name: str, rows: pd.DataFrame) -> Group:
    """GT-known Loc and mean IoU of some images."""
    right, iou = accuracy(rows["gt_loc"].to_numpy(bool)), mean(rows["iou"].to_numpy(float), (0, 1))
    return Group(
        name, len(rows), Figure("GT-known Loc", "%", right.value, right.low, right.high, right.n),
        Figure("mean IoU", "", iou.value, iou.low, iou.high, iou.n, most=1.0),
    )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The second of two columns against the first, on the images that both judged."""

    first: int
    second: int
    gain: Figure
    better: int
    worse: int
    p: float


def pairs_of(tables: Sequence[pd.DataFrame]) -> list[Pair]:
    """Every two columns, or all against the first where there are many; nothing of those without images in common."""
    judged = [i for i, table in enumerate(tables) if "gt_loc" in table]
    every = len(judged) <= PAIRS
    found = []
    keyed = {i: _outcomes(tables[i]) for i in judged}
    for place, first in enumerate(judged):
        for second in judged[place + 1 :] if every or place == 0 else ():
            both = keyed[first].index.intersection(keyed[second].index)
            if len(both):
                told = compare(keyed[first][both].to_numpy(bool), keyed[second][both].to_numpy(bool))
                of = told.difference
                gain = Figure("GT-known Loc", "%", of.value, of.low, of.high, of.n, least=-50.0, most=50.0)
                found.append(Pair(first, second, gain, told.better, told.worse, told.p_value))
    return found


def _outcomes(table: pd.DataFrame) -> pd.Series:
    """Right or wrong, by image and its number among those of one name."""
    nth = table.groupby("image").cumcount()
    return pd.Series(table["gt_loc"].to_numpy(bool), index=pd.MultiIndex.from_arrays([table["image"], nth]))


def settings_of(held: Any, outer: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines of a name and a value."""
    if isinstance(held, dict):
        return [line for key, value in held.items() for line in settings_of(value, f"{outer}{key}.")]
    if isinstance(held, list) and any(isinstance(one, dict) for one in held):
        return [line for i, value in enumerate(held) for line in settings_of(value, f"{outer}{i}.")]
    text = ", ".join(map(str, held)) if isinstance(held, list) else "" if held is None else str(held)
    return [(outer.removesuffix("."), text if len(text) <= 300 else f"{text[:299]}…")]
