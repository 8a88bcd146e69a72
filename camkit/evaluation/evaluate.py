"""From annotated images and a source of class maps to figures: everything from one pass."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from camkit.data import MAX_PIXELS, AnnotatedSet, Fit
from camkit.errors import CamkitError
from camkit.evaluation.classes import ClassMatch
from camkit.evaluation.differences import gt_loc_differences, pxap_differences, same_images
from camkit.evaluation.html import evaluation_html
from camkit.evaluation.image_evaluation import ImageEvaluation, ImageEvaluator
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.measures import Classification, Curves, GroundTruth, RecipeMeasures, Results, curve_measures
from camkit.evaluation.predicted_classes import PredictedClasses
from camkit.evaluation.protocols import protocol_named
from camkit.evaluation.source import (
    EvaluationSource,
    check_weightings,
    match_source,
    measure_images,
    none_measured,
    num_predicted,
)
from camkit.inference import Progress, no_progress
from camkit.localization import Failure
from camkit.metrics import Comparison, Estimate
from camkit.metrics.per_image import FIXED
from camkit.process_group import ALONE, ProcessGroup
from camkit.recipe import Recipe


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
    per_image : DataFrame
        A row an image and recipe. Boxes are in pixels of the image, half open; under the wsol protocol of its grid of
        224x224, corners inclusive. `max_box_acc` and `max_box_acc_v2`: what the image counts for, at the data set's
        best thresholds; `pxap_without`, where there are masks: PxAP of all the other images.
    against : dict from recipe name to Comparison
        GT-known Loc against the first recipe's, image by image; empty without boxes.
    pxap_against : dict from recipe name to Estimate
        PxAP less the first recipe's, of those with other maps; empty without masks.
    failures : list of Failure
    notes : list of str
        What was not measured, and why.
    match : ClassMatch or None
        Which of the model's classes the data set's are; None of maps that are there already.
    """

    classification: Results
    localization: dict[str, Results]
    curves: pd.DataFrame
    per_image: pd.DataFrame
    against: dict[str, Comparison]
    pxap_against: dict[str, Estimate]
    failures: list[Failure]
    notes: list[str]
    match: ClassMatch | None = None

    def __repr__(self) -> str:
        first = next(iter(self.localization.values()), {})
        name = next((one for one in ("gt_loc", *first) if one in first), None)
        said = [f"{recipe} {of[name].value:.2f}" for recipe, of in self.localization.items() if name in of]
        return f"Evaluation({name} {', '.join(said)}; {self.n} images, {len(self.failures)} failed)"

    @property
    def n(self) -> int:
        """Images that were measured."""
        return int(self.per_image["image"].nunique()) if "image" in self.per_image else 0

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


def evaluate(
    source: EvaluationSource,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    *,
    protocol: str = "paper",
    classes: PredictedClasses | None = None,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    step: float = 0.001,
    seed: int = 0,
    threshold_split: str | Mapping[str, str] = FIXED,
    progress: Progress = no_progress,
    group: ProcessGroup = ALONE,
    gather: ProcessGroup = ALONE,
    keep: Callable[[ImagePrediction], None] | None = None,
) -> Evaluation:
    """Measure localization of every recipe on one split.

    Parameters
    ----------
    source : Inference or MapFolder
        Makes the class maps, or holds those of another tool. With a folder a recipe's weighting says nothing, and
        without `classes` there is no classification and no Top-1 or Top-5 Loc.
    dataset : AnnotatedSet
        Its records need a label and a box, or a mask where no image has a box; others are failures.
    recipes : mapping from name to Recipe
        The first is what the others are compared with.
    protocol : {"paper", "wsol"}
        How the recipes' boxes are found and held against the truth. MaxBoxAcc, MaxBoxAccV2 and PxAP are the wsol
        protocol's in both.
    classes : PredictedClasses, optional
        Another classifier's, for Top-1 and Top-5 Cls and Loc.
    fit, batch_size, workers, max_pixels
        See `measure_images`.
    step : float
        Between the thresholds of MaxBoxAcc, MaxBoxAccV2 and PxAP.
    seed : int
        Of the draws behind the intervals of MaxBoxAcc and MaxBoxAccV2.
    threshold_split : str or mapping from recipe name to str
        The split on which the recipes' thresholds were chosen.
    progress : Progress
    group : ProcessGroup
        Each evaluates its share of the images; figures and failures are of all, the table per image and the comparison
        of recipes by GT-known Loc are of the share, and that by PxAP is left out. Not beside `classes`.
    gather : ProcessGroup
        Instead: these processes share the images out, and each has the whole evaluation, the same as one alone.
    keep : callable, optional
        Called with each image that is measured, in the order of the table per image; it may save the maps.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's, a weighting does not hold on it, there are neither boxes nor masks,
        or no image could be evaluated.
    """
    if classes is not None and group.world_size > 1:
        raise CamkitError("another classifier's classes are numbered by the whole split: measure in one process")
    match = match_source(source, dataset, classes)  # all processes refuse it, or none
    check_weightings(source, (recipe.weighting for recipe in recipes.values()))
    k_max = num_predicted(source) if classes is None else classes.k
    measures = _Measures(dataset, recipes, protocol, k_max, step, threshold_split, keep)
    share = replace(dataset, records=dataset.records[group.rank :: group.world_size])
    results = measure_images(source, share, measures.weightings, measures.evaluate_image, classes=classes, fit=fit,
                             batch_size=batch_size, workers=workers, max_pixels=max_pixels, gather=gather)  # fmt: skip
    failures = measures.update(progress(results, len(share.records)), group)
    return replace(measures.evaluation(failures, seed, group), match=match)


