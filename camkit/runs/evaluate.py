"""`camkit evaluate` and `camkit ablate`: a classifier and annotated images in, figures with intervals out."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from camkit.data import MAX_PIXELS, Fit, read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import Evaluation, evaluate
from camkit.figures import plot_curve
from camkit.inference import Inference, Precision
from camkit.metrics import Result, coverage_verdict
from camkit.models import Classifier
from camkit.output import whole
from camkit.recipe import RECIPES, Recipe
from camkit.runs.facts import Report, failure_lines, head_facts, versions

FILES = ("metrics.json", "per_image.csv", "curve.csv", "curve.png", "ablation.csv", "failures.csv", "run.json")
TITLES = {"cam": "CAM", "nwc": "+ NWC", "pas": "+ PaS", "nwc+pas": "+ NWC + PaS"}


def run_evaluate(
    classifier: Classifier,
    recipes: Mapping[str, Recipe] = RECIPES,
    *,
    dataset: str,
    root: Path,
    split: str,
    out: Path,
    fit: Fit = "stretch",
    head: dict[str, str] | None = None,
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    max_pixels: int = MAX_PIXELS,
    step: float = 0.001,
    seed: int = 0,
    overwrite: bool = False,
    show_progress: bool = False,
) -> Report:
    """Evaluate one recipe, or hold several against each other; ``camkit evaluate --help`` says what each setting means.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    begun = time.perf_counter()
    held = [name for name in FILES if (out / name).exists()]
    if held and not overwrite:
        raise CamkitError(f"{out} already holds a run ({', '.join(held)}): give --overwrite or another --out")
    annotated = read_dataset(dataset, root, split)
    inference = Inference(classifier, device, precision, head)
    processes = (4 if inference.device.type == "cuda" else 0) if workers is None else workers
    found = evaluate(
        inference,
        annotated,
        recipes,
        fit=fit,
        batch_size=batch_size,
        workers=processes,
        max_pixels=max_pixels,
        step=step,
        seed=seed,
        progress=lambda results, n: iter(tqdm(results, "evaluate", n, unit="image", disable=not show_progress)),
    )
    seconds = time.perf_counter() - begun
    record = {
        "settings": {
            "model": classifier.name,
            "weights": classifier.weights,
            "output_stride": classifier.output_stride,
            "dilate": classifier.dilate,
            "head": head_facts(inference),
            "input": asdict(classifier.input),
            "recipes": {name: repr(recipe) for name, recipe in recipes.items()},
            "dataset": dataset,
            "split": split,
            "fit": fit,
            "precision": precision,
            "step": step,
            "seed": seed,
        },
        "images": len(annotated.records) + len(annotated.problems),
        "seconds": round(seconds, 3),
        "forward_seconds": round(inference.seconds, 3),
        "device": str(inference.device),
        "versions": versions(),
    }
    write(out, found, record)
    lines = failure_lines([asdict(failure) for failure in found.failures], out)
    judged = len(found.per_image) // len(recipes)
    lines += [f"{record['images']} images: {judged} judged, {len(found.failures)} failed, {seconds:.1f} s"]
    lines += lines_of_ablation(found) if len(recipes) > 1 else lines_of_one(found)
    lines.append(f"look at {out / 'metrics.json'}, {out / 'per_image.csv'}, {out / 'curve.png'}")
    return Report(lines, len(found.failures))


def write(out: Path, found: Evaluation, record: dict[str, Any]) -> None:
    """The files of a run, each whole or not at all."""
    several = len(found.localization) > 1
    metrics: dict[str, Any] = {name: asdict(result) for name, result in found.classification.items()}
    named = {
        recipe: {name: asdict(result) for name, result in results.items()}
        for recipe, results in found.localization.items()
    }
    metrics |= named if several else next(iter(named.values()))
    first = next(iter(found.localization))
    failures = pd.DataFrame([asdict(f) for f in found.failures], columns=["image", "reason"])
    tables = {"per_image.csv": found.per_image, "curve.csv": found.curves, "failures.csv": failures}
    if several:
        tables["ablation.csv"] = ablation_table(found)
    for name, table in tables.items():
        with whole(out / name) as file:
            table.to_csv(file, index=False, lineterminator="\n")
    for name, content in (("metrics.json", metrics), ("run.json", record)):
        with whole(out / name) as file:
            json.dump(content, file, indent=1)
    with whole(out / "curve.png", "wb") as file:
        plot_curve(found.curves[found.curves["recipe"] == first]).figure.savefig(file, dpi=150)


def ablation_table(found: Evaluation) -> pd.DataFrame:
    """A row a recipe: GT-known Loc and Top-1 Loc with intervals, and the paired comparison with the first."""
    rows = []
    for recipe, results in found.localization.items():
        row: dict[str, Any] = {"recipe": recipe}
        for name in ("gt_loc", "top1_loc", "max_box_acc_v2"):
            row |= {name: results[name].value, f"{name}_low": results[name].low, f"{name}_high": results[name].high}
        if recipe in found.against:
            paired = found.against[recipe]
            row |= {"gain": paired.difference.value, "gain_low": paired.difference.low}
            row |= {"gain_high": paired.difference.high, "p_value": paired.p_value}
        rows.append(row | {"box_share": results["coverage_predicted"].value, "n": results["gt_loc"].n})
    return pd.DataFrame(rows)


def lines_of_ablation(found: Evaluation) -> list[str]:
    """The table as Markdown, in percent and points."""
    first = next(iter(found.localization))
    lines = [
        "| recipe | GT-known Loc | Top-1 Loc | MaxBoxAccV2 | GT-known Loc against the first | p | box / image |",
        "|---|---|---|---|---|---|---|",
    ]
    for recipe, results in found.localization.items():
        against = "| "
        if recipe != first:
            paired = found.against[recipe]
            d = paired.difference
            against = f"{d.value:+.2f} ({d.low:+.2f} to {d.high:+.2f}) | {paired.p_value:.2g}"
        cells = " | ".join(told(results[name]) for name in ("gt_loc", "top1_loc", "max_box_acc_v2"))
        share = 100 * results["coverage_predicted"].value
        lines.append(f"| {TITLES.get(recipe, recipe)} | {cells} | {against} | {share:.1f} % |")
    results = found.localization[first]
    truth = 100 * results["coverage_truth"].value
    top1 = told(found.classification["top1_cls"])
    lines.append(f"n = {results['gt_loc'].n}; Top-1 Cls {top1}; ground-truth boxes cover {truth:.1f} % of the image")
    lines.append("MaxBoxAccV2 chooses its thresholds on the reported split; the others' were fixed beforehand")
    return lines


def lines_of_one(found: Evaluation) -> list[str]:
    """A line a figure, with where its threshold was chosen."""
    ((_, results),) = found.localization.items()
    figures = {**found.classification, **{k: v for k, v in results.items() if not k.startswith("coverage")}}
    lines = [f"{name:<15} {told(result)}   threshold: {result.threshold_split}" for name, result in figures.items()]
    predicted, truth = (100 * results[f"coverage_{name}"].value for name in ("predicted", "truth"))
    verdict = coverage_verdict(results["coverage_excess"])
    return [*lines, f"boxes cover {predicted:.1f} % of the image, the truth's {truth:.1f} %: {verdict}"]


def told(result: Result) -> str:
    """A figure with its interval."""
    return f"{result.value:.2f} ({result.low:.2f} to {result.high:.2f})"
