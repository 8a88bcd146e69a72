"""`camkit analyze`: a classifier and annotated images in, a table, a summary and a figure for each analysis out."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from camkit.analysis import ANALYSES, Analyzed, Finding, analyze
from camkit.boxes import MaxThreshold, PercentileThreshold
from camkit.data import MAX_PIXELS, AnnotatedSet, Fit, read_dataset
from camkit.errors import CamkitError
from camkit.figures import save_figure
from camkit.inference import Inference, Precision
from camkit.metrics import Estimate
from camkit.models import Classifier
from camkit.output import whole
from camkit.recipe import Recipe
from camkit.runs.facts import Report, failure_lines, head_facts, versions

FILES = ("failures.csv", "run.json")


def run_analyze(
    classifier: Classifier,
    names: Sequence[str],
    *,
    dataset: str,
    root: Path,
    split: str,
    out: Path,
    limit: int | None = None,
    binarize: str = "max",
    theta: float = 0.35,
    percentile: float = 90.0,
    normalize: Any = "minmax",
    interpolation: Any = "bilinear",
    tap_theta: float = 0.1,
    top: float = 0.8,
    intensities: tuple[float, ...] = (0.25, 0.5, 0.75),
    fit: Fit = "stretch",
    head: dict[str, str] | None = None,
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    max_pixels: int = MAX_PIXELS,
    seed: int = 0,
    overwrite: bool = False,
    show_progress: bool = False,
) -> Report:
    """Run analyses; ``camkit analyze --help`` says what each setting means.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    begun = time.perf_counter()
    refuse_or_remove(out, overwrite)
    annotated = read_dataset(dataset, root, split)
    annotated = annotated if limit is None else replace(annotated, records=evenly(annotated, limit))
    inference = Inference(classifier, device, precision, head)
    recipe = Recipe("signed", MaxThreshold(theta), normalize, interpolation)
    pas = replace(recipe, threshold=PercentileThreshold(theta, percentile))
    settings: dict[str, dict[str, Any]] = {
        "ioa": {"binarisation": pas if binarize == "percentile" else recipe},
        "zipf": {"theta": theta, "percentile": percentile, "recipe": recipe},
        "channels": {"tap_theta": tap_theta},
        "overlap": {"top": top},
        "intensity": {"intensities": intensities},
        "sweep": {"recipe": recipe},
    }
    found = analyze(
        inference,
        annotated,
        names,
        settings,
        fit=fit,
        batch_size=batch_size,
        workers=(4 if inference.device.type == "cuda" else 0) if workers is None else workers,
        max_pixels=max_pixels,
        seed=seed,
        progress=lambda results, n: iter(tqdm(results, "analyze", n, unit="image", disable=not show_progress)),
    )
    seconds = time.perf_counter() - begun
    record = {
        "settings": {
            "model": classifier.name,
            "weights": classifier.weights,
            "output_stride": classifier.output_stride,
            "head": head_facts(inference),
            "input": asdict(classifier.input),
            "analyses": {
                name: {key: repr(value) for key, value in settings.get(name, {}).items()} for name in found.findings
            },
            "dataset": dataset,
            "split": split,
            "limit": limit,
            "fit": fit,
            "precision": precision,
            "seed": seed,
        },
        "left_out": list(found.left_out),
        "images": len(annotated.records) + len(annotated.problems),
        "failed": len(found.failures),
        "passes_an_image": found.passes,
        "seconds": round(seconds, 3),
        "forward_seconds": round(inference.seconds, 3),
        "device": str(inference.device),
        "versions": versions(),
    }
    write(out, found, record)
    return Report(closing_lines(out, found, record), len(found.failures))


def evenly(annotated: AnnotatedSet, limit: int) -> list[Any]:
    """At most so many records, evenly spaced over the listing, so that classes that follow each other are all met."""
    n = len(annotated.records)
    return [annotated.records[i * n // limit] for i in range(limit)] if limit < n else annotated.records


def refuse_or_remove(out: Path, overwrite: bool) -> None:
    """An earlier run in the folder is refused, or what it left removed: never two runs' files side by side."""
    held = [
        path for name in ANALYSES for path in out.glob(f"{name}*") if path.suffix in (".csv", ".json", ".png", ".pdf")
    ]
    held += [out / name for name in FILES if (out / name).exists()]
    if held and not overwrite:
        names = ", ".join(sorted(path.name for path in held)[:5])
        raise CamkitError(f"{out} already holds a run ({names}): give --overwrite or another --out")
    for path in held:
        path.unlink()


def write(out: Path, found: Analyzed, record: dict[str, Any]) -> None:
    """The files of a run, each whole or not at all."""
    failures = pd.DataFrame([asdict(failure) for failure in found.failures], columns=["image", "reason"])
    tables = {"failures.csv": failures}
    contents: dict[str, Any] = {}
    for name, finding in found.findings.items():
        tables[f"{name}.csv"] = finding.table
        tables |= {f"{name}-{series}.csv": table for series, table in finding.series.items()}
        contents[f"{name}.json"] = finding.as_json()
    for file_name, table in tables.items():
        with whole(out / file_name) as file:
            table.to_csv(file, index=False, lineterminator="\n")
    for name, finding in found.findings.items():
        figure = finding.plot()
        for suffix in ("png", "pdf"):
            with whole(out / f"{name}.{suffix}", "wb") as file:
                save_figure(figure, file, suffix)
    for file_name, content in (contents | {"run.json": record}).items():
        with whole(out / file_name) as file:
            json.dump(content, file, indent=1)


def closing_lines(out: Path, found: Analyzed, record: dict[str, Any]) -> list[str]:
    """Every analysis' figures, what was left out, and where to look."""
    lines = failure_lines([asdict(failure) for failure in found.failures], out)
    for finding in found.findings.values():
        lines += [finding.name, *(f"  {line}" for line in [*finding.notes, *estimate_lines(finding)])]
    if found.left_out:
        lines.append(f"left out, because no image has a ground-truth box: {', '.join(found.left_out)}")
    done = record["images"] - record["failed"]
    lines.append(
        f"{record['images']} images: {done} analysed, {record['failed']} failed, {record['seconds']:.1f} s, "
        f"{found.passes} forward pass{'es' * (found.passes > 1)} an image"
    )
    return [*lines, f"look at {', '.join(str(out / f'{name}.png') for name in found.findings)}"]


def estimate_lines(finding: Finding) -> Iterator[str]:
    """The summary's estimates; those of its groups, but for sensitivity, with the group's name before them."""
    for name, value in finding.summary.items():
        group = {name: value} if isinstance(value, Estimate) else {}
        if isinstance(value, dict) and name != "sensitivity":
            group = {f"{name} {key}": item for key, item in value.items() if isinstance(item, Estimate)}
        for label, e in group.items():
            yield f"{label:<28} {e.value:8.3f}  ({e.low:.3f} to {e.high:.3f}, n = {e.n})"
