"""`camkit evaluate` and `camkit ablate`: annotated images and a source of class maps to figures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.data import AnnotatedSet, MapFolder
from camkit.evaluation import (
    ClassMatch,
    Crossed,
    Evaluation,
    EvaluationSource,
    Further,
    Grid,
    PredictedClasses,
    match_classes,
    merge_evaluations,
    recipes_for,
)
from camkit.evaluation.further import NOTHING
from camkit.evaluation.predicted_classes import TOP_K, class_predictions, num_outputs
from camkit.evaluation.source import none_measured
from camkit.figures import plot_grid
from camkit.inference import Inference
from camkit.metrics.threshold_splits import FIXED
from camkit.models import Classifier
from camkit.output import whole
from camkit.output.class_maps import CLASS_MAPS, ClassMapWriter
from camkit.output.journal import JOURNAL
from camkit.output.measured_folder import MeasuredFolder, image_itself
from camkit.process_group import process_group
from camkit.recipe import RECIPES, Recipe
from camkit.runs.class_lines import class_lines
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.facts import model_facts
from camkit.runs.fingerprint import fingerprint
from camkit.runs.grid_table import grid_rows, lines_of_grid
from camkit.runs.grouped import lines_of_groups
from camkit.runs.measured import figures_as_json, has_curves, lines_of_ablation, lines_of_one, write
from camkit.runs.measured_model import CLASSES, MeasuredModel
from camkit.runs.measurement import MapsOf, Measurement, made_with, source_facts, source_name
from camkit.runs.measuring import Stream, map_and_image, measure_all, measured_folder
from camkit.runs.options import RunOptions
from camkit.runs.outcome import gone_through
from camkit.runs.per_image import write_per_image
from camkit.runs.results import publishing
from camkit.runs.sessions import mixed

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
    with process_group(options.device) as group:
        run = Measurement(options.among(group))
        (dataset,) = run.datasets
        source = run.source(maps_of)
        said = None if other is None else _other_classes(other, dataset, run.options)
        split = options.split_of(chosen_on, dataset)
        model = MeasuredModel(run, source, {"recipe": recipe}, further=further, steps=steps, threshold_split=split,
                              said=said, save_maps=save_maps)  # fmt: skip
        settings = {
            **source_facts(maps_of),
            "classifier": None if other is None else model_facts(other),
            "recipe": recipe.to_dict(),
            "threshold_split": split,
            "further": asdict(further) | {"insertion_deletion": steps},
        }
        streams = model.streams()
        if other is not None:
            deaths = source.deaths if isinstance(source, Inference) else None
            reading = {"device": run.options.device, "deaths": deaths, **run.options.reading(source)}
            streams[CLASSES] = Stream(lambda part: class_predictions(other, part, **reading), lambda top: top.tolist())
        own = {"made_with": made_with(source, recipe), "save_maps": save_maps}
        own |= {} if other is None else {"classes_with": fingerprint(other)}
        with _folder("evaluate", run, settings | own) as folder:
            if not measure_all(folder, dataset, streams, run.options, "evaluate"):
                return Report([], 0)
            found = _figures(run, folder, [model])
            matches = [of.match for of in (found, said) if of is not None and of.match is not None]
            lines = [*run.source_lines(), *class_lines(matches, dataset), *lines_of_one(found)]
            lines += lines_of_groups(found, options.out)
            return report_of(run, found, matches, settings, lines, write_more=_writer(folder, [model]), folder=folder)


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
    with process_group(options.device) as group:
        run = Measurement(options.among(group))
        (dataset,) = run.datasets
        named: dict[str, MapsOf] = {"": maps_of} | ({} if tap is None else {"tap:": tap})
        sources = {prefix: run.source(one) for prefix, one in named.items()}
        crossed, chosen = _of_sources(list(sources.values()), recipes, options.protocol)
        models = [MeasuredModel(run, source, chosen, name=f"{prefix}maps", prefix=prefix, further=further, steps=steps,
                                save_maps=save_maps) for prefix, source in sources.items()]  # fmt: skip
        settings = {
            **source_facts(maps_of),
            "tap": None if tap is None else model_facts(tap),
            "recipes": {name: recipe.to_dict() for name, recipe in chosen.items()},
            "further": asdict(further) | {"insertion_deletion": steps},
        }
        own: dict[str, Any] = {"made_with": [made_with(one, *chosen.values()) for one in sources.values()]}
        streams = {name: stream for model in models for name, stream in model.streams().items()}
        with _folder("ablate", run, settings | own | {"save_maps": save_maps}) as folder:
            if not measure_all(folder, dataset, streams, run.options, source_name(maps_of)):
                return Report([], 0)
            found = _figures(run, folder, models)
            matches = [model.match for model in models if model.match is not None]
            shown = crossed if crossed is not None and has_curves(found) else None  # of masks thresholds say nothing
            table = lines_of_ablation(found) if shown is None else lines_of_grid(found, shown, tuple(named))
            notes = [] if crossed is None else crossed.notes
            lines = [*run.source_lines(), *notes, *class_lines(matches, dataset), *table]
            lines += lines_of_groups(found, options.out)
            rows = None if shown is None else grid_rows(found, shown, tuple(named))
            return report_of(run, found, matches, settings, lines, rows, write_more=_writer(folder, models),
                             folder=folder)  # fmt: skip


def _folder(command: str, run: Measurement, settings: dict[str, Any]) -> MeasuredFolder:
    """The run's folder, with its journal."""
    (dataset,), source = run.datasets, run.sources[0]
    sources = map_and_image(source) if isinstance(source, MapFolder) else image_itself
    return measured_folder(command, dataset, FILES, run.options, run.device(), settings | run.options.facts(), sources)


