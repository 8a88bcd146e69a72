"""Recipes against the first of them, on the same images."""

from collections.abc import Mapping

import pandas as pd

from camkit.errors import CamkitError
from camkit.evaluation.measures import Results
from camkit.metrics import Comparison, Estimate, compare
from camkit.metrics.intervals import jackknife


def gt_loc_differences(tables: Mapping[str, pd.DataFrame]) -> dict[str, Comparison]:
    """GT-known Loc of each recipe's rows, an image each, against the first recipe's; nothing without boxes."""
    first, *others = tables
    if "gt_loc" not in tables[first]:
        return {}
    right = {name: table["gt_loc"].to_numpy(bool) for name, table in tables.items()}
    return {name: compare(right[first], right[name]) for name in others}


def pxap_differences(tables: Mapping[str, pd.DataFrame], localization: Mapping[str, Results]) -> dict[str, Estimate]:
    """PxAP of each recipe less the first's, its interval from leaving out an image of both.

    Nothing without masks, and of a recipe whose maps are the first one's: nothing can differ.
    """
    first, *others = tables
    if "pxap_without" not in tables[first]:
        return {}
    values = {name: results["pxap"].value for name, results in localization.items()}
    without = {name: table["pxap_without"].to_numpy() for name, table in tables.items()}
    return {
        name: jackknife(values[name] - values[first], without[name] - without[first], (-100, 100))
        for name in others
        if (without[name] != without[first]).any()
    }


def same_images(tables: Mapping[str, pd.DataFrame]) -> None:
    """`CamkitError` where a recipe's rows are not of the first one's images, in tables that name them."""
    first, *others = tables.values()
    if "image" in first and any(other["image"].tolist() != first["image"].tolist() for other in others):
        raise CamkitError("the two models did not judge the same images: mend what failed, and measure both again")
