"""`camkit calibrate`: the threshold chosen on one split, and what it gains on another."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation import Calibration, Evaluation, EvaluationSource, calibrate, evaluate
from camkit.evaluation.calibrate import require_boxes
from camkit.figures import plot_surface
from camkit.metrics.per_image import FIXED
from camkit.output import whole
from camkit.recipe import Recipe
from camkit.runs.facts import Report, class_lines, failure_lines, filled_lines
from camkit.runs.measured import signed_with_interval, with_interval, write_json, write_table
from camkit.runs.measurement import MapsOf, Measurement, source_facts, source_name
from camkit.runs.options import RunOptions
from camkit.runs.results import held, publishing

FILES = ("settings.json", "calibration.json", "surface.csv", "surface.png", "failures.csv")


@held(FILES)
def run_calibrate(maps_of: MapsOf, before: Recipe, options: RunOptions, *, test_split: str) -> Report:
    """Choose weighting, theta and percentile on `options.split`, and measure both recipes there and on `test_split`.

    Of maps without class weights, as those in a folder are, there is no weighting to choose.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    if test_split == options.split:
        raise CamkitError(f"--split and --test-split are both {test_split!r}: a gain counts on images not seen before")
    run = Measurement(options, test_split)
    chosen_on, unseen = run.datasets
    require_boxes(chosen_on)
    require_boxes(unseen)
    source = run.source(maps_of)
    found = calibrate(source, chosen_on, before, progress=options.progress(f"calibrate on {chosen_on.split}"),
                      **options.measuring(source))  # fmt: skip
    measured = [_measure(source, dataset, before, found, options) for dataset in (chosen_on, unseen)]
    record: dict[str, Any] = {
        "settings": {**source_facts(maps_of), **options.facts(), "test_split": test_split},
        "before": before.to_dict(),
        "calibrated": found.recipe.to_dict(),
        "classes": [of.match.facts() for of in measured if of.match is not None],
        "splits": {dataset.split: _facts(of) for dataset, of in zip((chosen_on, unseen), measured, strict=True)},
        **run.facts(),
    }
    failures = [asdict(failure) for evaluation in measured for failure in evaluation.failures]
    out, command = options.out, "evaluate" if isinstance(maps_of, Path) else "localize"
    with publishing(out) as new:
        _write(new, found, source_name(maps_of), record, failures)
    lines = [
        f"before      {before.weighting} weights, {before.threshold}",
        f"calibrated  {found.recipe.weighting} weights, {found.recipe.threshold}; the best of {len(found.surface)}",
        f"{_line(measured[0])}, on {chosen_on.split}, where it was chosen",
        f"{_line(measured[1])}, on {unseen.split}, not seen before",
        f"look at {out / 'settings.json'} (camkit {command} --settings takes it) and {out / 'surface.png'}",
    ]
    for dataset, of in zip((unseen, chosen_on), reversed(measured), strict=True):
        lines = [*class_lines([of.match], dataset), *lines]
    return Report(
        [*failure_lines(failures, out), *filled_lines(record["filled"]), *run.unread_lines(), *lines], len(failures)
    )


def _measure(
    source: EvaluationSource, dataset: AnnotatedSet, before: Recipe, found: Calibration, options: RunOptions
) -> Evaluation:
    splits = {"before": FIXED, "calibrated": options.split_of(found.chosen_on, dataset)}
    return evaluate(source, dataset, {"before": before, "calibrated": found.recipe}, step=options.step,
                    seed=options.seed, threshold_split=splits, progress=options.progress(f"measure on {dataset.split}"),
                    **options.measuring(source))  # fmt: skip


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


def _write(out: Path, found: Calibration, model: str, record: dict[str, Any], failures: list[dict[str, Any]]) -> None:
    write_table(out / "surface.csv", found.surface)
    write_table(out / "failures.csv", pd.DataFrame(failures, columns=["image", "reason"]))
    with whole(out / "surface.png", "wb") as file:
        plot_surface(found.surface, found.setting).savefig(file, dpi=150)
    write_json(out / "calibration.json", record)
    write_json(out / "settings.json", {"recipe": found.recipe.to_dict(), "chosen_on": found.chosen_on, "model": model,
                                       "by": "GT-known Loc", "n": found.n})  # fmt: skip
