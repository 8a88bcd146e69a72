"""`camkit localize`: image files in, a run folder out."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from camkit.boxes import LARGEST, RegionChoice
from camkit.data import MAX_PIXELS, Fit, ImageFile, ImageList, Truncated
from camkit.data.names import written_path
from camkit.errors import CamkitError
from camkit.inference import Precision
from camkit.localization import Failure, Localization, Result
from camkit.localizer import Localizer
from camkit.metrics.threshold_splits import FIXED
from camkit.models import Classifier
from camkit.output import FORMATS, RunFolder
from camkit.output.changes import Changed
from camkit.output.parquet import require_pyarrow
from camkit.output.pictures import PNG, OverlayOptions, drawn_ahead
from camkit.output.results import Summary, table_files
from camkit.process_group import ProcessGroup, process_group
from camkit.progress import progress_bar
from camkit.recipe import Recipe
from camkit.runs.closing import Report, failure_lines, filled_lines, outcome_facts
from camkit.runs.facts import head_facts, model_facts, name_lines, source_lines, versions
from camkit.runs.fingerprint import fingerprint
from camkit.runs.labels import read_labels
from camkit.runs.optimized import optimize_lines, optimizes, outcome_of
from camkit.runs.photographs import common_root, photographs_in
from camkit.runs.sessions import mixed
from camkit.runs.shares import Shard, digest_of, share_of, unfinished

ONE_BY_ONE, MAPS_PER_FILE = 10_000, 1000  # images of a run with a file of maps for each, and of a file in larger runs


def run_localize(
    classifier: Classifier,
    recipe: Recipe | None = None,
    *,
    images: str | Sequence[str],
    out: Path,
    chosen_on: str = FIXED,
    labels: Path | None = None,
    topk: int = 1,
    min_score: float = 0.0,
    fit: Fit | None = None,
    head: dict[str, str] | None = None,
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    optimize: bool | None = None,
    compile: bool = False,
    max_pixels: int = MAX_PIXELS,
    truncated: Truncated = "fail",
    regions: int | None = 1,
    min_area: float = 0.0,
    overlays: bool | int = True,
    overlay_format: str = "png",
    overlay_side: int | None = None,
    save_maps: bool = False,
    maps_per_file: int | None = None,
    save_masks: bool = False,
    formats: str = "csv,coco",
    resume: bool = False,
    overwrite: bool = False,
    on_error: str = "skip",
    shard: tuple[int, int] = (1, 1),
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
    if min_score and labels is not None:
        raise CamkitError(f"--labels names the class to find in each image: leave out --min-score {min_score:g}")
    part, pictures = Shard(*shard), OverlayOptions(overlay_format, overlay_side)
    with process_group(device) as group:
        every, notes = photographs_in([images] if isinstance(images, str) else images, out)
        own_device = group.device_name(device)
        faster = optimizes(classifier, own_device, precision) if optimize is None else optimize
        localizer = Localizer(classifier, recipe or Recipe(), topk=topk, fit=fit, batch_size=batch_size,
                              device=own_device, precision=precision, max_pixels=max_pixels, truncated=truncated,
                              head=head, optimize=faster, compile=compile,
                              regions=RegionChoice(regions, min_area))  # fmt: skip
        inference, files = localizer.inference, part.part(every, batch_size)
        if fit is None and localizer.preprocess.fit != "keep":
            notes.append("note: fit stretch: the network takes inputs of one shape")
        localizer.workers = (4 if inference.device.type == "cuda" else 0) if workers is None else workers
        num_classes = inference.source.num_classes
        known = None if labels is None else read_labels(labels, every, classifier.class_names, num_classes)
        own: dict[str, Any] = {
            "threshold_split": chosen_on,
            "labels": "predicted" if known is None else "given",
            "overlays": bool(overlays),
            "save_maps": save_maps,
        } | ({"min_score": min_score} if min_score else {})
        if overlays and pictures != PNG:
            own |= {"overlay_format": overlay_format, "overlay_side": overlay_side}
        overlaid = images_with_overlays(every, overlays)
        if isinstance(overlaid, frozenset):
            own["overlay_images"] = {"count": len(overlaid), "names_sha256": digest_of(sorted(overlaid))}
        own |= {} if localizer.regions == LARGEST else {"regions": regions or "all", "min_area": min_area}
        per_file = maps_per_file or (MAPS_PER_FILE if len(every) > ONE_BY_ONE else 1)
        own |= {"maps_per_file": per_file} if save_maps and per_file > 1 else {}
        own |= {"save_masks": True} if save_masks else {}
        with RunFolder(out, files, settings_of(localizer) | own | part.settings(), session_of(localizer, group),
                       changed=changes(known, max_pixels), overlays=overlaid, maps=save_maps, maps_per_file=per_file,
                       masks=save_masks,
                       overlay_options=pictures,
                       formats=wanted, class_names=class_names_of(localizer), resume=resume, overwrite=overwrite,
                       group=group) as folder:  # fmt: skip
            before = folder.done
            results = unfinished(folder, localizer, None if known is None else known.get)
            bar = progress_bar(results, what="localize", total=share_of(len(files) - before, group),
                               shown=show_progress and group.is_main)  # fmt: skip
            add_all(folder, bar, min_score, fail=on_error == "fail")
            summary = folder.write_tables()
            if summary is None:
                return Report([], 0)
            facts = {"images": len(files), "images_root": common_root(files), "resumed": before,
                     "completeness": inference.source.completeness, "filled": summary.filled,
                     "optimized": outcome_of(inference), **part.facts(every),
                     **costs_of(localizer, start)}  # fmt: skip
            folder.write_record(facts)
    notes += (
        source_lines(inference)
        + optimize_lines(inference, asked=bool(optimize or compile))
        + name_lines(classifier)
        + mixed(folder.journal.sessions)
    )
    drawn = {"overlays": bool(overlays), "masks": save_masks}
    lines = [*notes, *weak_lines(summary, min_score), *closing_lines(out, facts, summary, wanted, drawn)]
    told = outcome_facts(out, facts) | {
        "resumed": before,
        "boxes": summary.rows,
        "empty": summary.empty,
        "below_min_score": summary.left_out,
    }
    return Report(lines, summary.failed, failure_lines(summary.failures, out, failed=summary.failed), told)


def add_all(folder: RunFolder, results: Iterable[tuple[ImageFile, Result]], min_score: float, *, fail: bool) -> None:
    """Write what each image's result holds of classes that are not weak; with `fail` the first failure ends the run."""

    def strong() -> Iterator[tuple[tuple[ImageFile, Result], list[Localization]]]:
        for one in results:
            _, result = one
            yield one, [] if isinstance(result, Failure) else [found for found in result if found.score >= min_score]

    kept = strong()
    drawn: Generator[tuple[tuple[ImageFile, Result], list[Localization], list[Future[bytes]]], None, None]
    drawn = drawn_ahead(kept, folder.overlay_options, folder.draws) if folder.overlays else ((*one, []) for one in kept)
    with closing(drawn):
        for (file, result), found, encoded in drawn:
            if fail and isinstance(result, Failure):
                raise CamkitError(f"{written_path(result.image)}: {result.reason}")
            if isinstance(result, Failure):
                folder.add(file, result)
            else:
                filled = any(one.filled for one in result)
                folder.add(file, found, filled=filled, left_out=len(result) - len(found), encoded=encoded)


