"""`camkit calibrate`: the threshold chosen on one split, and what it gains on another."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.data import AnnotatedSet, Fit, MapFolder
from camkit.errors import CamkitError
from camkit.evaluation import (
    Calibration,
    Evaluation,
    EvaluationSource,
    calibrate,
    evaluate,
    merge_evaluations,
)
from camkit.evaluation.calibrate import WEIGHTINGS, require_boxes
from camkit.evaluation.grid import thresholds_for, weightings_for
from camkit.evaluation.pseudo_boxes import BASED_ON_MAPS, require_selective_search, with_pseudo_boxes
from camkit.localization import Failure
from camkit.metrics.threshold_splits import BOXES, FIXED
from camkit.output import whole
from camkit.recipe import Recipe
from camkit.runs.class_lines import class_lines
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.measured import signed_with_interval, with_interval, write_json, write_table
from camkit.runs.measurement import MapsOf, Measurement, source_facts, source_name
from camkit.runs.options import RunOptions
from camkit.runs.pseudo import pseudo_facts, pseudo_lines
from camkit.runs.results import held, publishing

PSEUDO = "pseudo_boxes.csv"
FILES = ("settings.json", "calibration.json", "surface.csv", "surface.png", "failures.csv", PSEUDO)


@held(FILES)
def run_calibrate(
    maps_of: MapsOf,
    before: Recipe,
    options: RunOptions,
    *,
    test_split: str,
    fits: Sequence[Fit] | None = None,
    weightings: Sequence[str] | None = WEIGHTINGS,
    thresholds: Sequence[str] | None = None,
    pseudo: str | None = None,
) -> Report:
    """Choose fit, weighting and threshold on `options.split`, and measure what they gain on `test_split`.

    The gain is over the recipe `before` with `options.fit`. Without `fits` every fit is tried that `fits_for` gives.
    None of the weightings or thresholds stands for all that hold. Of maps without class weights, as those in a folder
    are, there is no weighting to choose. With `pseudo` the choice is made by pseudo boxes
    (`camkit.evaluation.pseudo_boxes`), and `options.split` needs no true ones.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    if test_split == options.split:
        raise CamkitError(f"--split and --test-split are both {test_split!r}: a gain counts on images not seen before")
    run = Measurement(options, test_split)
    chosen_on, unseen = run.datasets
    if pseudo is None:
        require_boxes(chosen_on)
    elif pseudo == "selective-search":
        require_selective_search()
    require_boxes(unseen)
    source = run.source(maps_of)
    no_fit = isinstance(maps_of, Path)
    tried = fits or fits_for(source, options.fit)
    reading = {name: value for name, value in options.measuring(source).items() if name != "fit"}
    progress = options.progress(f"calibrate on {chosen_on.split}")
    weighed, notes = weightings_for([source], weightings)
    rules, more = thresholds_for(
        options.protocol, None if thresholds is None else dict.fromkeys(thresholds, before.threshold)
    )
    judged, without, supervision = chosen_on, list[Failure](), BOXES
    if pseudo is not None:
        supervision = f"pseudo boxes ({pseudo})"
        making = {name: reading[name] for name in ("batch_size", "workers", "max_pixels")}
        judged, without = with_pseudo_boxes(pseudo, source, chosen_on, fit=options.fit,
                                            progress=options.progress(supervision), **making)  # fmt: skip
    found = calibrate(source, judged, before, weightings=weighed, thresholds=list(rules), fits=tried,
                      progress=progress, **reading)  # fmt: skip
    by = f"{supervision} of {found.chosen_on}"
    datasets = [dataset for dataset in (chosen_on, unseen) if dataset.has_boxes]
    measured = [_measure(source, dataset, before, found, by, options) for dataset in datasets]
    record: dict[str, Any] = {
        "settings": {
            **source_facts(maps_of),
            **options.facts(),
            "fits": tried,
            "test_split": test_split,
            "weightings": weighed,
            "thresholds": list(rules),
            "supervision": supervision,
        },
        "before": before.to_dict(),
        "calibrated": found.recipe.to_dict(),
        "calibrated_fit": None if no_fit else found.fit,
        "classes": [of.match.facts() for of in measured if of.match is not None],
        "splits": {dataset.split: _facts(of) for dataset, of in zip(datasets, measured, strict=True)},
        "pseudo_boxes": None if pseudo is None else pseudo_facts(judged, chosen_on),
        **run.facts(),
    }
    failures = [asdict(one) for one in without]
    failures += [asdict(failure) for evaluation in measured for failure in evaluation.failures]
    out, command = options.out, "evaluate" if isinstance(maps_of, Path) else "localize"
    with publishing(out, options.group) as new:
        _write(new, found, source_name(maps_of), supervision, record, failures)
        if pseudo in BASED_ON_MAPS:
            write_table(new / PSEUDO, _boxes_of(judged))
    before_fit, fit = ("", "") if no_fit else (f", fit {options.fit}", f", fit {found.fit}")
    as_it_is = ", not normalised" if found.recipe.normalization == "none" else ""
    chosen = f"{found.recipe.weighting} weights, {found.recipe.threshold}{as_it_is}{fit}"
    lines = [
        *notes,
        *more,
        f"before      {before.weighting} weights, {before.threshold}{before_fit}",
        f"calibrated  {chosen}; the best of {len(found.surface)}, by {by}",
        *pseudo_lines(record["pseudo_boxes"], len(chosen_on.records)),
        *(
            f"{_line(of)}, on {dataset.split}, {'not seen before' if dataset is unseen else 'where it was chosen'}"
            for dataset, of in zip(datasets, measured, strict=True)
        ),
        f"look at {out / 'settings.json'} (camkit {command} --settings takes it) and {out / 'surface.png'}",
    ]
    if not no_fit and not fits and "keep" not in tried:
        lines.insert(0, f"note: fit keep was not tried: {source_name(maps_of)} takes one input size")
    for dataset, of in zip(reversed(datasets), reversed(measured), strict=True):
        lines = [*class_lines([of.match], dataset), *lines]
    lines = [*filled_lines(record["filled"]), *run.source_lines(), *lines]
    facts = {name: record[name] for name in ("before", "calibrated", "calibrated_fit", "splits")}
    return Report(lines, len(failures), failure_lines(failures, out), outcome_facts(out, record) | facts)


