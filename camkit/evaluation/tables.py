"""The figures by size and by class, and their means over classes: tables over the images of an evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit.evaluation.further import Further
from camkit.evaluation.measures import COUNTED_COLUMNS, Results
from camkit.metrics import ByClass, Result, regions
from camkit.metrics.groups import PERCENT, by_group, mean_of_groups, size_groups, size_names
from camkit.metrics.intervals import Bounds
from camkit.metrics.pixel_groups import mean_pxap, pxap_by_group
from camkit.metrics.threshold_splits import NO_THRESHOLD

Values = NDArray[np.float64]
Counted = dict[str, tuple[Values, Bounds]]
LOC = ("gt_loc", "top")  # what names of columns of right and wrong begin with
SHARES = {"iou": "mean_iou", "energy": "energy_pointing_game", "regions_iou": "regions_iou"}


def counted(table: pd.DataFrame, further: Further) -> Counted:
    """What each image of one recipe counts for by each figure, whose mean over images the figure is, and its bounds."""
    found: Counted = {}
    if "predicted" in table:
        found["top1_cls"] = np.where(table["predicted"] == table["label"], 100.0, 0.0), PERCENT
    for column in map(str, table.columns):
        if column.startswith(LOC):
            found[column] = np.where(table[column].to_numpy(bool), 100.0, 0.0), PERCENT
        elif column.startswith("max_box_acc"):
            found[column] = table[column].to_numpy(float), PERCENT
        elif column in SHARES:
            found[SHARES[column]] = table[column].to_numpy(float), (0.0, 1.0)
        elif column == "pointing_distance":
            for tolerance in dict.fromkeys((0.0, further.tolerance)):
                near = table[column].to_numpy(float) <= tolerance
                found[pointing_name(tolerance)] = np.where(near, 100.0, 0.0), PERCENT
    return found


def pointing_name(tolerance: float) -> str:
    """What a pointing game is called."""
    return f"pointing_game_{tolerance:g}px" if tolerance else "pointing_game"


@dataclass(frozen=True, eq=False)
class Measured:
    """What the tables are made of: one recipe after the other, the same images in each.

    Attributes
    ----------
    tables : mapping from recipe name to DataFrame
    results : mapping from recipe name to Results
        They name what chose a figure's threshold.
    pixels : mapping from recipe name to ndarray (n, columns)
        What `PxAP` keeps of the images; empty without masks.
    """

    tables: Mapping[str, pd.DataFrame]
    results: Mapping[str, Results]
    pixels: Mapping[str, NDArray[np.int32]]


def size_table(measured: Measured, further: Further) -> pd.DataFrame:
    """Each recipe's figures by size; columns recipe, figure, size, value, low, high, n, threshold.

    The size is the truth's share of the image: of the largest box, or of the mask where there are no boxes. A size
    without an image has no row, and then there is none of the mean.
    """
    names = size_names()
    table = next(iter(measured.tables.values()))
    groups = size_groups(table["truth_share" if "truth_share" in table else "mask_share"].to_numpy(float))
    found = _table(measured, further, "size", groups, dict(enumerate(names)))
    return pd.concat([found, *_means(measured, further, groups, found, len(names))], ignore_index=True)


def _means(
    measured: Measured, further: Further, groups: NDArray[np.int64], found: pd.DataFrame, sizes: int
) -> list[pd.DataFrame]:
    """The rows of the means over the sizes, of the figures that all sizes have."""
    rows = []
    for recipe, table in measured.tables.items():
        means = {name: mean_of_groups(values, groups, within)
                 for name, (values, within) in counted(table, further).items()}  # fmt: skip
        if recipe in measured.pixels:
            means["pxap"] = mean_pxap(measured.pixels[recipe], groups)
        whole = found[found["recipe"] == recipe].groupby("figure").size() == sizes
        rows += [{"recipe": recipe, "figure": name, "size": "mean", **vars(of),
                  "threshold": _split(measured.results[recipe], name)}
                 for name, of in means.items() if whole.get(name, False)]  # fmt: skip
    return [pd.DataFrame(rows, columns=found.columns)] if rows else []


def class_table(
    measured: Measured, further: Further, labels: NDArray[np.int64], names: Mapping[int, str]
) -> pd.DataFrame:
    """Each recipe's figures by the data set's classes; columns recipe, figure, class, value, low, high, n, threshold.

    `labels` (n,) are the classes of the rows of every table.
    """
    return _table(measured, further, "class", labels, names)


def macro_results(measured: Measured, further: Further, labels: NDArray[np.int64]) -> dict[str, Results]:
    """By recipe the means over classes, under the figure's name with ``_macro``."""
    found: dict[str, Results] = {}
    for recipe, table in measured.tables.items():
        found[recipe] = {}
        for name, (values, within) in counted(table, further).items():
            estimate = ByClass(within=within).mean_over_classes(np.stack([values, labels], 1))
            found[recipe][f"{name}_macro"] = Result.of(estimate, _split(measured.results[recipe], name))
    return found


def _split(results: Results, name: str) -> str:
    """What chose the threshold of a figure."""
    return results[name].threshold_split if name in results else NO_THRESHOLD  # Top-1 Cls


def _table(
    measured: Measured, further: Further, by: str, groups: NDArray[np.int64], names: Mapping[int, str]
) -> pd.DataFrame:
    rows = []
    for recipe, table in measured.tables.items():
        found = {name: by_group(values, groups, within) for name, (values, within) in counted(table, further).items()}
        if recipe in measured.pixels:
            found["pxap"] = pxap_by_group(measured.pixels[recipe], groups)
        if set(COUNTED_COLUMNS) <= set(table):
            counts = table[list(COUNTED_COLUMNS)].to_numpy(np.int64)
            found |= {f"regions_{name}": of for name, of in regions.by_group(counts, groups).items()}
        rows += [
            {"recipe": recipe, "figure": name, by: names[group], **vars(of),
             "threshold": _split(measured.results[recipe], name)}
            for name, estimates in found.items()
            for group, of in estimates.items()
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=["recipe", "figure", by, "value", "low", "high", "n", "threshold"])