def images_with_overlays(files: ImageList, overlays: bool | int) -> bool | frozenset[str]:
    """Of which images overlays are drawn: all, none, or as many, evenly spaced over the list of all shards."""
    if isinstance(overlays, bool):
        return overlays
    if overlays < 1:
        raise CamkitError(f"overlays of {overlays} images: give 1 or more, or leave them out with --no-overlays")
    return frozenset(file.name for file in files.evenly(overlays))


def weak_lines(summary: Summary, min_score: float) -> list[str]:
    """How many classes were left out as weak, and how many images have none left."""
    if not summary.left_out:
        return []
    images = summary.images - summary.failed
    none_left = f"; {summary.bare} of {images} images have none left" if summary.bare else ""
    classes = summary.classes + summary.left_out
    return [f"{summary.left_out} of {classes} classes below --min-score {min_score:g} are left out{none_left}"]


def changes(known: Mapping[str, int] | None, max_pixels: int) -> Changed:
    """What is asked of a finished image that was not asked when it was finished."""

    def changed(image: str, rows: Sequence[dict[str, Any]]) -> str | None:
        if not rows:  # every class of it was left out
            return None
        first = rows[0]
        if known is not None and known.get(image) != first["label"]:
            return f"--labels: the class of {written_path(image)} {first['label']} -> {known.get(image)}"
        if first["width"] * first["height"] > max_pixels:
            return f"--max-pixels {max_pixels} refuses {written_path(image)}, which is finished"
        return None

    return changed


def settings_of(localizer: Localizer) -> dict[str, Any]:
    """What boxes depend on: a run that is resumed must have the same."""
    inference = localizer.inference
    head = head_facts(inference)
    del head["completeness"]  # measured, with digits of the machine's
    return {
        **model_facts(inference.classifier),
        **fingerprint(inference.classifier, localizer.recipe),
        "head": head,
        "recipe": localizer.recipe.to_dict(),
        "fit": localizer.preprocess.fit,
        "topk": localizer.topk,
        "precision": inference.precision,
        "truncated": "fail" if localizer.filled is None else "fill",
    }


def class_names_of(localizer: Localizer) -> Sequence[str]:
    """The names of the model's classes, their numbers where it has none."""
    inference = localizer.inference
    return inference.classifier.class_names or tuple(map(str, range(inference.source.num_classes)))


def session_of(localizer: Localizer, group: ProcessGroup) -> dict[str, Any]:
    """What a run may change between one part and the next, at the cost of last digits."""
    optimized = localizer.inference.optimized
    return {
        "device": str(localizer.inference.device),
        **({"processes": group.world_size} if group.world_size > 1 else {}),
        "batch_size": localizer.batch_size,
        "optimize": bool(optimized and optimized.fold),
        "compile": bool(optimized and optimized.compiled),
        "max_pixels": localizer.max_pixels,
        "versions": versions(),
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
    if "parquet" in wanted:
        require_pyarrow()
    return wanted


def closing_lines(
    out: Path,
    facts: Mapping[str, Any],
    summary: Summary,
    formats: Sequence[str],
    folders: Mapping[str, bool],
) -> list[str]:
    """What was done, how fast, and where to look."""
    empty = f" ({summary.empty} of them empty: no region above the threshold)" if summary.empty else ""
    done = facts["images"] - facts["resumed"]
    before = f", {facts['resumed']} from the run before" if facts["resumed"] else ""
    lines = [f"{facts['images']} images{before}: {summary.rows} boxes{empty}, {summary.failed} failed"]
    share = facts["forward_seconds"] / facts["seconds"] if facts["seconds"] else 0
    lines.append(
        f"{facts['seconds']:.1f} s, {done / facts['seconds']:.1f} images/s; "
        f"the forward pass alone took {facts['forward_seconds']:.1f} s, {share:.0%} of it"
    )
    shown = table_files(formats) + [f"{name}/" for name, drawn in folders.items() if drawn]
    lines += [*filled_lines(facts["filled"]), f"look at {', '.join(str(out / name) for name in shown)}"]
    return lines
