"""What an evaluation leaves on disk and on the screen."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.data.names import written_path, written_text
from camkit.evaluation import Evaluation
from camkit.figures import plot_curve
from camkit.metrics import Result, coverage_verdict
from camkit.output import whole

TITLES = {"cam": "CAM", "nwc": "+ NWC", "pas": "+ PaS", "nwc+pas": "+ NWC + PaS"}


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table as CSV, with names as `camkit.data.names` has it."""
    texts = table.select_dtypes(exclude="number").columns
    rules = {name: written_path if name == "image" else written_text for name in texts}
    shown = table.assign(**{str(name): table[name].map(partial(_written, rule)) for name, rule in rules.items()})
    with whole(path) as file:
        shown.to_csv(file, index=False, lineterminator="\n")


def _written(rule: Callable[[str], str], value: Any) -> Any:
    return rule(value) if isinstance(value, str) else value


def write_json(path: Path, content: dict[str, Any]) -> None:
    with whole(path) as file:
        json.dump(content, file, indent=1)


def write(out: Path, found: Evaluation, record: dict[str, Any]) -> None:
    """The files of a run, each whole or not at all."""
    several = len(found.localization) > 1
    metrics: dict[str, Any] = {name: asdict(result) for name, result in found.classification.items()}
    named = {
        recipe: {name: asdict(result) for name, result in results.items()}
        for recipe, results in found.localization.items()
    }
    metrics |= named if several else next(iter(named.values()))
    if found.match is not None:
        metrics["classes"] = found.match.facts(pairs=False)
    first = next(iter(found.localization))
    failures = pd.DataFrame([asdict(f) for f in found.failures], columns=["image", "reason"])
    tables = {"per_image.csv": found.per_image, "curve.csv": found.curves, "failures.csv": failures}
    if several:
        tables["ablation.csv"] = ablation_table(found)
    for name, table in tables.items():
        write_table(out / name, table)
    write_json(out / "metrics.json", metrics)
    write_json(out / "run.json", record)
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
        lines.append(f"| {title(recipe)} | {cells} | {against} | {share:.1f} % |")
    results = found.localization[first]
    truth = 100 * results["coverage_truth"].value
    top1 = {name: result for name, result in found.classification.items() if name.endswith("top1_cls")}
    classes = "; ".join(f"{'TAP ' * name.startswith('tap:')}Top-1 Cls {told(result)}" for name, result in top1.items())
    lines.append(f"n = {results['gt_loc'].n}; {classes}; ground-truth boxes cover {truth:.1f} % of the image")
    lines.append("MaxBoxAccV2 chooses its thresholds on the reported split; the others' were fixed beforehand")
    return lines


def title(recipe: str) -> str:
    """``tap:nwc`` as ``TAP + NWC``."""
    if recipe.startswith("tap:"):
        plain = recipe.removeprefix("tap:")
        return "TAP" if plain == "cam" else f"TAP {TITLES[plain]}"
    return TITLES.get(recipe, recipe)


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
