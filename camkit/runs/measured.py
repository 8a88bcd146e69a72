"""What an evaluation leaves on disk and on the screen."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd

from camkit.data.names import written_path, written_text
from camkit.evaluation import Evaluation
from camkit.evaluation.measures import Results
from camkit.figures import plot_ablation, plot_curves, save_figure
from camkit.metrics import Estimate, Result, coverage_verdict
from camkit.output import whole
from camkit.runs.grouped import picture_of_classes, tables_of_groups

FIGURES = {"gt_loc": "GT-known Loc", "top1_loc": "Top-1 Loc", "max_box_acc_v2": "MaxBoxAccV2", "pxap": "PxAP"}
TITLES = {"cam": "CAM", "nwc": "+ NWC", "pas": "+ PaS", "nwc+pas": "+ NWC + PaS"}


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table as CSV, with names as `camkit.data.names` has it."""
    with whole(path) as file:
        append_rows(file, table, header=True)


def append_rows(file: IO[str], table: pd.DataFrame, *, header: bool) -> None:
    """Rows of such a table, with the line of names above them where they are the first."""
    texts = table.select_dtypes(exclude="number").columns
    rules = {name: written_path if name == "image" else written_text for name in texts}
    shown = table.assign(**{str(name): table[name].map(partial(_written, rule)) for name, rule in rules.items()})
    shown.to_csv(file, index=False, lineterminator="\n", header=header)


def _written(rule: Callable[[str], str], value: Any) -> Any:
    return rule(value) if isinstance(value, str) else value


def write_json(path: Path, content: dict[str, Any]) -> None:
    with whole(path) as file:
        json.dump(content, file, indent=1)


def write(out: Path, found: Evaluation, record: dict[str, Any]) -> None:
    """The files of a run but for per_image.csv, each whole or not at all."""
    several = len(found.localization) > 1
    metrics: dict[str, Any] = {name: asdict(result) for name, result in found.classification.items()}
    named = {
        recipe: {name: asdict(result) for name, result in results.items()}
        for recipe, results in found.localization.items()
    }
    metrics |= named if several else next(iter(named.values()))
    if found.match is not None:
        metrics["classes"] = found.match.facts(pairs=False)
    if record["settings"].get("epoch_by") is not None:
        metrics["epoch_by"] = record["settings"]["epoch_by"]
    if found.notes:
        metrics["notes"] = found.notes
    failures = pd.DataFrame([asdict(f) for f in found.failures], columns=["image", "reason"])
    tables = {"failures.csv": failures, **tables_of_groups(found)}
    classes = picture_of_classes(found)
    drawn: dict[str, Any] = {} if classes is None else {"by_class.png": classes}
    if several:
        tables["ablation.csv"] = ablation_table(found)
        shown = tables["ablation.csv"].assign(recipe=[title(recipe) for recipe in found.localization])
        drawn["ablation.png"] = plot_ablation(shown, {name: FIGURES[name] for name in figures_of(found)})
    if has_curves(found):
        tables["curve.csv"] = found.curves
        titled = found.curves.assign(recipe=found.curves["recipe"].map(title))
        drawn["curve.png"] = plot_curves(titled) if several else found.plot()
    for name, ax in drawn.items():
        with whole(out / name, "wb") as file:
            save_figure(ax, file, "png")
    for name, table in tables.items():
        write_table(out / name, table)
    write_json(out / "metrics.json", metrics)
    write_json(out / "run.json", record)


def figures_as_json(found: Evaluation) -> dict[str, Any]:
    """Every figure with its interval, and each recipe against the first, in JSON's types."""
    against = {name: asdict(paired) for name, paired in found.against.items()}
    figures = {
        recipe: {name: asdict(result) for name, result in results.items()}
        for recipe, results in found.localization.items()
    }
    named = {name: asdict(result) for name, result in found.classification.items()}
    return {"classification": named, "localization": figures, "against_the_first": against, "notes": found.notes}


def has_curves(found: Evaluation) -> bool:
    """Whether there are accuracies over thresholds to draw: not without boxes."""
    return "threshold" in found.curves


