"""`camkit finetune-fc`: a classifier and images by class in, the same classifier with another fc out."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save

from camkit.data import MAX_PIXELS, AnnotatedSet, Fit, hold_out, read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import Evaluation
from camkit.figures import plot_loss_weights
from camkit.inference import Inference
from camkit.metrics import coverage_verdict
from camkit.models import Classifier, save_checkpoint
from camkit.output import whole
from camkit.runs.facts import Report, failure_lines, head_facts, model_facts, versions
from camkit.runs.measured import check_free, told, write_json, write_table
from camkit.training import Descent, Finetuned, MinMax, Schedule, Trial, finetune_fc
from camkit.training.distributed import processes
from camkit.training.sets import repeated
from camkit.training.trials import metrics

HOLDOUT = "holdout:"
FILES = ("model.safetensors", "fc.safetensors", "log.csv", "sweep.csv", "sweep.png", "metrics.json", "failures.csv",
         "run.json")  # fmt: skip
RAISE = {
    "too little": "cover too little: raise --frr",
    "too much": "cover too much: raise --crr",
    "undecided": "cover neither too little nor too much",
}


def run_finetune(
    classifier: Classifier,
    grid: Sequence[MinMax],
    *,
    dataset: str,
    root: Path,
    split: str,
    val_split: str | None,
    out: Path,
    descent: Descent,
    schedule: Schedule,
    fit: Fit = "stretch",
    head: dict[str, str] | None = None,
    workers: int | None = None,
    device: str = "auto",
    max_pixels: int = MAX_PIXELS,
    memory: float = 4.0,
    step: float = 0.01,
    overwrite: bool = False,
    show_progress: bool = False,
) -> Report:
    """Fine-tune and write OUT; ``camkit finetune-fc --help`` says what each setting means.

    Under ``torchrun`` the processes share the work, and the first alone writes and says anything.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    with processes(device) as together:
        begun = time.perf_counter()
        check_free(out, FILES, overwrite)
        together.wait()  # all have looked at the folder
        device = str(together.device)
        train, validation = splits(dataset, root, split, val_split)
        inference = Inference(classifier, device, "fp32", head)
        found = finetune_fc(
            classifier,
            train,
            grid,
            validation=validation,
            descent=descent,
            schedule=schedule,
            fit=fit,
            head=head,
            workers=(4 if inference.device.type == "cuda" else 0) if workers is None else workers,
            device=device,
            max_pixels=max_pixels,
            memory=memory,
            step=step,
            show_progress=show_progress and together.first,
        )
        failures = list(dict.fromkeys(together.gathered(found.failures)))
        if not together.first:
            return Report([], 0)
        found = replace(found, failures=failures)
        record = {
            "settings": {
                **model_facts(classifier),
                "head": head_facts(inference),
                "dataset": dataset,
                "split": split,
                "val_split": val_split,
                "fit": fit,
                "tried": [asdict(settings) for settings in grid],
                "descent": asdict(descent),
                "schedule": asdict(schedule),
            },
            "chosen": asdict(found.chosen.settings),
            "chosen_step": found.chosen.step,
            "chosen_by": chosen_by(found, val_split),
            "stopped": {label(trial): trial.stopped for trial in found.trials},
            **found.facts,
            "seconds": round(time.perf_counter() - begun, 3),
            "processes": together.count,
            "device": str(inference.device),
            "versions": versions(),
        }
        written = write(out, classifier, found, record)
        lines = [*failure_lines([asdict(failure) for failure in found.failures], out), *lines_of(found, record)]
        lines.append(f"look at {', '.join(str(out / name) for name in written)}")
        return Report(lines, len(found.failures) + sum(trial.diverged for trial in found.trials))


def splits(dataset: str, root: Path, split: str, val_split: str | None) -> tuple[AnnotatedSet, AnnotatedSet | None]:
    """The images to train on, and the annotated ones to choose on."""
    train = read_dataset(dataset, root, split)
    if val_split is None:
        return train, None
    if not val_split.startswith(HOLDOUT):
        return train, read_dataset(dataset, root, val_split)
    count = val_split.removeprefix(HOLDOUT)
    if not count.isdecimal() or int(count) < 1:
        raise CamkitError(f"--val-split {val_split}: write {HOLDOUT}N with N images of each class, such as holdout:10")
    return hold_out(train, int(count))


def chosen_by(found: Finetuned, val_split: str | None) -> str:
    """How step and loss weights came about, in words."""
    if found.before is None:
        return "loss weights as given, the last step: there was no annotated image"
    what = "step and loss weights" if len(found.trials) > 1 else "the step"
    return f"{what} by MaxBoxAccV2 on annotated images ({val_split}): figures on them are of the choice's own images"


def label(trial: Trial) -> str:
    return f"crr {trial.settings.crr:g}, frr {trial.settings.frr:g}"


def write(out: Path, classifier: Classifier, found: Finetuned, record: dict[str, Any]) -> list[str]:
    """The files of a run, each whole or not at all, none of an earlier one; the names of those to look at."""
    for name in FILES:
        (out / name).unlink(missing_ok=True)
    failures = pd.DataFrame([asdict(f) for f in found.failures], columns=["image", "reason"])
    tables = {"log.csv": found.log(), "sweep.csv": found.sweep(), "failures.csv": failures}
    for name, table in tables.items():
        write_table(out / name, table)
    with whole(out / "fc.safetensors", "wb") as file:
        file.write(save({name: value.cpu().contiguous() for name, value in found.chosen.state.items()}))
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
                plot_loss_weights(found.sweep()).figure.savefig(file, dpi=150)
            written.append("sweep.csv")
    for name, content in reports.items():
        write_json(out / name, content)
    return written


def lines_of(found: Finetuned, record: dict[str, Any]) -> list[str]:
    """What a run says on the screen."""
    trial, small = found.chosen, record["classes_with_fewer_images_than_a_set"]
    steps = len(trial.rows)
    lines = [f"{record['images']} images of {record['classes']} classes, {steps} steps, {record['seconds']:.1f} s"]
    if small:
        lines.append(repeated(list(small)))
    lines += [f"{label(trial)}: stopped at {trial.stopped}; the best fc before is kept"
              for trial in found.trials if trial.stopped]  # fmt: skip
    if found.before is not None and trial.found is not None:
        lines.append(f"chosen: {label(trial)}, after step {trial.step}{'' if trial.step else ', the fc as it was'}")
        lines += comparison(found.before, trial.found)
    return [*lines, record["chosen_by"]]


def comparison(before: Evaluation, after: Evaluation) -> list[str]:
    """CAM with the fc before and after, and what its boxes' coverage says of the loss weights."""
    rows = [("top1_cls", before.classification, after.classification)]
    rows += [(name, before.localization["cam"], after.localization["cam"])
             for name in ("gt_loc", "max_box_acc", "max_box_acc_v2")]  # fmt: skip
    lines = [f"{name:<15} {told(old[name])} -> {told(new[name])}" for name, old, new in rows]
    excess = after.localization["cam"]["coverage_excess"]
    return [*lines, f"boxes of CAM {RAISE[coverage_verdict(excess)]} ({100 * excess.value:+.1f} % of the image)"]
