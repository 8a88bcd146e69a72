"""From annotated images and a source of class maps to figures: everything from one pass."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit.data import MAX_PIXELS, AnnotatedSet, Fit
from camkit.data.class_map import classes_of
from camkit.errors import CamkitError
from camkit.evaluation.differences import gt_loc_differences, pxap_differences
from camkit.evaluation.found import Evaluation
from camkit.evaluation.further import NOTHING, Further
from camkit.evaluation.image_evaluation import ImageEvaluation, ImageEvaluator
from camkit.evaluation.image_prediction import ImagePrediction
from camkit.evaluation.measures import Classification, Curves, GroundTruth, RecipeMeasures, map_measures
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
from camkit.evaluation.tables import Measured, class_table, macro_results, size_table
from camkit.inference import Inference, Progress, no_progress
from camkit.localization import Failure
from camkit.metrics.per_image import whole
from camkit.metrics.threshold_splits import FIXED
from camkit.process_group import ALONE, ProcessGroup
from camkit.recipe import Recipe


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
    further: Further = NOTHING,
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
        What chose the recipes' thresholds.
    progress : Progress
    group : ProcessGroup
        Each evaluates its share of the images; figures and failures are of all, the table per image and the comparison
        of recipes by GT-known Loc are of the share, and that by PxAP is left out. Not beside `classes`.
    gather : ProcessGroup
        Instead: these processes share the images out, and each has the whole evaluation, the same as one alone.
    keep : callable, optional
        Called with each image that is measured, in the order of the table per image; it may save the maps.
    further : Further
        What is measured besides. Tables by size and class, and means over classes, are of one process alone.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's, a weighting does not hold on it, there are neither boxes nor masks,
        or no image could be evaluated.
    """
    if classes is not None and group.world_size > 1:
        raise CamkitError("another classifier's classes are numbered by the whole split: measure in one process")
    further.check(protocol, fit)
    match = match_source(source, dataset, classes)  # all processes refuse it, or none
    check_weightings(source, (recipe.weighting for recipe in recipes.values()))
    k_max = num_predicted(source) if classes is None else classes.k
    measures = _Measures(dataset, recipes, protocol, k_max, step, threshold_split, keep, further,
                         crop_of(source) if further.center_crop else None)  # fmt: skip
    share = replace(dataset, records=dataset.records[group.rank :: group.world_size])
    results = measure_images(source, share, measures.weightings, measures.evaluate_image, classes=classes, fit=fit,
                             batch_size=batch_size, workers=workers, max_pixels=max_pixels, gather=gather)  # fmt: skip
    failures = measures.update(progress(results, len(share.records)), group)
    with whole() if gather.world_size > 1 else nullcontext():
        return replace(measures.evaluation(failures, seed, group), match=match)


def crop_of(source: EvaluationSource) -> tuple[int, int]:
    """Height and width of the network's input; `CamkitError` where there is none to crop images for."""
    if not isinstance(source, Inference):
        raise CamkitError("--maps cover whole images, and have no centre crop: leave out --center-crop")
    return source.classifier.input.size


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
        further: Further,
        crop: tuple[int, int] | None,
    ) -> None:
        chosen = protocol_named(protocol)
        for recipe in recipes.values():
            chosen.check(recipe)
        self.dataset, self.recipes, self.truth = dataset, recipes, GroundTruth.of(dataset)
        self.weightings: list[str] = list(dict.fromkeys(recipe.weighting for recipe in recipes.values()))
        measures = map_measures(step, self.truth, further)
        self.evaluate_image = ImageEvaluator(
            chosen, recipes, self.truth.boxes, measures, keep is not None, further, crop
        )
        self.keep, self.further, self.labels = keep, further, list[int]()
        self.classification = Classification(k_max)
        self.curves = {weighting: Curves(weighting, step, self.truth, further) for weighting in self.weightings}
        split = dict.fromkeys(recipes, threshold_split) if isinstance(threshold_split, str) else threshold_split
        self.rows = {name: RecipeMeasures(name, k_max, split[name], self.truth, further) for name in recipes}

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
            assert result.own_label is not None  # an image without one is a failure
            self.labels.append(result.own_label)
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
        by_size, by_class = pd.DataFrame(), pd.DataFrame()
        labels, further = np.array(self.labels, np.int64), self.further
        measured = Measured(tables, localization, self._pixels())
        if alone and further.macro:
            macro = macro_results(measured, further, labels)
            localization = {name: results | macro[name] for name, results in localization.items()}
        if alone and further.by_size:
            by_size = size_table(measured, further)
        if alone and further.by_class:
            by_class = class_table(measured, further, labels, classes_of(self.dataset))
        curves = [self.curves[recipe.weighting].curve().assign(recipe=name) for name, recipe in self.recipes.items()]
        return Evaluation(
            classification=self.classification.results(seed),
            localization=localization,
            curves=pd.concat(curves, ignore_index=True),
            per_image=pd.concat(tables.values(), ignore_index=True),
            against=gt_loc_differences(tables),
            pxap_against=pxap_differences(tables, localization) if group.world_size == 1 else {},
            failures=failures,
            notes=[*self.further.notes(), *self.truth.notes()],
            by_size=by_size,
            by_class=by_class,
        )

    def _pixels(self) -> dict[str, NDArray[np.int32]]:
        """By recipe what PxAP keeps of the images of this process, where groups of them are asked for."""
        if not (self.truth.masks and self.labels and (self.further.by_size or self.further.by_class)):
            return {}
        rows = {weighting: curves.metrics["pxap"].per_image() for weighting, curves in self.curves.items()}
        return {name: rows[recipe.weighting] for name, recipe in self.recipes.items()}
