"""`camkit evaluate` and `camkit ablate`: annotated images and a source of class maps to figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from camkit.data import AnnotatedSet
from camkit.evaluation import (
    ClassMatch,
    Crossed,
    Evaluation,
    EvaluationSource,
    Further,
    Grid,
    PredictedClasses,
    evaluate,
    insertion_deletion,
    merge_evaluations,
    predict_classes,
    recipes_for,
    require_network,
)
from camkit.evaluation.further import NOTHING
from camkit.figures import plot_grid
from camkit.metrics.threshold_splits import FIXED
from camkit.models import Classifier
from camkit.output import whole
from camkit.output.class_maps import CLASS_MAPS
from camkit.recipe import RECIPES, Recipe
from camkit.runs.class_lines import class_lines
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.facts import model_facts
from camkit.runs.grid_table import grid_rows, lines_of_grid
from camkit.runs.grouped import lines_of_groups
from camkit.runs.kept_maps import KeptMaps, keeping_maps
from camkit.runs.measured import figures_as_json, has_curves, lines_of_ablation, lines_of_one, write, write_table
from camkit.runs.measurement import MapsOf, Measurement, source_facts, source_name
from camkit.runs.options import RunOptions
from camkit.runs.results import held, publishing

TAP_MAPS = f"tap_{CLASS_MAPS}"
FILES = (
    "metrics.json",
    "per_image.csv",
    "curve.csv",
    "curve.png",
    "ablation.csv",
    "ablation.png",
    "by_size.csv",
    "by_class.csv",
    "by_class.png",
    "misses.csv",
    "failures.csv",
    "run.json",
    CLASS_MAPS,
    TAP_MAPS,
)


@held(FILES)
def run_evaluate(
    maps_of: MapsOf,
    recipe: Recipe,
    options: RunOptions,
    *,
    chosen_on: str = FIXED,
    other: Classifier | None = None,
    save_maps: bool = False,
    further: Further = NOTHING,
    steps: int = 0,
) -> Report:
    """Measure one recipe's boxes.

    Parameters
    ----------
    maps_of : Classifier or Path
        Makes the maps, or a folder of them.
    recipe : Recipe
    options : RunOptions
    chosen_on : str
        What chose the recipe's threshold.
    other : Classifier, optional
        Names the classes.
    save_maps : bool
        Keep the class maps in the folder, for `camkit report`.
    further : Further
        What is measured besides.
    steps : int
        Of insertion and deletion; 0: they are not measured.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    run = Measurement(options)
    (dataset,) = run.datasets
    source = run.source(maps_of)
    classes = None if other is None else predicted_classes(other, dataset, options)
    split = options.split_of(chosen_on, dataset)
    with keeping_maps(options.out, [CLASS_MAPS] if save_maps else []) as kept:
        found = evaluate(source, dataset, {"recipe": recipe}, classes=classes, step=options.step, seed=options.seed,
                         threshold_split=split, progress=options.progress("evaluate"), keep=kept.keep.get(CLASS_MAPS),
                         further=further, **options.measuring(source))  # fmt: skip
        found = _with_insertion_deletion(found, source, dataset, {"recipe": recipe}, steps, options)
        matches = [of.match for of in (found, classes) if of is not None and of.match is not None]
        settings = {
            **source_facts(maps_of),
            "classifier": None if other is None else model_facts(other),
            "recipe": recipe.to_dict(),
            "threshold_split": split,
            "further": asdict(further) | {"insertion_deletion": steps},
        }
        lines = [*run.source_lines(), *class_lines(matches, dataset), *lines_of_one(found)]
        lines += lines_of_groups(found, options.out)
        return report_of(run, found, matches, settings, lines, kept)


