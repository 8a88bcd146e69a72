"""`camkit demo`: the main job on six photographs that come with scikit-image, and a page that compares the recipes."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from camkit.errors import CamkitError
from camkit.figures import Example, plot_recipes, save_figure
from camkit.localization import Failure, Localization
from camkit.localizer import Localizer
from camkit.models import Classifier
from camkit.output import owned_files, whole
from camkit.recipe import RECIPES
from camkit.runs.closing import Report
from camkit.runs.localize import run_localize

FOLDER, PAGE = "photographs", "demo.png"
MARK = ".camkit-demo"  # says whose folder it is, before anything else is written there


@dataclass(frozen=True)
class Photograph:
    """One of scikit-image's, in the public domain or CC0.

    Attributes
    ----------
    name : str
        Of the function in `skimage.data`.
    shows : str
        What a person sees in it.
    right : tuple of str
        ImageNet's names for that; of some things it has none.
    """

    name: str
    shows: str
    right: tuple[str, ...] = ()

    def names(self, result: Localization) -> bool:
        """Whether the result has one of the right names."""
        return result.name in self.right


PHOTOGRAPHS = (
    Photograph("chelsea", "a cat", ("Egyptian cat", "tabby", "tiger cat")),
    Photograph("coffee", "a cup of espresso", ("espresso", "cup", "coffee mug")),
    Photograph("camera", "a man with a camera on a tripod", ("tripod", "reflex camera")),
    Photograph("clock", "a wall clock, blurred", ("wall clock", "analog clock")),
    Photograph("rocket", "a rocket before its launch"),
    Photograph("astronaut", "an astronaut"),
)


def run_demo(classifier: Classifier, out: Path, *, show_progress: bool = False) -> Report:
    """Localize the photographs into `out`, which is empty, not there, or an earlier demo's.

    Raises
    ------
    CamkitError
        The folder holds other things, or cannot be written to.
    """
    refuse_foreign_files(out)
    folder = out / FOLDER
    try:
        with whole(out / MARK) as file:
            file.write("camkit demo writes this folder anew each time.\n")
        for photograph in PHOTOGRAPHS:
            with whole(folder / f"{photograph.name}.png", "wb") as file:
                Image.fromarray(getattr(skimage.data, photograph.name)()).save(file, "PNG")
    except OSError as error:
        raise CamkitError(f"cannot write to {error.filename}: {error.strerror}; give another --out") from error
    report = run_localize(classifier, images=str(folder), out=out, overwrite=True, show_progress=show_progress)
    if report.failed:
        return report
    found = compared(classifier, folder)
    with whole(out / PAGE, "wb") as file:
        save_figure(page(found), file, "png")
    both = [recipes["nwc+pas"] for recipes in found.values()]
    head = f"{classifier.name} on {len(found)} photographs of scikit-image's, with NWC and PaS"
    where = f"look at {out / PAGE}: CAM and NWC, the maximum and the percentile, side by side"
    facts = report.facts | {"page": str(out / PAGE)}
    return Report([head, "", *table(both), "", *report.lines, where], 0, facts=facts)


def refuse_foreign_files(out: Path) -> None:
    """`CamkitError` where the folder holds anything that a demo did not write."""
    if not out.exists():
        return
    if not out.is_dir():
        raise CamkitError(f"{out} is no folder: give another --out")
    there = [os.path.relpath(os.path.join(top, name), out) for top, _, names in os.walk(out) for name in names]
    own = {MARK, PAGE, *(f"{FOLDER}/{photograph.name}.png" for photograph in PHOTOGRAPHS), *owned_files(out)}
    strange = sorted(name for name in there if Path(name).as_posix() not in own)
    if there and not (out / MARK).exists():
        strange = sorted(there)
    if strange:
        raise CamkitError(f"{out} holds {strange[0]}, which no camkit demo wrote: move it away, or give another --out")


def compared(classifier: Classifier, folder: Path) -> dict[Photograph, dict[str, Localization]]:
    """Each photograph under each of the papers' recipes."""
    files = [folder / f"{photograph.name}.png" for photograph in PHOTOGRAPHS]
    found = {}
    results = Localizer(classifier).compare(files, RECIPES, keep_image=True)
    for photograph, result in zip(PHOTOGRAPHS, results, strict=True):
        if isinstance(result, Failure):
            raise CamkitError(f"{result.image}: {result.reason}")
        found[photograph] = result
    return found


def table(found: list[Localization]) -> list[str]:
    """What the network says, beside what a person sees."""
    rows = [("photograph", "the network says", "score", "a person sees", "")]
    for photograph, result in zip(PHOTOGRAPHS, found, strict=True):
        verdict = "right" if photograph.names(result) else "wrong"
        rows.append((photograph.name, result.name, f"{result.score:.2f}", photograph.shows, verdict))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def page(found: dict[Photograph, dict[str, Localization]]) -> Any:
    """A matplotlib Axes: each photograph under its CAM and its NWC map, with the boxes of both thresholds."""
    rows = {}
    for photograph, recipes in found.items():
        title = recipes["cam"].title
        title += "" if photograph.names(recipes["cam"]) else f" (wrong: {photograph.shows})"
        pairs = [(recipes[plain], recipes[percentile]) for plain, percentile in (("cam", "pas"), ("nwc", "nwc+pas"))]
        rows[title] = [
            Example(
                plain.image,
                plain.kept(),
                plain.map.astype(np.float64),
                {"max": [plain.box], "percentile": [percentile.box]},
            )
            for plain, percentile in pairs
        ]
    return plot_recipes(rows)
