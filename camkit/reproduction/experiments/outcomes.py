"""From an evaluation's table to what each image counts for."""

import pandas as pd

from camkit.evaluation import Evaluation
from camkit.reproduction.measured import Measured

Outcomes = dict[str, list[float]]

SHOWN = 3  # failures that are named


def measured(found: Evaluation, data: str, **facts: object) -> Measured:
    """Every recipe's figures as outcomes of images, those of the first recipe's images."""
    outcomes: Outcomes = {}
    images: tuple[str, ...] = ()
    for recipe, rows in found.per_image.groupby("recipe", sort=False):
        images = tuple(f"{data}/{image}" for image in rows["image"])
        for name, values in of_recipe(rows, found, str(recipe)).items():
            outcomes[f"{recipe}:{name}"] = values.astype(float).tolist()
    failed = [f"{failure.image}: {failure.reason}" for failure in found.failures]
    return Measured(images, outcomes, facts={"failed": failed[:SHOWN], "failures": len(failed), **facts})


def of_recipe(rows: pd.DataFrame, found: Evaluation, recipe: str) -> dict[str, pd.Series]:
    """One recipe's figures, accuracies in percent."""
    figures = {}
    if "predicted" in rows:
        figures["top1_cls"] = 100.0 * (rows["predicted"] == rows["label"])
    if "pxap_without" in rows:
        value, without = found.localization[recipe]["pxap"].value, rows["pxap_without"]
        figures["pxap"] = value + (len(rows) - 1) * (without.mean() - without)
    if "gt_loc" not in rows:
        return figures
    for name in ("gt_loc", "top1_loc"):
        figures[name] = 100.0 * rows[name].astype(float)
    share, truth, iou = rows["share"], rows["truth_share"], rows["iou"]
    figures |= {
        "share": share,
        "excess": share - truth,
        "iou": iou,
        "outside": share - iou * (share + truth) / (1 + iou),
    }
    return figures | {name: rows[name] for name in ("max_box_acc", "max_box_acc_v2")}


def column(values: pd.Series) -> list[float]:
    """A table's column; what is not known is NaN."""
    return [float(value) for value in values]
