"""`camkit compare`: photographs in rows, recipes and models in columns, as the papers show them."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from camkit.data import MAX_PIXELS, Fit, Truncated, map_classes, read_dataset
from camkit.errors import CamkitError
from camkit.figures import ComparisonRow, Example, plot_comparison, save_figure
from camkit.inference import Precision
from camkit.localization import Failure, Localization
from camkit.localizer import Localizer
from camkit.metrics.iou import best_iou
from camkit.models import Classifier
from camkit.output import whole
from camkit.progress import progress_bar
from camkit.recipe import Recipe
from camkit.runs.closing import Report, failure_lines, printable
from camkit.runs.facts import model_facts, name_lines, versions
from camkit.runs.measured import title, write_json, write_table
from camkit.runs.results import holding, publishing
from camkit.runs.shown import Shown, of_dataset, of_files

FILES = ("comparison.png", "comparison.pdf", "comparison.csv", "failures.csv", "run.json")
ROWS = 6  # photographs on a page, by default
LARGEST = 600  # pixels along a picture's longer side: a page shows no more
COLUMNS = ("image", "model", "recipe", "label", "name", "score", "x0", "y0", "x1", "y1", "tau", "iou")

Found = dict[str, Localization] | Failure


def run_compare(
    classifiers: Sequence[Classifier],
    recipes: Sequence[str],
    *,
    out: Path,
    images: Sequence[str] = (),
    labels: Path | None = None,
    dataset: str | None = None,
    root: Path | None = None,
    split: str = "val",
    class_map: Path | None = None,
    limit: int = ROWS,
    fit: Fit | None = None,
    head: dict[str, str] | None = None,
    batch_size: int = 16,
    workers: int | None = None,
    device: str = "auto",
    precision: Precision = "fp32",
    max_pixels: int = MAX_PIXELS,
    truncated: Truncated = "fail",
    overwrite: bool = False,
    show_progress: bool = False,
) -> Report:
    """``camkit compare``; its ``--help`` says what each setting means.

    Raises
    ------
    CamkitError
        If the call cannot be carried out, or no photograph can be shown.
    """
    if not recipes or not classifiers:
        raise CamkitError("nothing to compare: give at least one recipe and one model")
    named = {name: Recipe.named(name) for name in recipes}
    with holding(out, FILES, overwrite=overwrite):
        shown = chosen(images, labels, dataset, root, split, class_map, limit)
        found, models = [], []
        for classifier in classifiers:
            localizer = Localizer(classifier, next(iter(named.values())), fit=fit, head=head, batch_size=batch_size,
                                  workers=workers or 0, device=device, precision=precision, max_pixels=max_pixels,
                                  truncated=truncated)  # fmt: skip
            results = localizer.compare(shown.dataset(localizer), named, shown.labels(localizer))
            bar = progress_bar(results, what=classifier.name, total=len(shown.names), shown=show_progress)
            found.append([small(one) for one in bar])
            models.append({**model_facts(classifier), "fit": localizer.preprocess.fit})
        several = len(classifiers) > 1
        heads = [head_of(recipe, of, several) for of in classifiers for recipe in named]
        rows, failures = rows_of(shown, found)
        if not rows:
            raise CamkitError(f"none of the {len(failures)} photographs can be shown; the first: {failures[0].image}: "
                              f"{failures[0].reason}")  # fmt: skip
        record = {"recipes": {name: recipe.to_dict() for name, recipe in named.items()}, "models": models,
                  "images": len(shown.names), "failed": len(failures), "versions": versions()}  # fmt: skip
        with publishing(out) as new:
            write(new, rows, heads, table_of(shown, found, classifiers), failures, record)
    lines = [*dict.fromkeys(line for of in classifiers for line in name_lines(of)), *shown.lines,
             f"{len(rows)} photographs in {len(heads)} columns, {len(failures)} failed: look at "
             f"{out / FILES[0]}"]  # fmt: skip
    failed = failure_lines([asdict(failure) for failure in failures], out)
    return Report(lines, len(failures), failed, {"out": str(out), "images": len(shown.names)})


def chosen(
    images: Sequence[str], labels: Path | None, dataset: str | None, root: Path | None, split: str,
    class_map: Path | None, limit: int,
) -> Shown:  # fmt: skip
    """The photographs that the options name."""
    if dataset is None:
        if not images:
            raise CamkitError("no photographs to compare on: give --images, or --dataset and --root")
        return of_files(images, labels, limit)
    if root is None or labels is not None:
        raise CamkitError("a data set wants --root, and has its own labels: leave out --labels" if root else
                          f"--dataset {dataset} wants --root, where it lies")  # fmt: skip
    annotated = read_dataset(dataset, root, split)
    return of_dataset(annotated if class_map is None else map_classes(class_map, annotated)[0], images, limit)


def small(found: Found) -> Found:
    """What is found, with no more pixels than a page shows: the image's own go."""
    if isinstance(found, Failure):
        return found
    kept = next(iter(found.values())).kept()
    height, width = kept.shape[-2:]
    share = min(1.0, LARGEST / max(height, width))
    size = max(1, round(height * share)), max(1, round(width * share))
    pixels = kept if size == (height, width) else F.interpolate(kept[None], size, mode="bilinear", antialias=True)[0]
    return {name: replace(one, pixels=pixels) for name, one in found.items()}