def ablation_table(found: Evaluation) -> pd.DataFrame:
    """A row a recipe: the figures with intervals, and the paired comparisons with the first."""
    rows = []
    for recipe, results in found.localization.items():
        row: dict[str, Any] = {"recipe": recipe}
        for name in figures_of(found):
            row |= in_columns(name, results[name])
        if recipe in found.against:
            paired = found.against[recipe]
            row |= in_columns("gain", paired.difference) | {"p_value": paired.p_value}
        if recipe in found.pxap_against:
            row |= in_columns("pxap_gain", found.pxap_against[recipe])
        if "coverage_predicted" in results:
            row["box_share"] = results["coverage_predicted"].value
        rows.append(row | {"n": images_of(results)})
    return pd.DataFrame(rows)


def figures_of(found: Evaluation) -> list[str]:
    """Those that an ablation shows, of boxes and of masks."""
    results = next(iter(found.localization.values()))
    return [name for name in FIGURES if name in results]


def in_columns(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def images_of(results: Results) -> int:
    return next(iter(results.values())).n


def lines_of_ablation(found: Evaluation) -> list[str]:
    """The table as Markdown, in percent and points."""
    figures, first = figures_of(found), found.localization[next(iter(found.localization))]
    boxes, masks = "gt_loc" in figures, "pxap" in figures
    heads = ["recipe", *(FIGURES[name] for name in figures)]
    heads += ["GT-known Loc against the first", "p", "box / image"] if boxes else []
    heads += ["PxAP against the first"] if masks else []
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for recipe, results in found.localization.items():
        cells = [title(recipe), *(with_interval(results[name]) for name in figures)]
        if boxes:
            paired = found.against.get(recipe)
            cells += ["", ""] if paired is None else [signed_with_interval(paired.difference), f"{paired.p_value:.2g}"]
            cells.append(f"{100 * results['coverage_predicted'].value:.1f} %")
        if masks:
            difference = found.pxap_against.get(recipe)
            cells.append("" if difference is None else signed_with_interval(difference))
        lines.append(f"| {' | '.join(cells)} |")
    return lines + closing_lines(found, first, boxes, masks) + found.notes


def closing_lines(found: Evaluation, first: Results, boxes: bool, masks: bool) -> list[str]:
    """What an ablation's table leaves to be said."""
    top1 = {name: result for name, result in found.classification.items() if name.endswith("top1_cls")}
    facts = [f"n = {images_of(first)}"]
    facts += [f"{'TAP ' * name.startswith('tap:')}Top-1 Cls {with_interval(result)}" for name, result in top1.items()]
    if boxes:
        facts.append(f"the largest true boxes cover {100 * first['coverage_truth'].value:.1f} % of the image")
    lines = ["; ".join(facts)]
    if boxes:
        split = first["gt_loc"].threshold_split
        lines.append(f"thresholds: MaxBoxAccV2's by the boxes of the reported split; the others' {split}")
    if masks:
        lines.append("PxAP takes no threshold: recipes that differ in it alone have the same PxAP")
    return lines


def title(recipe: str) -> str:
    """``tap:nwc`` as ``TAP + NWC``."""
    if recipe.startswith("tap:"):
        plain = recipe.removeprefix("tap:")
        return "TAP" if plain == "cam" else f"TAP {TITLES.get(plain, plain)}"
    return TITLES.get(recipe, recipe)


def lines_of_one(found: Evaluation) -> list[str]:
    """A line a figure, with where its threshold was chosen."""
    ((_, results),) = found.localization.items()
    figures = {**found.classification, **{k: v for k, v in results.items() if not k.startswith("coverage")}}
    width = max(map(len, figures))
    lines = [f"{name:<{width}} {with_interval(of)}   threshold: {of.threshold_split}" for name, of in figures.items()]
    if "coverage_excess" in results:
        predicted, truth = (100 * results[f"coverage_{name}"].value for name in ("predicted", "truth"))
        verdict = coverage_verdict(results["coverage_excess"])
        lines.append(f"boxes cover {predicted:.1f} % of the image, the largest true box {truth:.1f} %: {verdict}")
    return lines + found.notes


def with_interval(result: Result) -> str:
    """A figure with its interval."""
    return f"{result.value:.2f} ({result.low:.2f} to {result.high:.2f})"


def signed_with_interval(difference: Estimate) -> str:
    """A difference with its interval."""
    return f"{difference.value:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})"
