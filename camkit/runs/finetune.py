"""`camkit finetune-fc`: a classifier and images by class in, the same classifier with another fc out."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.data import read_dataset, read_splits
from camkit.evaluation import Evaluation
from camkit.figures import plot_sweep, save_figure
from camkit.inference import Inference
from camkit.metrics import coverage_verdict
from camkit.models import Classifier, fc_file, save_checkpoint
from camkit.output import whole
from camkit.process_group import process_group
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.facts import head_facts, model_facts, versions
from camkit.runs.measured import with_interval, write_json, write_table
from camkit.runs.options import RunOptions
from camkit.runs.results import holding, publishing
from camkit.training import Descent, Finetuned, MinMax, Schedule, finetune_fc
from camkit.training.minmax.trials import CRITERION, TRIED, metrics, score
from camkit.training.sets import describe_small_classes

FILES = ("model.safetensors", "fc.safetensors", "log.csv", "sweep.csv", "sweep.png", "metrics.json", "failures.csv",
         "run.json")  # fmt: skip
WORDS = {"weight_crr": "CRR", "weight_frr": "FRR", "set_size": "S"}
COVER = {
    "too little": "cover too little",
    "too much": "cover too much",
    "undecided": "cover neither too little nor too much",
}
RAISE = {"too little": "frr", "too much": "crr"}  # what would mend it


def run_finetune(
    classifier: Classifier,
    grid: Sequence[MinMax],
    options: RunOptions,
    *,
    val_split: str | None,
    descent: Descent,
    schedule: Schedule,
    memory: float = 4.0,
) -> Report:
    """Fine-tune and write OUT; ``camkit finetune-fc --help`` says what each setting means.

    Under ``torchrun`` the processes share the work, and the first alone writes and says anything.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    own: dict[str, Any] = {"descent": descent, "schedule": schedule, "memory": memory}
    begun = time.perf_counter()
    with process_group(options.device) as group, holding(options.out, FILES, overwrite=options.overwrite, group=group):
        options = replace(options, device=str(group.device), show_progress=options.show_progress and group.is_main)
        read = (options.dataset, options.root, options.split)
        splits = [read_dataset(*read)] if val_split is None else read_splits(*read, val_split)
        train, *more = options.mapped(*splits)
        validation = more[0] if more else None
        inference = options.inference(classifier)
        own["workers"] = options.num_workers(inference)
        found = finetune_fc(classifier, train, grid, validation=validation, **own, **finetune_options(options))
        filled = list(dict.fromkeys(group.all_gather(options.filled.names())))
        if not group.is_main:
            return Report([], 0)
        record = {
            "settings": {
                **settings_of(inference, options),
                "val_split": val_split,
                "memory": memory,
                "tried": [asdict(settings) for settings in grid],
                "descent": asdict(descent),
                "schedule": asdict(schedule),
            },
            **outcome(found, options.split, val_split),
            "seconds": round(time.perf_counter() - begun, 3),
            "filled": filled,
            "processes": group.world_size,
            "device": str(inference.device),
            "versions": versions(),
        }
        with publishing(options.out) as new:
            written = write(new, classifier, found, record)
    lines = [*lines_of(found, record), *filled_lines(filled)]
    lines.append(f"look at {', '.join(str(options.out / name) for name in written)}")
    failures = failure_lines([asdict(failure) for failure in found.failures], options.out)
    facts = outcome_facts(options.out, record) | {name: record[name] for name in ("chosen", "chosen_step", "chosen_by")}
    if found.before is not None and found.chosen.found is not None:
        facts |= {"before": metrics(found.before), "after": metrics(found.chosen.found)}
    return Report(lines, len(found.failures) + sum(trial.diverged for trial in found.trials), failures, facts)


def finetune_options(options: RunOptions) -> dict[str, Any]:
    """What `finetune_fc` takes of a run's options."""
    names = ("fit", "head", "device", "max_pixels", "step", "show_progress")
    return {name: getattr(options, name) for name in names}


def settings_of(inference: Inference, options: RunOptions) -> dict[str, Any]:
    """What is fine-tuned, and on what; `step` lies between the thresholds of MaxBoxAccV2."""
    names = ("root", "dataset", "split", "class_map", "fit", "max_pixels", "truncated", "step")
    facts = options.facts()
    return {**model_facts(inference.classifier), "head": head_facts(inference), **{name: facts[name] for name in names}}


def outcome(found: Finetuned, split: str, val_split: str | None) -> dict[str, Any]:
    """What was chosen, by what, and from what."""
    return {
        "chosen": asdict(found.chosen.settings) if found.chosen.step else None,
        "chosen_step": found.chosen.step,
        "chosen_by": chosen_by(found, split, val_split),
        "stopped": {trial.name: trial.stopped for trial in found.trials},
        "sets": {f"S {trial.settings.set_size}": trial.sets for trial in found.trials},
        **found.facts,
    }


def chosen_by(found: Finetuned, split: str, val_split: str | None) -> str:
    """How step and loss weights came about, in words."""
    if found.before is None:
        return "loss weights as given, the last step: there was no annotated image"
    tried = [trial.tried for trial in found.trials]
    more = [WORDS[name] for name in TRIED if len({one[name] for one in tried}) > 1]
    what = ", ".join(["the step", *more])
    trained = ", and they were trained on" if val_split == split else ""
    return (
        f"{what} by MaxBoxAccV2 on annotated images ({val_split}): figures on them are of the choice's own "
        f"images{trained}"
    )


