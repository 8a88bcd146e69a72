"""From annotated images and a source of class maps to figures: everything from one pass."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from camkit.data import MAX_PIXELS, AnnotatedSet, Fit
from camkit.errors import CamkitError
from camkit.evaluation.classes import ClassMatch
from camkit.evaluation.found import Evaluation
from camkit.evaluation.further import NOTHING, Further
from camkit.evaluation.of_images import ImageMeasures
from camkit.evaluation.predicted_classes import PredictedClasses
from camkit.evaluation.source import (
    EvaluationSource,
    check_weightings,
    match_source,
    measure_images,
    none_measured,
    num_predicted,
)
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
    measures, match = measures_for(source, dataset, recipes, classes, protocol=protocol, fit=fit, step=step,
                                   threshold_split=threshold_split, further=further)  # fmt: skip
    share = dataset.part(range(group.rank, len(dataset.records), group.world_size))
    results = measure_images(source, share, measures.weightings, measures.evaluate_image, classes=classes, fit=fit,
                             batch_size=batch_size, workers=workers, max_pixels=max_pixels, gather=gather)  # fmt: skip
    failures = [Failure("", problem) for problem in dataset.problems] if group.is_main else []
    for result in progress(results, len(share.records)):
        failures.append(result) if isinstance(result, Failure) else measures.add(result)
    failures = group.all_gather(failures)
    if not any(group.all_gather([measures.has_images])):
        raise none_measured(dataset, failures)
    with whole() if gather.world_size > 1 else nullcontext():
        return replace(measures.evaluation(failures, seed, alone=group.world_size == 1), match=match)


def measures_for(
    source: EvaluationSource,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    classes: PredictedClasses | None,
    *,
    fit: Fit,
    further: Further,
    **settings: Any,
) -> tuple[ImageMeasures, ClassMatch | None]:
    """What `evaluate` measures, and which of the model's classes the data set's are; arguments as there.

    `settings` are more of `ImageMeasures`.

    Raises
    ------
    CamkitError
        As `evaluate`, but for images.
    """
    further.check(settings["protocol"], fit)
    match = match_source(source, dataset, classes)  # all processes refuse it, or none
    check_weightings(source, (recipe.weighting for recipe in recipes.values()))
    k_max = num_predicted(source) if classes is None else classes.k
    crop = crop_of(source) if further.center_crop else None
    return ImageMeasures(dataset, recipes, k_max, further=further, crop=crop, **settings), match


def crop_of(source: EvaluationSource) -> tuple[int, int]:
    """Height and width of the network's input; `CamkitError` where there is none to crop images for."""
    if not isinstance(source, Inference):
        raise CamkitError("--maps cover whole images, and have no centre crop: leave out --center-crop")
    return source.classifier.input.size
