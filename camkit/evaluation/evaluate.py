"""From annotated images, with a classifier or with another tool's maps, to figures: everything from one pass."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd
import torch

from camkit.data import MAX_PIXELS, AnnotatedSet, Fit, MapFolder
from camkit.errors import CamkitError
from camkit.evaluation.classes import ClassMatch, match_classes
from camkit.evaluation.judge import Judge, Judged
from camkit.evaluation.measures import BoxMeasures, Classification, Curves, Results, curve_measures, table_of
from camkit.evaluation.predictions import MOST, Predictions
from camkit.evaluation.protocols import protocol_named
from camkit.evaluation.seen import seen_by, seen_in
from camkit.inference import Inference, Progress, unwatched
from camkit.localization import Failure
from camkit.metrics import Comparison, compare
from camkit.metrics.per_image import FIXED
from camkit.processes import Processes
from camkit.recipe import Recipe

ALONE = Processes(0, 1, torch.device("cpu"))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found on one split.

    Attributes
    ----------
    classification : dict from name to Result
        top1_cls, top5_cls; empty without a classifier.
    localization : dict from recipe name to dict from name to Result
    curves : DataFrame
        Columns recipe, threshold, iou_0.3, iou_0.5, iou_0.7: MaxBoxAccV2's accuracies over its thresholds.
    per_image : DataFrame
        A row an image and recipe. Boxes are in pixels of the image, half open; under the wsol protocol of its grid of
        224x224, corners inclusive.
    against : dict from recipe name to Comparison
        GT-known Loc against the first recipe's, image by image.
    failures : list of Failure
    match : ClassMatch or None
        Which of the model's classes the data set's are; None of maps that are there already.
    """

    classification: Results
    localization: dict[str, Results]
    curves: pd.DataFrame
    per_image: pd.DataFrame
    against: dict[str, Comparison]
    failures: list[Failure]
    match: ClassMatch | None = None


def evaluate(
    inference: Inference,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    *,
    protocol: str = "paper",
    classes: Predictions | None = None,
    fit: Fit = "stretch",
    batch_size: int = 16,
    workers: int = 0,
    max_pixels: int = MAX_PIXELS,
    step: float = 0.001,
    seed: int = 0,
    threshold_split: str | Mapping[str, str] = FIXED,
    progress: Progress = unwatched,
    together: Processes = ALONE,
) -> Evaluation:
    """Measure localization of every recipe on one split.

    Parameters
    ----------
    inference : Inference
    dataset : AnnotatedSet
        Its records need a label and at least one box; others are failures.
    recipes : mapping from name to Recipe
        The first is what the others are compared with.
    protocol : {"paper", "wsol"}
        How the recipes' boxes are found and held against the truth. MaxBoxAcc, MaxBoxAccV2 and PxAP are the wsol
        protocol's in both.
    classes : Predictions, optional
        Another classifier's word on the classes, for Top-1 and Top-5 Cls and Loc.
    fit, batch_size, workers, max_pixels
        See `camkit.Localizer`.
    step : float
        Between the thresholds of MaxBoxAcc, MaxBoxAccV2 and PxAP.
    seed : int
        Of the draws behind the intervals of MaxBoxAcc and MaxBoxAccV2.
    threshold_split : str or mapping from recipe name to str
        The split on which the recipes' thresholds were chosen.
    progress : Progress
    together : Processes
        Each judges its share of the images; figures and failures are of all, the table per image and the comparison of
        recipes are of the share. Not beside `classes`.

    Raises
    ------
    CamkitError
        The data set's classes are not the model's, or no image could be judged.
    """
    if classes is not None and together.count > 1:
        raise CamkitError("another classifier's classes are numbered by the whole split: measure in one process")
    num_classes = inference.source.num_classes
    match = match_classes(dataset, inference.classifier, num_classes)  # all processes refuse it, or none
    most = min(MOST, num_classes) if classes is None else classes.k
    bench = _Bench(dataset, recipes, protocol, most, step, threshold_split)
    share = replace(dataset, records=dataset.records[together.rank :: together.count])
    results = seen_by(inference, share, bench.weightings, bench.judge, classes=classes, fit=fit,
                      batch_size=batch_size, workers=workers, max_pixels=max_pixels)  # fmt: skip
    return replace(bench.measure(progress(results, len(share.records)), seed, together), match=match)


