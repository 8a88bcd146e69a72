"""`camkit localize`: image files in, a run folder out."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from camkit.data import MAX_PIXELS, Fit, ImageFile, find_images
from camkit.data.formats.tables import Table, mending
from camkit.errors import CamkitError
from camkit.inference import Inference, Precision
from camkit.localization import Failure
from camkit.localizer import Localizer
from camkit.metrics.per_image import FIXED
from camkit.models import Classifier
from camkit.models.class_names import ClassNames
from camkit.output import FORMATS, RunFolder
from camkit.recipe import Recipe
from camkit.runs.facts import Report, failure_lines, head_facts, model_facts, name_lines, versions


def read_labels(path: Path, names: Sequence[str] | None, num_classes: int) -> dict[str, int]:
    """Image names and their classes from a CSV with the columns image and label, a number or a class name.

    Raises
    ------
    CamkitError
        With the line that cannot be read or whose class the model does not have.
    """
    model = ClassNames(num_classes, names)
    labels: dict[str, int] = {}
    for line in Table(path, "check --labels").lines(("image", "label")):
        with mending(line):
            image, number = line.fields[0], model.find(line.text(1))
            if labels.setdefault(image, number) != number:
                raise CamkitError(f"a second label for {image!r:.200}")
    return labels


def run_localize(
    classifier: Classifier,
    recipe: Recipe | None = None,
    *,
    images: str,
    out: Path,
    chosen_on: str = FIXED,
    labels: Path | None = None,
    topk: int = 1,
    fit: Fit = "stretch",
    head: dict[str, str] | None = None,
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    max_pixels: int = MAX_PIXELS,
    overlays: bool = True,
    save_maps: bool = False,
    formats: str = "csv,coco",
    resume: bool = False,
    overwrite: bool = False,
    on_error: str = "skip",
    show_progress: bool = False,
) -> Report:
    """``camkit localize``; its ``--help`` says what each setting means.

    Raises
    ------
    CamkitError
        If the call cannot be carried out, or with ``on_error="fail"`` if one image cannot.
    """
    start = time.perf_counter()
    wanted = checked_formats(formats)
    if resume and overwrite:
        raise CamkitError("--resume and --overwrite together: a run is resumed or overwritten")
    files = find_images(images)
    localizer = Localizer(classifier, recipe or Recipe(), topk=topk, fit=fit, batch_size=batch_size, device=device,
                          precision=precision, max_pixels=max_pixels, head=head)  # fmt: skip
    localizer.workers = (4 if localizer.inference.device.type == "cuda" else 0) if workers is None else workers
    known = None if labels is None else labels_of(labels, files, localizer.inference)
    own = {"threshold_split": chosen_on, "labels": str(labels) if labels else None, "overlays": overlays,
           "save_maps": save_maps}  # fmt: skip
    folder = RunFolder(out, settings_of(localizer) | own, resume=resume, overwrite=overwrite)
    todo = [file for file in files if not folder.done(file.name)]
    results = localizer.stream(todo, known, keep_image=overlays)
    for result in tqdm(results, "localize", len(todo), unit="image", disable=not show_progress):
        if isinstance(result, Failure) and on_error == "fail":
            raise CamkitError(f"{result.image}: {result.reason}")
        folder.add(result, overlays=overlays, maps=save_maps)
    facts = {"images": len(files), "resumed": len(files) - len(todo), **costs_of(localizer, start)}
    rows, failures = folder.finish(files, wanted, facts)
    lines = name_lines(classifier) + closing_lines(out, facts, rows, failures, wanted, overlays)
    return Report(lines, len(failures))


def settings_of(localizer: Localizer) -> dict[str, Any]:
    """What boxes depend on: a run that is resumed must have the same."""
    inference = localizer.inference
    return {
        **model_facts(inference.classifier),
        "head": head_facts(inference),
        "recipe": localizer.recipe.to_dict(),
        "fit": localizer.preprocess.fit,
        "topk": localizer.topk,
        "precision": inference.precision,
        "max_pixels": localizer.max_pixels,
    }


def costs_of(localizer: Localizer, start: float) -> dict[str, Any]:
    """Time, and what it depends on."""
    return {
        "seconds": round(time.perf_counter() - start, 3),
        "forward_seconds": round(localizer.inference.seconds, 3),
        "device": str(localizer.inference.device),
        "batch_size": localizer.batch_size,
        "workers": localizer.workers,
        "versions": versions(),
    }


def checked_formats(formats: str) -> list[str]:
    """The names in a list with commas; `CamkitError` where one is unknown."""
    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    if not set(wanted) <= set(FORMATS):
        raise CamkitError(f"--formats {formats}: formats are any of {','.join(FORMATS)}")
    return wanted


def labels_of(path: Path, files: Sequence[ImageFile], inference: Inference) -> dict[str, int]:
    """The classes in a CSV; `CamkitError` where it speaks of other images."""
    known = read_labels(path, inference.classifier.labels, inference.source.num_classes)
    strangers = sorted(set(known) - {file.name for file in files})
    if strangers:
        raise CamkitError(f"{path}: {len(strangers)} of its images were not given, such as {strangers[0]!r}")
    return known


def closing_lines(
    out: Path,
    facts: Mapping[str, Any],
    rows: list[dict[str, Any]],
    failures: list[dict[str, Any]],
    formats: Sequence[str],
    overlays: bool,
) -> list[str]:
    """What was done, how fast, and where to look."""
    lines = failure_lines(failures, out)
    without = sum(row["x1"] <= row["x0"] for row in rows)
    empty = f" ({without} of them empty: no region above the threshold)" if without else ""
    done = facts["images"] - facts["resumed"]
    before = f", {facts['resumed']} from the run before" if facts["resumed"] else ""
    lines.append(f"{facts['images']} images{before}: {len(rows)} boxes{empty}, {len(failures)} failed")
    share = facts["forward_seconds"] / facts["seconds"] if facts["seconds"] else 0
    lines.append(
        f"{facts['seconds']:.1f} s, {done / facts['seconds']:.1f} images/s; "
        f"the forward pass alone took {facts['forward_seconds']:.1f} s, {share:.0%} of it"
    )
    names = {"csv": "boxes.csv", "coco": "coco.json", "jsonl": "boxes.jsonl"}
    shown = [names[name] for name in formats] + (["overlays/"] if overlays else [])
    lines.append(f"look at {', '.join(str(out / name) for name in shown)}")
    return lines