def head_of(recipe: str, classifier: Classifier, several: bool) -> str:
    """What stands above a column."""
    return f"{title(recipe)}\n{printable(classifier.name)}" if several else title(recipe)


def rows_of(shown: Shown, found: Sequence[Sequence[Found]]) -> tuple[list[ComparisonRow], list[Failure]]:
    """The page's rows, of the photographs that all models have results for; the first failure of each other one."""
    rows, failures = [], []
    for name, truth, its in zip(shown.names, shown.truth, zip(*found, strict=True), strict=True):
        failed = next((one for one in its if isinstance(one, Failure)), None)
        if failed is not None:
            failures.append(failed)
            continue
        cells = [cell for one in its if not isinstance(one, Failure) for cell in one.values()]
        rows.append(row_of(name, truth, cells))
    return rows, failures


def row_of(name: str, truth: NDArray[np.float64], cells: Sequence[Localization]) -> ComparisonRow:
    """One photograph in its row; boxes in the pixels that are shown."""
    pixels = cells[0].kept()
    size = (pixels.shape[-2], pixels.shape[-1])
    height, width = cells[0].size
    scale = np.array([size[1] / width, size[0] / height] * 2)
    examples = [
        Example(name, pixels, cell.map_at(size).astype(np.float64),
                {"truth": truth * scale, "prediction": np.array([cell.box]) * scale})
        for cell in cells
    ]  # fmt: skip
    same_class = len({cell.label for cell in cells}) == 1
    about = f"{printable(name)}: {cells[0].name}" if len(truth) and same_class else printable(name)
    return ComparisonRow(about, pixels, truth * scale, examples, [note_of(cell, truth) for cell in cells])


def note_of(cell: Localization, truth: NDArray[np.float64]) -> str:
    """What stands above a map: how well its box meets the truth, or what was looked for."""
    if len(truth):
        return f"IoU {iou_of(cell, truth):.2f}"
    return cell.title if cell.box[2] > cell.box[0] else f"{cell.title}, no region"


def iou_of(cell: Localization, truth: NDArray[np.float64]) -> float:
    """With the ground-truth box that it meets best; NaN where there is none."""
    return float(best_iou(torch.tensor([cell.box]), truth)[0]) if len(truth) else float("nan")


def table_of(shown: Shown, found: Sequence[Sequence[Found]], classifiers: Sequence[Classifier]) -> pd.DataFrame:
    """A row a photograph, model and recipe."""

    def lines() -> Iterator[tuple[Any, ...]]:
        for i, (name, truth) in enumerate(zip(shown.names, shown.truth, strict=True)):
            for classifier, results in zip(classifiers, found, strict=True):
                cells = results[i]
                for recipe, cell in () if isinstance(cells, Failure) else cells.items():
                    yield (name, classifier.name, recipe, cell.label, cell.name, cell.score, *cell.box, cell.tau,
                           iou_of(cell, truth))  # fmt: skip

    return pd.DataFrame(lines(), columns=COLUMNS)


def write(
    out: Path,
    rows: Sequence[ComparisonRow],
    heads: Sequence[str],
    table: pd.DataFrame,
    failures: Sequence[Failure],
    record: dict[str, Any],
) -> None:
    """The files of a run, each whole or not at all; run.json last."""
    write_table(out / "comparison.csv", table)
    write_table(out / "failures.csv", pd.DataFrame([asdict(one) for one in failures], columns=["image", "reason"]))
    ax = plot_comparison(rows, heads)
    for suffix in ("png", "pdf"):
        with whole(out / f"comparison.{suffix}", "wb") as file:
            save_figure(ax, file, suffix)
    write_json(out / "run.json", record)