def fits_for(source: EvaluationSource, fit: Fit) -> Sequence[Fit]:
    """The fits to choose from: to maps that are there already none says anything, and some networks take one size."""
    if isinstance(source, MapFolder):
        return (fit,)
    return source.fits


def _measure(
    source: EvaluationSource, dataset: AnnotatedSet, before: Recipe, found: Calibration, by: str, options: RunOptions
) -> Evaluation:
    """Both recipes, each under its fit, on the images that both fits take; `by`: what chose the second."""
    splits = {"before": FIXED, "calibrated": options.split_of(by, dataset)}

    def under(fit: Fit, recipes: dict[str, Recipe], images: AnnotatedSet) -> Evaluation:
        return evaluate(source, images, recipes, step=options.step, seed=options.seed, threshold_split=splits,
                        progress=options.progress(f"measure on {dataset.split}"),
                        **(options.measuring(source) | {"fit": fit}))  # fmt: skip

    def both(images: AnnotatedSet) -> tuple[Evaluation, Evaluation]:
        return under(options.fit, {"before": before}, images), under(found.fit, {"calibrated": found.recipe}, images)

    if found.fit == options.fit:
        return under(found.fit, {"before": before, "calibrated": found.recipe}, dataset)
    first, second = both(dataset)
    failures = list(
        {(failure.image, failure.reason): failure for failure in [*first.failures, *second.failures]}.values()
    )
    if first.per_image["image"].tolist() != second.per_image["image"].tolist():
        failed = {failure.image for failure in failures}
        first, second = both(dataset.some([i for i, one in enumerate(dataset.records) if one.image not in failed]))
    return replace(merge_evaluations(first, second, ""), failures=failures)


def _facts(evaluation: Evaluation) -> dict[str, Any]:
    figures = {
        recipe: {name: asdict(result) for name, result in results.items()}
        for recipe, results in evaluation.localization.items()
    }
    return {**figures, "gain": asdict(evaluation.against["calibrated"])}


def _line(evaluation: Evaluation) -> str:
    before, after = (evaluation.localization[name]["gt_loc"] for name in ("before", "calibrated"))
    paired = evaluation.against["calibrated"]
    gain = paired.difference
    return (
        f"GT-known Loc {with_interval(before)} -> {with_interval(after)}: {signed_with_interval(gain)}, "
        f"p {paired.p_value:.2g}, n {gain.n}"
    )


def _boxes_of(judged: AnnotatedSet) -> pd.DataFrame:
    """The pseudo boxes as a file that `--pseudo-boxes` takes again, of other networks and of `camkit train` too."""
    rows = [(record.image, *record.boxes[0].tolist()) for record in judged.records]
    return pd.DataFrame(rows, columns=["image", "x0", "y0", "x1", "y1"])


def _write(
    out: Path,
    found: Calibration,
    model: str,
    supervision: str,
    record: dict[str, Any],
    failures: list[dict[str, Any]],
) -> None:
    write_table(out / "surface.csv", found.surface)
    write_table(out / "failures.csv", pd.DataFrame(failures, columns=["image", "reason"]))
    with whole(out / "surface.png", "wb") as file:
        found.plot().figure.savefig(file, dpi=150)
    write_json(out / "calibration.json", record)
    write_json(out / "settings.json", {"recipe": found.recipe.to_dict(), "fit": record["calibrated_fit"],
                                       "chosen_on": found.chosen_on, "supervision": supervision, "model": model,
                                       "by": "GT-known Loc", "n": found.n})  # fmt: skip