def write(out: Path, classifier: Classifier, found: Finetuned, record: dict[str, Any]) -> list[str]:
    """The files of a run; the names of those to look at."""
    failures = pd.DataFrame([asdict(f) for f in found.failures], columns=["image", "reason"])
    tables = {"log.csv": found.log(), "sweep.csv": found.sweep(), "failures.csv": failures}
    for name, table in tables.items():
        write_table(out / name, table)
    with whole(out / "fc.safetensors", "wb") as file:
        file.write(fc_file(classifier.model, found.chosen.state))
    written = ["fc.safetensors", "log.csv", "run.json"]
    if classifier.network:
        facts = {key: record[key] for key in ("chosen", "chosen_step", "chosen_by")}
        save_checkpoint(out / "model.safetensors", classifier.model, classifier.card(finetuned=facts))
        written.insert(0, "model.safetensors")
    reports: dict[str, Any] = {"run.json": record}
    if found.before is not None and found.chosen.found is not None:
        reports["metrics.json"] = {
            "chosen_by": record["chosen_by"],
            "before": metrics(found.before),
            "after": metrics(found.chosen.found),
        }
        written.append("metrics.json")
        if len(found.trials) > 1:
            with whole(out / "sweep.png", "wb") as file:
                save_figure(plot_trials(found), file, "png")
            written += ["sweep.csv", "sweep.png"]
    for name, content in reports.items():
        write_json(out / name, content)
    return written


def plot_trials(found: Finetuned) -> Any:
    """MaxBoxAccV2 over the setting that takes the most values, a curve each for what else differs."""
    shown = "MaxBoxAccV2 after the last step, %"
    sweep = found.sweep().dropna(subset=[*TRIED]).rename(columns=lambda name: name.replace(CRITERION, shown))
    varied = sorted((name for name in TRIED if sweep[name].nunique() > 1), key=lambda name: -sweep[name].nunique())
    along, *others = varied or TRIED
    sweep["with"] = [", ".join(f"{WORDS[name]} {row[name]:g}" for name in others) for _, row in sweep.iterrows()]
    before = None if found.before is None else score(found.before)
    return plot_sweep(sweep, along, shown, "with" if others else None, reference=before)


def lines_of(found: Finetuned, record: dict[str, Any]) -> list[str]:
    """What a run says on the screen."""
    trial, unread = found.chosen, {failure.image for failure in found.failures}
    counted = f"{record['images']} images of {record['classes']} classes"
    steps = f"{len(trial.rows)} step{'s' * (len(trial.rows) != 1)}"
    lines = [f"{counted}, {steps}, {record['seconds']:.1f} s"]
    if unread:
        lines[0] += f"; {len(unread)} images could not be used"
    lines += [f"note: {note}" for note in record["class_match"]["notes"]]
    for label in record["classes_without_a_readable_image"]:
        lines.append(f"class {label}: none of its images can be read, so that it only lost to the others: take it out")
    for one in found.trials:
        size, asked, sets = f"S {one.settings.set_size}", one.settings.sets, one.sets
        if sets["classes_with_fewer_images"]:
            lines.append(f"{size}: {describe_small_classes(list(sets['classes_with_fewer_images']))}")
        if sets["sets"] < asked:
            lines.append(f"{size}: {sets['sets']} sets in a mini-batch, there are no {asked}")
        if one.stopped:
            lines.append(f"{one.name}: stopped at {one.stopped}; the best fc before is kept")
    lines = list(dict.fromkeys(lines))  # trials may share their sets
    if trial.rows:
        first, last = (row["cross_entropy"] for row in (trial.rows[0], trial.rows[-1]))
        lines.append(f"{trial.name}: cross-entropy {first:.4g} before its first step, {last:.4g} before its last")
    if found.before is not None and trial.found is not None:
        chosen = f"{trial.name}, after step {trial.step}" if trial.step else "the fc as it was, nothing was better"
        lines += [f"chosen: {chosen}", *comparison(found.before, trial.found), *coverage_lines(found)]
    return [*lines, record["chosen_by"]]


COMPARED = {"top1_cls": "Top-1 classification", "gt_loc": "GT-known Loc", "max_box_acc": "MaxBoxAcc",
            "max_box_acc_v2": "MaxBoxAccV2"}  # fmt: skip


def comparison(before: Evaluation, after: Evaluation) -> list[str]:
    """CAM with the fc before and after."""
    rows = [("top1_cls", before.classification, after.classification)]
    rows += [(name, before.localization["cam"], after.localization["cam"]) for name in list(COMPARED)[1:]]
    told = [f"{COMPARED[name]:<21} {with_interval(old[name])} -> {with_interval(new[name])}" for name, old, new in rows]
    return ["CAM before and after, percent with the 95 % interval:", *told]


def coverage_lines(found: Finetuned) -> list[str]:
    """How much of the image boxes cover with the chosen fc; which weight to raise, where none higher was tried."""
    assert found.chosen.found is not None
    excess = found.chosen.found.localization["cam"]["coverage_excess"]
    verdict = coverage_verdict(excess)
    line = f"with this fc boxes of CAM {COVER[verdict]} ({100 * excess.value:+.1f} % of the image)"
    if verdict not in RAISE:
        return [line]
    name = RAISE[verdict]
    chosen, highest = (getattr(found.chosen.settings, name), max(getattr(one.settings, name) for one in found.trials))
    if not found.chosen.step or highest > chosen:
        return [f"{line}; --{name} up to {highest:g} was tried, and none came out better by MaxBoxAccV2"]
    return [f"{line}: a higher --{name} than {highest:g} was not tried"]
