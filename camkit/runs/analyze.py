"""`camkit analyze`: a classifier and annotated images in, a table, a summary and a figure for each analysis out."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.analysis import ANALYSES, Finding, Findings
from camkit.analysis.analyze import PARTS, Analyses
from camkit.evaluation import match_classes
from camkit.figures import save_figure
from camkit.metrics import Estimate
from camkit.models import Classifier
from camkit.output import whole
from camkit.output.journal import JOURNAL
from camkit.output.packed import packed, unpacked
from camkit.process_group import process_group
from camkit.runs.class_lines import class_lines
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.facts import head_facts, model_facts, source_lines, versions
from camkit.runs.measured import write_json, write_table
from camkit.runs.measurement import made_with
from camkit.runs.measuring import Stream, measure_all, measured_folder, part_of
from camkit.runs.options import RunOptions
from camkit.runs.outcome import gone_through
from camkit.runs.results import publishing
from camkit.runs.sessions import mixed

FILES = ("failures.csv", "run.json")
STREAM = "analyses"
SUFFIXES = (".csv", ".json", ".png", ".pdf")


def files_of(name: str) -> list[str]:
    """What an analysis leaves in the folder."""
    return [f"{name}{suffix}" for suffix in SUFFIXES] + [f"{name}-{series}.csv" for series in ANALYSES[name].series]


ALL_FILES = (*FILES, *(file for name in ANALYSES for file in files_of(name)))


def run_analyze(
    classifier: Classifier, names: Sequence[str], options: RunOptions, settings: Mapping[str, Mapping[str, Any]]
) -> Report:
    """Run analyses; ``camkit analyze --help`` says what each setting means.

    Parameters
    ----------
    classifier : Classifier
    names : sequence of str
    options : RunOptions
    settings : mapping from an analysis' name to its own settings
        As of `camkit.analysis.analyze`.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    begun = time.perf_counter()
    with process_group(options.device) as group:
        options = options.among(group)
        (annotated,) = options.read()
        inference = options.inference(classifier)
        match = match_classes(annotated, classifier, inference.source.num_classes)
        analyses = Analyses(annotated, names, settings)
        own = {one.name: {key: repr(value) for key, value in settings.get(one.name, {}).items()}
               for one in analyses.analyses}  # fmt: skip
        facts = {name: value for name, value in options.facts().items() if name not in ("protocol", "step")}
        reading = options.reading(inference)
        stream = Stream(lambda part: analyses.images(inference, part, **reading),
                        lambda measured: packed(analyses.slim(measured)))  # fmt: skip
        told = {**model_facts(classifier), "made_with": made_with(inference), "analyses": own, **facts}
        with measured_folder("analyze", annotated, ALL_FILES, options, str(inference.device), told) as folder:
            if not measure_all(folder, annotated, {STREAM: stream}, options, "analyze"):
                return Report([], 0)
            outcome = gone_through(folder, annotated,
                                   lambda _, line: analyses.add(unpacked(part_of(line, STREAM), *PARTS)))  # fmt: skip
            found = analyses.findings(outcome.failures)
            record: dict[str, Any] = {
                "settings": {**model_facts(classifier), "head": head_facts(inference), "analyses": own, **facts},
                "sessions": folder.journal.sessions,
                "resumed": folder.resumed,
                "classes": [match.facts()],
                "verdict": found.verdict.as_json(),
                "left_out": list(found.left_out),
                "images": len(annotated.records) + len(annotated.problems),
                "failed": len(found.failures),
                "filled": outcome.filled,
                "passes_an_image": found.passes,
                "seconds": round(time.perf_counter() - begun, 3),
                "forward_seconds": round(inference.seconds, 3),
                "device": str(inference.device),
                "versions": versions(),
            }
            with publishing(options.out, keep=(JOURNAL,)) as new:
                write(new, found, record)
            lines = [
                *source_lines(inference, split_of=str),
                *class_lines([match], annotated),
                *filled_lines(outcome.filled),
            ]
            lines += [*mixed(folder.journal.sessions), *closing_lines(options.out, found, record)]
    failures = failure_lines([asdict(failure) for failure in found.failures], options.out)
    return Report(lines, len(found.failures), failures, facts_of(options.out, found, record))


def write(out: Path, found: Findings, record: dict[str, Any]) -> None:
    """The files of a run, each whole or not at all; run.json last."""
    failures = [asdict(failure) for failure in found.failures]
    write_table(out / "failures.csv", pd.DataFrame(failures, columns=["image", "reason"]))
    for name, finding in found.findings.items():
        write_table(out / f"{name}.csv", finding.table)
        for series, table in finding.series.items():
            write_table(out / f"{name}-{series}.csv", table)
        ax = finding.plot()
        for suffix in ("png", "pdf"):
            with whole(out / f"{name}.{suffix}", "wb") as file:
                save_figure(ax, file, suffix)
        write_json(out / f"{name}.json", finding.as_json())
    write_json(out / "run.json", record)


def closing_lines(out: Path, found: Findings, record: dict[str, Any]) -> list[str]:
    """The verdict, every analysis' figures, what was left out, and where to look."""
    lines = ["verdict", *(f"  {line}" for line in found.verdict.lines())]
    for finding in found.findings.values():
        lines += [finding.name, *(f"  {line}" for line in [*finding.notes, *estimate_lines(finding)])]
    if found.left_out:
        lines.append(f"left out, because no image has a ground-truth box: {', '.join(found.left_out)}")
    done = record["images"] - record["failed"]
    before = f", {record['resumed']} from the run before" if record["resumed"] else ""
    lines.append(
        f"{record['images']} images{before}: {done} analysed, {record['failed']} failed, {record['seconds']:.1f} s, "
        f"{found.passes} forward pass{'es' * (found.passes > 1)} an image"
    )
    return [*lines, f"look at {', '.join(str(out / f'{name}.png') for name in found.findings)}"]


def facts_of(out: Path, found: Findings, record: dict[str, Any]) -> dict[str, Any]:
    """What the closing lines say, for scripts."""
    return {
        **outcome_facts(out, record),
        "verdict": record["verdict"],
        "findings": {name: finding.as_json() for name, finding in found.findings.items()},
        "left_out": record["left_out"],
    }


def estimate_lines(finding: Finding) -> Iterator[str]:
    """The summary's estimates; those of its groups, but for sensitivity, with the group's name before them."""
    for name, value in finding.summary.items():
        group = {name: value} if isinstance(value, Estimate) else {}
        if isinstance(value, dict) and name != "sensitivity":
            group = {f"{name} {key}": item for key, item in value.items() if isinstance(item, Estimate)}
        for label, e in group.items():
            yield f"{label:<30} {e.value:8.3f}  ({e.low:.3f} to {e.high:.3f}, n = {e.n})"
