"""`camkit evaluate` and `camkit ablate`: annotated images and a classifier, or another tool's maps, to figures."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camkit.data import AnnotatedSet, MapFolder
from camkit.errors import CamkitError
from camkit.evaluation import Evaluation, Predictions, evaluate, evaluate_maps, predicted_classes, together
from camkit.inference import Inference
from camkit.metrics.per_image import FIXED
from camkit.models import Classifier
from camkit.recipe import RECIPES, Recipe
from camkit.runs.facts import Report, class_lines, failure_lines, model_facts, versions
from camkit.runs.measured import check_free, has_curves, lines_of_ablation, lines_of_one, write
from camkit.runs.shared import Shared

FILES = ("metrics.json", "per_image.csv", "curve.csv", "curve.png", "ablation.csv", "failures.csv", "run.json")


def run_evaluate(
    source: Classifier | Path,
    recipe: Recipe,
    shared: Shared,
    *,
    chosen_on: str = FIXED,
    other: Classifier | None = None,
) -> Report:
    """Measure one recipe's boxes.

    Parameters
    ----------
    source : Classifier or Path
        Makes the maps, or a folder of them.
    recipe : Recipe
    shared : Shared
    chosen_on : str
        The split on which the recipe's threshold was chosen.
    other : Classifier, optional
        Names the classes.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    begun = time.perf_counter()
    check_free(shared.out, FILES, shared.overwrite)
    (annotated,) = shared.read()
    inference = None if isinstance(source, Path) else shared.inference(source)
    if inference is None and other is None and annotated.class_map:
        raise CamkitError(
            f"{shared.class_map} names classes of a model, and --maps has none: keep only its lines with -, or give "
            "the model with --classifier"
        )
    classes = None if other is None else _predictions(other, annotated, shared)
    named, split = {"recipe": recipe}, shared.split_of(chosen_on, annotated)
    measured: dict[str, Any] = {"step": shared.step, "seed": shared.seed, "threshold_split": split,
                                "progress": shared.progress("evaluate"), "classes": classes}  # fmt: skip
    lines = []
    if isinstance(source, Path):
        maps = MapFolder(source, annotated.records)
        threads = shared.workers or None
        found = evaluate_maps(maps, annotated, named, protocol=shared.protocol, threads=threads,
                              max_pixels=shared.max_pixels, **measured)  # fmt: skip
        if maps.unread():
            lines.append(f"{maps.unread()} of the maps in {source} belong to no image of the split")
    else:
        assert inference is not None
        found = evaluate(inference, annotated, named, **shared.looking(inference), **measured)
    matches = [of.match for of in (found, classes) if of is not None and of.match is not None]
    record = {
        "settings": {
            **({"maps": str(source)} if isinstance(source, Path) else model_facts(source)),
            "classifier": None if other is None else model_facts(other),
            "recipe": recipe.to_dict(),
            "threshold_split": split,
            **shared.facts(),
        },
        "classes": [match.facts() for match in matches],
        **_costs([inference] if inference else [], annotated, begun),
    }
    lines += class_lines(matches, annotated)
    return _report(found, record, [*lines, *lines_of_one(found)], shared.out)


def run_ablate(
    classifier: Classifier, shared: Shared, *, recipes: Mapping[str, Recipe] = RECIPES, tap: Classifier | None = None
) -> Report:
    """Hold recipes against each other, one forward pass for all; with `tap`, of a second model besides.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    begun = time.perf_counter()
    check_free(shared.out, FILES, shared.overwrite)
    (annotated,) = shared.read()
    models = [classifier] if tap is None else [classifier, tap]
    inferences = [shared.inference(model) for model in models]
    if any(model.maps_by for model in models):  # they have no class weights
        recipes = {name: recipe for name, recipe in recipes.items() if recipe.weighting == "signed"}
    founds = [
        evaluate(inference, annotated, recipes, step=shared.step, seed=shared.seed,
                 progress=shared.progress(inference.classifier.name), **shared.looking(inference))
        for inference in inferences
    ]  # fmt: skip
    matches = [of.match for of in founds if of.match is not None]
    found = founds[0] if tap is None else together(founds[0], founds[1], "tap:")
    record = {
        "settings": {
            **model_facts(classifier),
            "tap": None if tap is None else model_facts(tap),
            "recipes": {name: recipe.to_dict() for name, recipe in recipes.items()},
            **shared.facts(),
        },
        "classes": [match.facts() for match in matches],
        **_costs(inferences, annotated, begun),
    }
    return _report(found, record, [*class_lines(matches, annotated), *lines_of_ablation(found)], shared.out)


def _predictions(other: Classifier, annotated: AnnotatedSet, shared: Shared) -> Predictions:
    return predicted_classes(other, annotated, fit=shared.fit, batch_size=shared.batch_size,
                             workers=shared.workers or 0, device=shared.device, max_pixels=shared.max_pixels,
                             progress=lambda results, n: iter(tqdm(results, "classifier", n, unit="batch",
                                                                   disable=not shared.show_progress)))  # fmt: skip


def _costs(inferences: list[Inference], annotated: AnnotatedSet, begun: float) -> dict[str, Any]:
    return {
        "images": len(annotated.records) + len(annotated.problems),
        "seconds": round(time.perf_counter() - begun, 3),
        "forward_seconds": round(sum(inference.seconds for inference in inferences), 3),
        "device": str(inferences[0].device) if inferences else "cpu",
        "versions": versions(),
    }


def _report(found: Evaluation, record: dict[str, Any], lines: list[str], out: Path) -> Report:
    for name in FILES:  # never two runs' files side by side
        (out / name).unlink(missing_ok=True)
    write(out, found, record)
    judged, failed = len(found.per_image) // len(found.localization), len(found.failures)
    shown = ["metrics.json", "per_image.csv", *(["curve.png"] if has_curves(found) else [])]
    spent = f"{record['seconds']:.1f} s, the forward pass {record['forward_seconds']:.1f} s of it"
    return Report(
        [
            *failure_lines([asdict(failure) for failure in found.failures], out),
            f"{record['images']} images: {judged} judged, {failed} failed; {spent}",
            *lines,
            f"look at {', '.join(str(out / name) for name in shown)}",
        ],
        failed,
    )
