"""What was found on one split, and two of them as one."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from camkit.errors import CamkitError
from camkit.evaluation.classes import ClassMatch
from camkit.evaluation.differences import gt_loc_differences, pxap_differences, same_images
from camkit.evaluation.html import evaluation_html
from camkit.evaluation.measures import Results
from camkit.localization import Failure
from camkit.metrics import Comparison, Estimate


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found on one split.

    Attributes
    ----------
    classification : dict from name to Result
        top1_cls, top5_cls; empty without a classifier.
    localization : dict from recipe name to dict from name to Result
    curves : DataFrame
        Columns recipe, threshold, iou_0.3, iou_0.5, iou_0.7: MaxBoxAccV2's accuracies over its thresholds. Empty
        without boxes.
    tables : dict from recipe name to DataFrame
        A row an image; `per_image` has them all, one recipe after the other. Boxes are in pixels of the image, half
        open; under the wsol protocol of its grid of 224x224, corners inclusive. `max_box_acc` and `max_box_acc_v2`:
        what the image counts for, at the data set's best thresholds; `pxap_without` and `mask_share`, where there are
        masks: PxAP of all the other images, and the share of the grid that is the object; `pointing_distance` and
        `energy` of the pointing games.
    against : dict from recipe name to Comparison
        GT-known Loc against the first recipe's, image by image; empty without boxes.
    pxap_against : dict from recipe name to Estimate
        PxAP less the first recipe's, of those with other maps; empty without masks.
    failures : list of Failure
    notes : list of str
        What was not measured, and why.
    match : ClassMatch or None
        Which of the model's classes the data set's are; None of maps that are there already.
    by_size, by_class : DataFrame
        See `camkit.evaluation.tables`; empty where they were not asked for.
    """

    classification: Results
    localization: dict[str, Results]
    curves: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    against: dict[str, Comparison]
    pxap_against: dict[str, Estimate]
    failures: list[Failure]
    notes: list[str]
    match: ClassMatch | None = None
    by_size: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_class: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        first = next(iter(self.localization.values()), {})
        name = next((one for one in ("gt_loc", *first) if one in first), None)
        said = [f"{recipe} {of[name].value:.2f}" for recipe, of in self.localization.items() if name in of]
        return f"Evaluation({name} {', '.join(said)}; {self.n} images, {len(self.failures)} failed)"

    @property
    def per_image(self) -> pd.DataFrame:
        """A row an image and recipe."""
        return pd.concat(self.tables.values(), ignore_index=True)

    @property
    def rows(self) -> int:
        """Images that were measured; one counts for each of its classes that has a record."""
        return len(next(iter(self.tables.values())))

    @property
    def n(self) -> int:
        """Images that were measured."""
        first = next(iter(self.tables.values()))
        return int(first["image"].nunique()) if "image" in first else len(first)

    def _repr_html_(self) -> str:
        return evaluation_html(self.classification, self.localization, self.notes, repr(self))

    def plot(self, ax: Any = None, recipe: str | None = None) -> Any:
        """Draw MaxBoxAccV2's accuracies over the threshold into a matplotlib Axes, a new one by default; returns it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        recipe : str, optional
            Whose maps; the first by default.

        Raises
        ------
        CamkitError
            There is no such recipe, or without boxes no curve.
        """
        from camkit.figures import plot_curve  # noqa: PLC0415 - matplotlib only where a picture is wanted

        name = next(iter(self.localization)) if recipe is None else recipe
        if name not in self.localization:
            raise CamkitError(f"recipe {name!r} was not measured: give one of {', '.join(self.localization)}")
        if "threshold" not in self.curves:
            raise CamkitError("without boxes there are no accuracies over thresholds to draw")
        return plot_curve(self.curves[self.curves["recipe"] == name], ax)


def merge_evaluations(first: Evaluation, second: Evaluation, prefix: str) -> Evaluation:
    """Two evaluations of the same images as one: a table over two models, each recipe against the first model's first.

    Parameters
    ----------
    first, second : Evaluation
    prefix : str
        Put before the names of the second's recipes and figures.

    Raises
    ------
    CamkitError
        They did not measure the same images.
    """
    renamed = {name: f"{prefix}{name}" for name in second.localization}
    others = {renamed[name]: table.assign(recipe=renamed[name]) if "recipe" in table else table
              for name, table in second.tables.items()}  # fmt: skip
    tables = {**first.tables, **others}
    same_images(tables)
    curves = [first.curves, second.curves.replace({"recipe": renamed})]
    localization = first.localization | {renamed[name]: found for name, found in second.localization.items()}
    known = {(failure.image, failure.reason) for failure in first.failures}
    return Evaluation(
        classification=first.classification | {f"{prefix}{k}": v for k, v in second.classification.items()},
        localization=localization,
        curves=pd.concat(curves, ignore_index=True),
        tables=tables,
        against=gt_loc_differences(tables),
        pxap_against=pxap_differences(tables, localization),
        failures=first.failures + [f for f in second.failures if (f.image, f.reason) not in known],
        notes=first.notes,
        match=first.match,
        by_size=_both(first.by_size, second.by_size, renamed),
        by_class=_both(first.by_class, second.by_class, renamed),
    )


def _both(first: pd.DataFrame, second: pd.DataFrame, renamed: Mapping[str, str]) -> pd.DataFrame:
    """Two tables of figures, one after the other, the second's recipes renamed."""
    if "recipe" not in second:
        return first
    return pd.concat([first, second.assign(recipe=second["recipe"].map(renamed))], ignore_index=True)
