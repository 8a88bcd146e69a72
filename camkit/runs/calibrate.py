"""`camkit calibrate`: the threshold chosen on one split, and what it gains on another."""

import time
from dataclasses import asdict
from typing import Any

import pandas as pd

from camkit.data import AnnotatedSet
from camkit.errors import CamkitError
from camkit.evaluation import Calibration, Evaluation, calibrate, evaluate
from camkit.evaluation.calibrate import require_boxes
from camkit.figures import plot_surface
from camkit.inference import Inference
from camkit.metrics.per_image import FIXED
from camkit.models import Classifier
from camkit.output import whole
from camkit.recipe import Recipe
from camkit.runs.facts import Report, class_lines, failure_lines, model_facts, versions
from camkit.runs.measured import check_free, told, write_json, write_table
from camkit.runs.shared import Shared

FILES = ("settings.json", "calibration.json", "surface.csv", "surface.png", "failures.csv")


def run_calibrate(classifier: Classifier, before: Recipe, shared: Shared, *, test_split: str) -> Report:
    """Choose weighting, theta and percentile on `shared.split`, and measure both recipes there and on `test_split`.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    begun = time.perf_counter()
    check_free(shared.out, FILES, shared.overwrite)
    if test_split == shared.split:
        raise CamkitError(f"--split and --test-split are both {test_split!r}: a gain counts on images not seen before")
    chosen_on, unseen = shared.read(test_split)
    require_boxes(chosen_on)
    require_boxes(unseen)
    inference = shared.inference(classifier)
    found = calibrate(inference, chosen_on, before, progress=shared.progress(f"calibrate on {chosen_on.split}"),
                      **shared.looking(inference))  # fmt: skip
    measured = [_measure(inference, dataset, before, found, shared) for dataset in (chosen_on, unseen)]
    record = {
        "settings": {**model_facts(classifier), **shared.facts(), "test_split": test_split},
        "before": before.to_dict(),
        "calibrated": found.recipe.to_dict(),
        "classes": [of.match.facts() for of in measured if of.match is not None],
        "splits": {dataset.split: _facts(of) for dataset, of in zip((chosen_on, unseen), measured, strict=True)},
        "seconds": round(time.perf_counter() - begun, 3),
        "forward_seconds": round(inference.seconds, 3),
        "versions": versions(),
    }
    failures = [asdict(failure) for evaluation in measured for failure in evaluation.failures]
    out = shared.out
    _write(shared, found, classifier.name, record, failures)
    lines = [
        f"before      {before.weighting} weights, {before.threshold}",
        f"calibrated  {found.recipe.weighting} weights, {found.recipe.threshold}; the best of {len(found.surface)}",
        f"{_line(measured[0])}, on {chosen_on.split}, where it was chosen",
        f"{_line(measured[1])}, on {unseen.split}, not seen before",
        f"look at {out / 'settings.json'} (camkit localize --settings takes it) and {out / 'surface.png'}",
    ]
    for dataset, of in zip((unseen, chosen_on), reversed(measured), strict=True):
        lines = [*class_lines([of.match], dataset), *lines]
    return Report([*failure_lines(failures, out), *lines], len(failures))


def _measure(
    inference: Inference, dataset: AnnotatedSet, before: Recipe, found: Calibration, shared: Shared
) -> Evaluation:
    splits = {"before": FIXED, "calibrated": shared.split_of(found.chosen_on, dataset)}
    return evaluate(inference, dataset, {"before": before, "calibrated": found.recipe}, step=shared.step,
                    seed=shared.seed, threshold_split=splits, progress=shared.progress(f"measure on {dataset.split}"),
                    **shared.looking(inference))  # fmt: skip


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
        f"GT-known Loc {told(before)} -> {told(after)}: {gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f}), "
        f"p {paired.p_value:.2g}, n {gain.n}"
    )


def _write(
    shared: Shared, found: Calibration, model: str, record: dict[str, Any], failures: list[dict[str, Any]]
) -> None:
    """`settings.json` last: where it is, the rest is."""
    out = shared.out
    write_table(out / "surface.csv", found.surface)
    write_table(out / "failures.csv", pd.DataFrame(failures, columns=["image", "reason"]))
    with whole(out / "surface.png", "wb") as file:
        plot_surface(found.surface, found.setting).savefig(file, dpi=150)
    write_json(out / "calibration.json", record)
    write_json(out / "settings.json", {"recipe": found.recipe.to_dict(), "chosen_on": found.chosen_on, "model": model,
                                       "by": "GT-known Loc", "n": found.n})  # fmt: skip
