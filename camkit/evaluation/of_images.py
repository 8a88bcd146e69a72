"""What is measured of annotated images and their maps: image by image, then all figures at once."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from camkit.data import AnnotatedSet
from camkit.data.class_map import classes_of
from camkit.evaluation.differences import gt_loc_differences, pxap_differences
from camkit.evaluation.found import Evaluation
from camkit.evaluation.further import NOTHING, Further
from camkit.evaluation.image_evaluation import ImageEvaluation, ImageEvaluator
from camkit.evaluation.measures import Classification, Curves, GroundTruth, RecipeMeasures, map_measures
from camkit.evaluation.protocols import protocol_named
from camkit.evaluation.tables import Measured, class_table, macro_results, size_table
from camkit.localization import Failure
from camkit.metrics.rows_on_disk import RowsOnDisk
from camkit.metrics.threshold_splits import FIXED
from camkit.recipe import Recipe


class ImageMeasures:
    """All measures of one evaluation, and the function that measures an image for them.

    Parameters
    ----------
    dataset : AnnotatedSet
        The whole of it.
    recipes : mapping from name to Recipe
    k_max : int
        The k of Top-k beside 1; 0 without a classifier.
    protocol, step, threshold_split, further
        As of `evaluate`.
    crop : tuple of int or None
        As of `ImageEvaluator`.
    with_prediction : bool
        Leave each image's maps with what is measured of it.
    on_disk : bool
        Keep what is added in temporary files, and images' names not at all.

    Attributes
    ----------
    weightings : list of str
    evaluate_image : callable
        From `ImagePrediction` to the `ImageEvaluation` that `add` takes; for any number of threads.
    rows : dict from recipe name to RecipeMeasures

    Raises
    ------
    CamkitError
        The protocol does not take a recipe, or there are neither boxes nor masks.
    """

    def __init__(
        self,
        dataset: AnnotatedSet,
        recipes: Mapping[str, Recipe],
        k_max: int,
        *,
        protocol: str = "paper",
        step: float = 0.001,
        threshold_split: str | Mapping[str, str] = FIXED,
        further: Further = NOTHING,
        crop: tuple[int, int] | None = None,
        with_prediction: bool = False,
        on_disk: bool = False,
    ) -> None:
        chosen = protocol_named(protocol)
        for recipe in recipes.values():
            chosen.check(recipe)
        self.dataset, self.recipes, self.truth = dataset, recipes, GroundTruth.of(dataset)
        self.weightings: list[str] = list(dict.fromkeys(recipe.weighting for recipe in recipes.values()))
        measures = map_measures(step, self.truth, further)
        self.evaluate_image = ImageEvaluator(
            chosen, recipes, self.truth.boxes, measures, with_prediction, further, crop
        )
        self.further, self.labels = further, RowsOnDisk(np.int64)
        self.classification = Classification(k_max, on_disk)
        self.curves = {
            weighting: Curves(weighting, step, self.truth, further, on_disk) for weighting in self.weightings
        }
        split = dict.fromkeys(recipes, threshold_split) if isinstance(threshold_split, str) else threshold_split
        self.rows = {name: RecipeMeasures(name, k_max, split[name], self.truth, further, on_disk) for name in recipes}

    def add(self, evaluation: ImageEvaluation) -> None:
        """Take in an image."""
        assert evaluation.own_label is not None  # an image without one is a failure
        self.labels.append(np.array([evaluation.own_label]))
        self.classification.update(evaluation)
        measures: list[Curves | RecipeMeasures] = [*self.curves.values(), *self.rows.values()]
        for measure in measures:
            measure.update(evaluation)

    @property
    def has_images(self) -> bool:
        """Whether any was taken in."""
        return len(self.labels) > 0

    def evaluation(self, failures: list[Failure], seed: int, *, alone: bool = True) -> Evaluation:
        """The figures of the images of all processes.

        Where this one is not alone, a column's figure that is of all images is left out: of its share it would be
        another.
        """
        of_maps = {weighting: curves.results(seed) for weighting, curves in self.curves.items()}
        localization = {
            name: self.rows[name].results(seed) | of_maps[recipe.weighting] for name, recipe in self.recipes.items()
        }
        columns = self.columns if alone else {}
        tables = {name: rows.table(columns.get(name)) for name, rows in self.rows.items()}
        by_size, by_class = pd.DataFrame(), pd.DataFrame()
        labels, further = np.asarray(self.labels.array(), np.int64), self.further
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
            tables=tables,
            against=gt_loc_differences(tables),
            pxap_against=pxap_differences(tables, localization) if alone else {},
            failures=failures,
            notes=[*self.further.notes(), *self.truth.notes()],
            by_size=by_size,
            by_class=by_class,
        )

    @cached_property
    def columns(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """By recipe the columns that all images together tell, once all are there."""
        of_maps = {weighting: curves.columns() for weighting, curves in self.curves.items()}
        return {name: of_maps[recipe.weighting] for name, recipe in self.recipes.items()}

    def _pixels(self) -> dict[str, NDArray[np.int32]]:
        """By recipe what PxAP keeps of the images of this process, where groups of them are asked for."""
        if not (self.truth.masks and self.has_images and (self.further.by_size or self.further.by_class)):
            return {}
        rows = {weighting: curves.metrics["pxap"].per_image() for weighting, curves in self.curves.items()}
        return {name: rows[recipe.weighting] for name, recipe in self.recipes.items()}