def evaluate_maps(
    maps: MapFolder,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    *,
    protocol: str = "paper",
    classes: Predictions | None = None,
    threads: int | None = None,
    max_pixels: int = MAX_PIXELS,
    step: float = 0.001,
    seed: int = 0,
    threshold_split: str | Mapping[str, str] = FIXED,
    progress: Progress = unwatched,
) -> Evaluation:
    """Measure another tool's maps of the images' own classes; arguments as `evaluate`.

    A recipe's weighting says nothing here: the maps are there already. Without `classes` there is no classification,
    and no Top-1 or Top-5 Loc.

    Raises
    ------
    CamkitError
        No image could be judged.
    """
    bench = _Bench(dataset, recipes, protocol, 0 if classes is None else classes.k, step, threshold_split)
    results = seen_in(maps, dataset, bench.weightings, bench.judge, classes=classes, threads=threads,
                      max_pixels=max_pixels)  # fmt: skip
    return bench.measure(progress(results, len(dataset.records)), seed)


class _Bench:
    """The measures of one evaluation, and the judge that feeds them."""

    def __init__(
        self,
        dataset: AnnotatedSet,
        recipes: Mapping[str, Recipe],
        protocol: str,
        most: int,
        step: float,
        threshold_split: str | Mapping[str, str],
    ) -> None:
        chosen = protocol_named(protocol)
        for recipe in recipes.values():
            chosen.check(recipe)
        masks = all(record.read_mask for record in dataset.records)
        self.dataset, self.recipes = dataset, recipes
        self.weightings: list[str] = list(dict.fromkeys(recipe.weighting for recipe in recipes.values()))
        self.judge = Judge(chosen, recipes, curve_measures(step, masks))
        self.classification = Classification(most)
        self.curves = {weighting: Curves(weighting, step, masks) for weighting in self.weightings}
        split = dict.fromkeys(recipes, threshold_split) if isinstance(threshold_split, str) else threshold_split
        self.boxes = {name: BoxMeasures(name, most, split[name]) for name in recipes}

    def measure(self, results: Iterator[Judged | Failure], seed: int, together: Processes = ALONE) -> Evaluation:
        failures = [Failure("", problem) for problem in self.dataset.problems] if together.first else []
        measures: list[Classification | Curves | BoxMeasures]
        measures = [self.classification, *self.curves.values(), *self.boxes.values()]
        judged_any = False
        for result in results:
            if isinstance(result, Failure):
                failures.append(result)
                continue
            judged_any = True
            for measure in measures:
                measure.update(result)
        failures = together.gathered(failures)
        if not any(together.gathered([judged_any])):
            first = f": {failures[0].image} {failures[0].reason}" if failures else ""
            raise CamkitError(f"none of the {len(failures)} images of {self.dataset.name} could be judged{first}")
        of_maps = {weighting: curves.results(seed) for weighting, curves in self.curves.items()}
        localization = {
            name: self.boxes[name].results(seed) | of_maps[recipe.weighting] for name, recipe in self.recipes.items()
        }
        curves = [self.curves[recipe.weighting].curve().assign(recipe=name) for name, recipe in self.recipes.items()]
        return Evaluation(
            classification=self.classification.results(seed),
            localization=localization,
            curves=pd.concat(curves, ignore_index=True),
            per_image=table_of(self.boxes.values()),
            against=self._against(),
            failures=failures,
        )

    def _against(self) -> dict[str, Comparison]:
        first, *others = self.boxes
        baseline = self.boxes[first].right()
        return {name: compare(baseline, self.boxes[name].right()) for name in others}


def together(first: Evaluation, second: Evaluation, prefix: str) -> Evaluation:
    """Two evaluations of the same images as one: a table over two models, each recipe against the first model's first.

    Parameters
    ----------
    first, second : Evaluation
    prefix : str
        Put before the names of the second's recipes and figures.

    Raises
    ------
    CamkitError
        They did not judge the same images.
    """
    renamed = {name: f"{prefix}{name}" for name in second.localization}
    tables = [first.per_image, second.per_image.replace({"recipe": renamed})]
    curves = [first.curves, second.curves.replace({"recipe": renamed})]
    per_image = pd.concat(tables, ignore_index=True)
    by_recipe = {str(name): rows for name, rows in per_image.groupby("recipe", sort=False)}
    baseline = by_recipe[next(iter(first.localization))]
    against = dict(first.against)
    for name in renamed.values():
        rows = by_recipe[name]
        if rows["image"].tolist() != baseline["image"].tolist():
            raise CamkitError("the two models did not judge the same images: mend what failed, and measure both again")
        right = [table["gt_loc"].to_numpy(bool) for table in (baseline, rows)]
        against[name] = compare(right[0], right[1])
    seen = {(failure.image, failure.reason) for failure in first.failures}
    return Evaluation(
        classification=first.classification | {f"{prefix}{k}": v for k, v in second.classification.items()},
        localization=first.localization | {renamed[name]: found for name, found in second.localization.items()},
        curves=pd.concat(curves, ignore_index=True),
        per_image=per_image,
        against=against,
        failures=first.failures + [f for f in second.failures if (f.image, f.reason) not in seen],
        match=first.match,
    )