class _Measures:
    """All measures of one evaluation, and the function that measures an image for them."""

    def __init__(
        self,
        dataset: AnnotatedSet,
        recipes: Mapping[str, Recipe],
        protocol: str,
        k_max: int,
        step: float,
        threshold_split: str | Mapping[str, str],
        keep: Callable[[ImagePrediction], None] | None,
    ) -> None:
        chosen = protocol_named(protocol)
        for recipe in recipes.values():
            chosen.check(recipe)
        self.dataset, self.recipes, self.truth = dataset, recipes, GroundTruth.of(dataset)
        self.weightings: list[str] = list(dict.fromkeys(recipe.weighting for recipe in recipes.values()))
        self.evaluate_image = ImageEvaluator(
            chosen, recipes if self.truth.boxes else {}, curve_measures(step, self.truth), keep is not None
        )
        self.keep = keep
        self.classification = Classification(k_max)
        self.curves = {weighting: Curves(weighting, step, self.truth) for weighting in self.weightings}
        split = dict.fromkeys(recipes, threshold_split) if isinstance(threshold_split, str) else threshold_split
        self.rows = {name: RecipeMeasures(name, k_max, split[name], self.truth) for name in recipes}

    def update(self, results: Iterator[ImageEvaluation | Failure], group: ProcessGroup) -> list[Failure]:
        """Take in all images; the failures of all processes."""
        failures = [Failure("", problem) for problem in self.dataset.problems] if group.is_main else []
        measures: list[Classification | Curves | RecipeMeasures]
        measures = [self.classification, *self.curves.values(), *self.rows.values()]
        measured_any = False
        for result in results:
            if isinstance(result, Failure):
                failures.append(result)
                continue
            measured_any = True
            if self.keep is not None and result.prediction is not None:
                self.keep(result.prediction)
            for measure in measures:
                measure.update(result)
        failures = group.all_gather(failures)
        if not any(group.all_gather([measured_any])):
            raise none_measured(self.dataset, failures)
        return failures

    def evaluation(self, failures: list[Failure], seed: int, group: ProcessGroup) -> Evaluation:
        """The figures of all processes."""
        of_maps = {weighting: curves.results(seed) for weighting, curves in self.curves.items()}
        localization = {
            name: self.rows[name].results(seed) | of_maps[recipe.weighting] for name, recipe in self.recipes.items()
        }
        # A column's figure is of all images: of a process's share it would be another.
        alone = group.world_size == 1
        columns = {weighting: curves.columns() if alone else {} for weighting, curves in self.curves.items()}
        tables = {
            name: self.rows[name].table().assign(**columns[recipe.weighting]) for name, recipe in self.recipes.items()
        }
        curves = [self.curves[recipe.weighting].curve().assign(recipe=name) for name, recipe in self.recipes.items()]
        return Evaluation(
            classification=self.classification.results(seed),
            localization=localization,
            curves=pd.concat(curves, ignore_index=True),
            per_image=pd.concat(tables.values(), ignore_index=True),
            against=gt_loc_differences(tables),
            pxap_against=pxap_differences(tables, localization) if group.world_size == 1 else {},
            failures=failures,
            notes=self.truth.notes(),
        )


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
    tables = [first.per_image, second.per_image.replace({"recipe": renamed})]
    curves = [first.curves, second.curves.replace({"recipe": renamed})]
    per_image = pd.concat(tables, ignore_index=True)
    by_recipe = {str(name): rows for name, rows in per_image.groupby("recipe", sort=False)}
    same_images(by_recipe)
    localization = first.localization | {renamed[name]: found for name, found in second.localization.items()}
    known = {(failure.image, failure.reason) for failure in first.failures}
    return Evaluation(
        classification=first.classification | {f"{prefix}{k}": v for k, v in second.classification.items()},
        localization=localization,
        curves=pd.concat(curves, ignore_index=True),
        per_image=per_image,
        against=gt_loc_differences(by_recipe),
        pxap_against=pxap_differences(by_recipe, localization),
        failures=first.failures + [f for f in second.failures if (f.image, f.reason) not in known],
        notes=first.notes,
        match=first.match,
    )
