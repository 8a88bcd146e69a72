"""GT-known Loc of CAM, +NWC, +PaS and both on Tiny ImageNet's val.zip, from one forward pass, as a Markdown table.

    python benchmarks/gt_known_loc.py --data DIR --model tiny --out docs/gt-known-loc-tiny.md

DIR holds val.zip, boxes.csv (inclusive pixel corners) and classes.csv. Thresholds are the papers' and the field's,
fixed beforehand; nothing is chosen on these photographs.
"""

import csv
import platform
import shlex
import sys
import zipfile
from pathlib import Path

import click
import numpy as np
import torch
import torchvision
from tqdm import tqdm

from camkit import CAM, load_classifier
from camkit._version import __version__
from camkit.data import Preprocess, read_image
from camkit.metrics import Coverage, GTKnownLoc, TopKCls, compare
from camkit.recipe import RECIPES

TITLES = {"cam": "CAM", "nwc": "+ NWC", "pas": "+ PaS", "nwc+pas": "+ NWC + PaS"}


def read_split(data: Path, num_classes: int) -> list[tuple[str, int, list[float]]]:
    """Image, class as the model numbers it, and its box, half open."""
    with (data / "classes.csv").open() as file:
        column = "label" if num_classes == 100 else "imagenet_label"
        classes = {row["wnid"]: int(row[column]) for row in csv.DictReader(file)}
    with (data / "boxes.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "val"]
    corners = [[float(row["x0"]), float(row["y0"]), float(row["x1"]) + 1, float(row["y1"]) + 1] for row in rows]
    return [(row["image"], classes[row["wnid"]], box) for row, box in zip(rows, corners, strict=True)]


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--model", required=True)
@click.option("--weights", default="DEFAULT")
@click.option("--fit", default="stretch")
@click.option("--batch-size", default=50)
@click.option("--seed", default=0, help="Of the bootstrap.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(data: Path, model: str, weights: str, fit: str, batch_size: int, seed: int, out: Path) -> None:
    classifier = load_classifier(model, weights)
    cam = CAM(classifier.model, classifier.input.size)
    prepare = Preprocess(classifier.input, fit)
    photographs = read_split(data, cam.head.num_classes)
    located = {name: GTKnownLoc() for name in RECIPES}
    coverage = {name: Coverage() for name in RECIPES}
    top1 = TopKCls(1)
    with zipfile.ZipFile(data / "val.zip") as archive:
        for start in tqdm(range(0, len(photographs), batch_size), disable=None):
            chunk = photographs[start : start + batch_size]
            inputs, views = zip(*(prepare(read_image(archive.read(name))) for name, _, _ in chunk), strict=True)
            labels = torch.tensor([label for _, label, _ in chunk])
            truths = [[box] for _, _, box in chunk]
            features = cam.features(torch.stack(inputs))
            top1.update(features.top(1), labels)
            for name, recipe in RECIPES.items():
                maps = features.class_maps(labels, recipe.weighting).maps
                windows = [None if fit != "crop" else view.window for view in views]
                boxes = [
                    recipe.boxes(recipe.score_maps(m, v.size, w))[0]
                    for m, v, w in zip(maps, views, windows, strict=True)
                ]
                boxes = torch.from_numpy(np.concatenate(boxes)).double()
                located[name].update(boxes, truths)
                coverage[name].update(boxes, truths, [view.size for view in views])
    rng = np.random.default_rng(seed)
    columns = ("GT-known Loc, %", "95 % interval", "against CAM, points", "p (sign test)", "box / image, %")
    lines = [f"| {Path(model).name} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    baseline = located["cam"].per_image()[:, 0]
    for name, title in TITLES.items():
        found, share = located[name].result(rng), coverage[name].compute()
        difference = "|"
        if name != "cam":
            paired = compare(baseline, located[name].per_image()[:, 0], rng)
            d = paired.difference
            difference = f"{d.value:+.2f} ({d.low:+.2f} to {d.high:+.2f}) | {paired.p_value:.2g}"
        lines.append(
            f"| {title} | {found.value:.2f} | {found.low:.2f} to {found.high:.2f} | {difference} "
            f"| {100 * float(share['predicted']):.1f} |"
        )
    cls, truth = top1.result(rng), 100 * float(coverage["cam"].compute()["truth"])
    call = " ".join(shlex.quote(word.rstrip("/").rsplit("/", 1)[-1]) for word in sys.argv[1:])
    lines += [
        "",
        f"n = {len(photographs)} photographs, `--fit {fit}`, IoU >= 0.5, thresholds fixed beforehand (0.2 of the",
        "maximum, 0.35 of the 90th percentile). "
        f"Top-1 Cls {cls.value:.2f} ({cls.low:.2f} to {cls.high:.2f}). The ground-truth boxes cover {truth:.1f} %",
        f"of the image on average. Intervals are bootstrapped over images, seed {seed}.",
        "",
        f"    python benchmarks/gt_known_loc.py {call}",
        "",
        f"camkit {__version__}, torch {torch.__version__}, torchvision {torchvision.__version__}, "
        f"Python {platform.python_version()}",
        "",
    ]
    out.write_text("\n".join(lines))
    click.echo("\n".join(lines))


if __name__ == "__main__":
    main()
