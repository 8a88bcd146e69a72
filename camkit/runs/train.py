"""`camkit train`: settings in, a run folder out."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from camkit.runs.closing import Report, filled_lines, printable
from camkit.runs.facts import versions
from camkit.training import TrainResult, TrainSettings, train
from camkit.training.folder import publish_run

SHOWN = 10


def run_train(
    settings: TrainSettings,
    out: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    show_progress: bool = False,
    echo: Callable[[str], None] = lambda _: None,
) -> Report:
    """``camkit train``; arguments as `camkit.training.train`.

    Raises
    ------
    CamkitError
        If the call cannot be carried out.
    """
    done = train(settings, out, resume=resume, overwrite=overwrite, show_progress=show_progress, echo=echo)
    if not done.is_main:
        return Report([], 0)
    facts = {
        "settings": asdict(done.settings),
        "images": done.images,
        "dropped_each_epoch": done.dropped,
        "problems": done.problems,
        "filled": done.filled,
        "parameters": done.parameters,
        "best_epoch": done.best_epoch,
        "processes": done.processes,
        "device": done.device,
        "seconds": round(done.seconds, 3),
        "versions": versions(),
    }
    publish_run(out, facts)
    facts = {"images": done.images, "seconds": done.seconds, "best_epoch": done.best_epoch, "filled": done.filled}
    log = done.log.to_dict("records")
    facts |= {"out": str(out), "best": log[done.best_epoch - 1], "last": log[-1]}
    return Report(closing_lines(settings, done), len(done.problems), problem_lines(done), facts)


def problem_lines(done: TrainResult) -> list[str]:
    """The first entries of the data set that could not be used."""
    lines = [printable(problem) for problem in done.problems[:SHOWN]]
    if len(done.problems) > SHOWN:
        lines.append(f"... and {len(done.problems) - SHOWN} more, all in {done.out / 'run.json'}")
    return lines


def closing_lines(settings: TrainSettings, done: TrainResult) -> list[str]:
    """How good the weights are, and where to look."""
    lines = filled_lines(done.filled)
    if done.dropped:
        unit = "set or a batch" if done.in_sets else "batch"
        lines.append(f"{done.dropped} of {done.images} images do not fill a {unit}: each epoch leaves out others")
    rows = done.log.to_dict("records")
    for name, row in (("last", rows[-1]), ("best", rows[done.best_epoch - 1])):
        measured = {str(key).removeprefix("val_"): row[key] for key in row if str(key).startswith("val_")}
        figures = ", ".join(f"{key} {value:.2f}" for key, value in measured.items())
        lines.append(f"{name}: epoch {row['epoch']}, loss {row['loss']:.4f}; on {settings.val_split}: {figures}")
    boxes = f"pseudo boxes ({settings.pseudo_boxes})" if settings.pseudo_boxes else "the boxes of that split"
    chosen = "" if settings.best == "top1_cls" else f", with {boxes}"
    lines.append(f"best by {settings.best} on {settings.val_split}{chosen}: a figure on the same split flatters it")
    lines.append(f"{done.seconds:.1f} s; look at {done.out / 'curve.png'}, and try camkit localize --model "
                 f"{done.out / 'best.safetensors'}")  # fmt: skip
    return lines