def _other_classes(other: Classifier, dataset: AnnotatedSet, options: RunOptions) -> PredictedClasses:
    """Which of another classifier's classes the data set's are; what it says of the images is still to come."""
    outputs = num_outputs(other, options.device)
    return PredictedClasses({}, match_classes(dataset, other, outputs), min(TOP_K, outputs))


def _figures(run: Measurement, folder: MeasuredFolder, models: Sequence[MeasuredModel]) -> Evaluation:
    """The figures of all models, from the journal; `CamkitError` where no image is finished."""
    (dataset,) = run.datasets

    def add(record: Any, line: Mapping[str, Any]) -> None:
        for model in models:
            model.add(record, line)

    outcome = gone_through(folder, dataset, add)
    if not outcome.done:
        raise none_measured(dataset, outcome.failures)
    for model in models:
        for record in dataset.records:
            model.note(record)
    run.filled = outcome.filled
    first, *others = (model.found(outcome.failures, run.options.seed) for model in models)
    for model, other in zip(models[1:], others, strict=True):
        first = merge_evaluations(first, other, model.prefix)
    return first


def _writer(folder: MeasuredFolder, models: Sequence[MeasuredModel]) -> Callable[[Path], None]:
    """Writes what the journal has of each image."""

    def write_images(new: Path) -> None:
        write_per_image(new / "per_image.csv", models, folder)
        for model, name in zip(models, (CLASS_MAPS, TAP_MAPS), strict=False):
            if model.save_maps:
                with ClassMapWriter(new / name) as writer:
                    for maps in model.maps(folder):
                        writer.add(maps)

    return write_images


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


def report_of(
    run: Measurement,
    found: Evaluation,
    matches: list[ClassMatch],
    settings: dict[str, Any],
    lines: list[str],
    grid: pd.DataFrame | None = None,
    *,
    write_more: Callable[[Path], None],
    folder: MeasuredFolder | None = None,
) -> Report:
    """Write the run's files, and say what is in them; of a grid of recipes the picture of its rows.

    `write_more` writes what is of each image; `folder` is that of a run with a journal.
    """
    out = run.options.out
    sessions = [] if folder is None else folder.journal.sessions
    record = {
        "settings": {**settings, **run.options.facts()},
        "classes": [match.facts() for match in matches],
        **({} if folder is None else {"sessions": sessions, "resumed": folder.resumed}),
        **run.facts(),
    }
    with publishing(out, run.options.group, keep=() if folder is None else (JOURNAL,)) as new:
        write(new, found, record)
        write_more(new)
        if grid is not None:
            with whole(new / "ablation.png", "wb") as file:
                plot_grid(grid, next(iter(found.localization))).figure.savefig(file, dpi=150)
    judged, failed = found.rows, len(found.failures)
    shown = ["metrics.json", "per_image.csv", *(["ablation.png"] if len(found.localization) > 1 else []),
             *(["curve.png"] if has_curves(found) else [])]  # fmt: skip
    spent = f"{record['seconds']:.1f} s, the forward pass {record['forward_seconds']:.1f} s of it"
    before = f", {folder.resumed} from the run before" if folder is not None and folder.resumed else ""
    lines = [
        f"{record['images']} images{before}: {judged} judged, {failed} failed; {spent}",
        *filled_lines(record["filled"]),
        *lines,
        *(mixed(sessions) if sessions else []),
        f"look at {', '.join(str(out / name) for name in shown)}",
    ]
    failures = failure_lines([asdict(failure) for failure in found.failures], out)
    return Report(lines, failed, failures, {**outcome_facts(out, record), "judged": judged, **figures_as_json(found)})