@held(FILES)
def run_ablate(
    maps_of: MapsOf,
    options: RunOptions,
    *,
    recipes: Mapping[str, Recipe] | Grid = RECIPES,
    tap: Classifier | None = None,
    save_maps: bool = False,
    further: Further = NOTHING,
    steps: int = 0,
) -> Report:
    """Hold recipes against each other, one forward pass for all; with `tap`, of a second model besides.

    Of maps without class weights, as those in a folder are, the recipes that differ in more than the weighting. A grid
    is shown as one, with its picture. With `save_maps` the class maps stay in the folder, for `camkit report`.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    run = Measurement(options)
    (dataset,) = run.datasets
    models = [maps_of] if tap is None else [maps_of, tap]
    sources = [run.source(model) for model in models]
    crossed, chosen = _of_sources(sources, recipes, options.protocol)
    files = [CLASS_MAPS, TAP_MAPS][: len(models)]
    with keeping_maps(options.out, files if save_maps else []) as kept:
        evaluations = [
            _with_insertion_deletion(
                evaluate(source, dataset, chosen, step=options.step, seed=options.seed, keep=kept.keep.get(file),
                         progress=options.progress(source_name(model)), further=further, **options.measuring(source)),
                source, dataset, chosen, steps, options)
            for model, source, file in zip(models, sources, files, strict=True)
        ]  # fmt: skip
        matches = [of.match for of in evaluations if of.match is not None]
        found = evaluations[0] if tap is None else merge_evaluations(evaluations[0], evaluations[1], "tap:")
        settings = {
            **source_facts(maps_of),
            "tap": None if tap is None else model_facts(tap),
            "recipes": {name: recipe.to_dict() for name, recipe in chosen.items()},
            "further": asdict(further) | {"insertion_deletion": steps},
        }
        shown = crossed if crossed is not None and has_curves(found) else None  # of masks alone thresholds say nothing
        prefixes = ("",) if tap is None else ("", "tap:")
        table = lines_of_ablation(found) if shown is None else lines_of_grid(found, shown, prefixes)
        notes = [] if crossed is None else crossed.notes
        lines = [*run.source_lines(), *notes, *class_lines(matches, dataset), *table]
        lines += lines_of_groups(found, options.out)
        rows = None if shown is None else grid_rows(found, shown, prefixes)
        return report_of(run, found, matches, settings, lines, kept, rows)


def _with_insertion_deletion(
    found: Evaluation,
    source: EvaluationSource,
    dataset: AnnotatedSet,
    recipes: Mapping[str, Recipe],
    steps: int,
    options: RunOptions,
) -> Evaluation:
    """The evaluation, insertion and deletion of each recipe's weighting with it where they are asked for."""
    if not steps:
        return found
    reading = {name: options.measuring(source)[name] for name in ("fit", "batch_size", "workers", "max_pixels")}
    weightings = list(dict.fromkeys(recipe.weighting for recipe in recipes.values()))
    figures, failures = insertion_deletion(require_network(source), dataset, weightings, steps,
                                           progress=options.progress("insertion, deletion"), **reading)  # fmt: skip
    known = {failure.image for failure in found.failures}
    return replace(
        found,
        localization={name: results | figures[recipes[name].weighting] for name, results in found.localization.items()},
        failures=found.failures + [failure for failure in failures if failure.image not in known],
    )


def _of_sources(
    sources: Sequence[EvaluationSource], recipes: Mapping[str, Recipe] | Grid, protocol: str
) -> tuple[Crossed | None, Mapping[str, Recipe]]:
    """The recipes that differ on every source, and what they are crossed of where they are a grid."""
    if isinstance(recipes, Grid):
        crossed = recipes.cross(sources, protocol)
        return crossed, crossed.recipes
    for source in sources:
        recipes = recipes_for(source, recipes)
    return None, recipes


def predicted_classes(other: Classifier, dataset: AnnotatedSet, options: RunOptions) -> PredictedClasses:
    """What another classifier says of the images."""
    return predict_classes(other, dataset, fit=options.fit, batch_size=options.batch_size,
                           workers=options.workers or 0, device=options.device, max_pixels=options.max_pixels,
                           progress=options.progress("classifier", "batch"))  # fmt: skip


def report_of(
    run: Measurement,
    found: Evaluation,
    matches: list[ClassMatch],
    settings: dict[str, Any],
    lines: list[str],
    kept: KeptMaps,
    grid: pd.DataFrame | None = None,
    misses: pd.DataFrame | None = None,
) -> Report:
    """Write the run's files, and say what is in them; of a grid of recipes the picture of its rows.

    `misses` are images for which a file had no box.
    """
    out = run.options.out
    record = {
        "settings": {**settings, **run.options.facts()},
        "classes": [match.facts() for match in matches],
        **run.facts(),
    }
    with publishing(out, run.options.group) as new:
        write(new, found, record)
        kept.publish(new)
        if misses is not None:
            write_table(new / "misses.csv", misses)
        if grid is not None:
            with whole(new / "ablation.png", "wb") as file:
                plot_grid(grid, next(iter(found.localization))).figure.savefig(file, dpi=150)
    judged, failed = len(found.per_image) // len(found.localization), len(found.failures)
    shown = ["metrics.json", "per_image.csv", *(["ablation.png"] if len(found.localization) > 1 else []),
             *(["curve.png"] if has_curves(found) else [])]  # fmt: skip
    spent = f"{record['seconds']:.1f} s, the forward pass {record['forward_seconds']:.1f} s of it"
    lines = [
        f"{record['images']} images: {judged} judged, {failed} failed; {spent}",
        *filled_lines(record["filled"]),
        *lines,
        f"look at {', '.join(str(out / name) for name in shown)}",
    ]
    failures = failure_lines([asdict(failure) for failure in found.failures], out)
    return Report(lines, failed, failures, {**outcome_facts(out, record), "judged": judged, **figures_as_json(found)})
