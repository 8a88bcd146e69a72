"""One whole run: image files in, a run folder out."""

import csv
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
import torchvision
from tqdm import tqdm

from camkit._version import __version__
from camkit.boxes import Interpolation, MaxThreshold, Normalization, PercentileThreshold
from camkit.data import MAX_PIXELS, Fit, find_images
from camkit.errors import CamkitError
from camkit.inference import Precision
from camkit.localization import Failure
from camkit.localizer import Localizer
from camkit.models import Classifier
from camkit.output import FORMATS, RunFolder
from camkit.recipe import Recipe


@dataclass(frozen=True)
class Report:
    """What a run says at its end."""

    lines: list[str]
    failed: int


def recipe_of(
    nwc: bool,
    pas: bool,
    theta: float | None = None,
    percentile: float = 90.0,
    normalize: Normalization = "minmax",
    interpolation: Interpolation = "bilinear",
) -> Recipe:
    """The recipe that the command line's switches name; theta by default the paper's 0.35 with PaS, 0.2 without."""
    given = {} if theta is None else {"theta": theta}
    threshold = PercentileThreshold(percentile=percentile, **given) if pas else MaxThreshold(**given)
    return Recipe("positive" if nwc else "signed", threshold, normalize, interpolation)


def read_labels(path: Path, names: Sequence[str] | None, num_classes: int) -> dict[str, int]:
    """Image names and their classes from a CSV with the columns image and label, a number or a class name.

    Raises
    ------
    CamkitError
        With the line that cannot be read or whose class the model does not have.
    """
    numbers = {name: i for i, name in enumerate(names or ())}
    labels: dict[str, int] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"image", "label"} <= set(reader.fieldnames or ()):
                raise CamkitError(f"{path}: the first line must name the columns image and label")
            for row in reader:
                image, label = row["image"], (row["label"] or "").strip()
                number = int(label) if label.isdecimal() else numbers.get(label, -1)
                if not 0 <= number < num_classes:
                    raise CamkitError(
                        f"{path}, line {reader.line_num}: label {label!r} is none of the model's {num_classes} classes"
                    )
                if labels.setdefault(image, number) != number:
                    raise CamkitError(f"{path}, line {reader.line_num}: a second label for {image!r}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CamkitError(f"{path}: cannot be read as CSV: {error}") from error
    return labels


def run_localize(
    classifier: Classifier,
    *,
    images: str,
    out: Path,
    labels: Path | None = None,
    topk: int = 1,
    nwc: bool = True,
    pas: bool = True,
    percentile: float = 90.0,
    theta: float | None = None,
    normalize: Normalization = "minmax",
    interpolation: Interpolation = "bilinear",
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
    recipe = recipe_of(nwc, pas, theta, percentile, normalize, interpolation)
    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    if not set(wanted) <= set(FORMATS) or (resume and overwrite):
        wrong = "--resume and --overwrite together" if resume and overwrite else f"--formats {formats}"
        raise CamkitError(f"{wrong}: formats are any of {','.join(FORMATS)}, and a run is resumed or overwritten")
    files = find_images(images)
    localizer = Localizer(
        classifier,
        recipe,
        topk=topk,
        fit=fit,
        batch_size=batch_size,
        workers=0,
        device=device,
        precision=precision,
        max_pixels=max_pixels,
        head=head,
    )
    localizer.workers = (4 if localizer.inference.device.type == "cuda" else 0) if workers is None else workers
    known = None if labels is None else read_labels(labels, classifier.labels, localizer.inference.cam.head.num_classes)
    strangers = sorted(set(known or ()) - {file.name for file in files})
    if strangers:
        raise CamkitError(f"{labels}: {len(strangers)} of its images are not among {images}, such as {strangers[0]!r}")
    settings = {
        "model": classifier.name,
        "weights": classifier.weights,
        "head": asdict_head(localizer),
        "input": asdict(classifier.input),
        "recipe": {**asdict(recipe), "threshold": repr(recipe.threshold)},
        "fit": fit,
        "topk": topk,
        "labels": str(labels) if labels else None,
        "precision": precision,
        "max_pixels": max_pixels,
        "overlays": overlays,
        "save_maps": save_maps,
    }
    folder = RunFolder(out, settings, resume=resume, overwrite=overwrite)
    todo = [file for file in files if not folder.done(file.name)]
    for result in tqdm(
        localizer.stream(todo, known, keep_image=overlays),
        "localize",
        len(todo),
        unit="image",
        disable=not show_progress,
    ):
        if isinstance(result, Failure) and on_error == "fail":
            raise CamkitError(f"{result.image}: {result.reason}")
        folder.add(result, overlays=overlays, maps=save_maps)
    seconds = time.perf_counter() - start
    facts = {
        "images": len(files),
        "resumed": len(files) - len(todo),
        "seconds": round(seconds, 3),
        "forward_seconds": round(localizer.inference.seconds, 3),
        "device": str(localizer.inference.device),
        "batch_size": batch_size,
        "workers": localizer.workers,
        "versions": versions(),
    }
    rows, failures = folder.finish(files, wanted, facts)
    return Report(closing_lines(out, facts, rows, failures, wanted, overlays), len(failures))


def asdict_head(localizer: Localizer) -> dict[str, Any]:
    head = localizer.inference.cam.head
    place = head.feature_map.place
    return {
        "kind": head.kind,
        "features": f"{place.module} ({place.side})",
        "classifier": head.classifier,
        "map_size": list(head.map_size),
        "completeness": head.completeness,
    }


def versions() -> dict[str, str]:
    return {
        "camkit": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def printable(text: str) -> str:
    """The text as a terminal may be shown it: file names can hold control characters and bytes that are no UTF-8."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def closing_lines(
    out: Path,
    facts: Mapping[str, Any],
    rows: list[dict[str, Any]],
    failures: list[dict[str, Any]],
    formats: Sequence[str],
    overlays: bool,
) -> list[str]:
    """What was done, how fast, and where to look."""
    lines = [printable(f"{entry['image']}: {entry['reason']}") for entry in failures[:10]]
    if len(failures) > len(lines):
        lines.append(f"... and {len(failures) - len(lines)} more, all in {out / 'failures.csv'}")
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
