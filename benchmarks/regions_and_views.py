"""What several regions and test-time views bring, by size: the tables of docs/measures.md.

    python benchmarks/regions_and_views.py --real DIR --limit 100

DIR has ``birds`` (a MobileNetV2 of 964 species), ``cub-10`` (photographs of six of them with boxes), ``pets-3`` (three
breeds with masks) and ``tiny-imagenet``. One pass a network and choice of views gives all choices of regions; with the
largest region recall is GT-known Loc. Each row has the share of the true boxes that are found, or the mean IoU of the
regions' pixels with the mask, with 95 % intervals, of all images and of each size.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from camkit import Recipe
from camkit.boxes import RegionChoice
from camkit.cam import Views
from camkit.data import AnnotatedSet, map_classes, read_dataset
from camkit.evaluation import PROTOCOLS, ImagePrediction, measure_images
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.metrics.groups import size_groups, size_names
from camkit.metrics.intervals import Estimate, mean
from camkit.metrics.iou import half_open_iou
from camkit.metrics.localization import share_of_image
from camkit.metrics.pointing import truth_masks
from camkit.metrics.regions import figures, found_by, pixel_iou
from camkit.models import Classifier, load_classifier
from camkit.models.class_names import read_class_names

CHOICES = {"largest": RegionChoice(), "3": RegionChoice(3), "all": RegionChoice(None),
           "all of 1 %": RegionChoice(None, 0.01)}  # fmt: skip
VIEWS = {"none": None, "flip": Views(flip=True), "flip, scales": Views(flip=True, scales=(0.75, 1.0, 1.25))}
PETS = {"0": "Egyptian cat", "1": "boxer", "2": "tabby"}  # Abyssinian, american bulldog, Bengal


@dataclass(frozen=True)
class Case:
    """A network, annotated images that it knows, and the recipe that is measured."""

    name: str
    classifier: Classifier
    dataset: AnnotatedSet
    recipe: Recipe


def cases(real: Path, limit: int | None) -> Iterator[Case]:
    tiny = read_dataset("tiny-imagenet", real / "tiny-imagenet", "val").evenly(300)
    yield Case("tiny", load_classifier("tiny"), tiny, Recipe.named("nwc+pas"))
    (pets,) = map_classes(PETS, read_dataset("openimages", real / "pets-3", "test"))
    yield Case("pets-3", load_classifier("efficientnet-lite0"), pets.evenly(limit), Recipe.named("nwc+pas"))
    birds = load_classifier(f"{real / 'birds/model.py'}:birds", str(real / "birds/weights.safetensors"))
    birds = replace(birds, class_names=read_class_names(real / "birds/labels.txt"))
    photographs = read_dataset("csv", real / "cub-10", "birds").evenly(limit)
    yield Case("birds", birds, photographs, Recipe.named("nwc+pas"))


def measured(case: Case, views: Views | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of n images the truth's share (n,), the counts (n, choices, 3), and the pixels' IoU (n, choices)."""

    def measure(seen: ImagePrediction) -> tuple[float, list[tuple[int, int, int]], list[float]]:
        masked = seen.record.read_mask is not None and not len(seen.record.boxes)
        mask, ignored = truth_masks(seen.record.read_mask() if masked else seen.record.boxes, seen.size)
        truth = torch.from_numpy(seen.record.boxes)
        share = mask.mean() if masked else float(share_of_image(truth, seen.size).amax())
        counts, ious = [], []
        for choice in CHOICES.values():
            boxes, pixels = PROTOCOLS["paper"].regions(seen, case.recipe, choice)
            found = 0 if masked else found_by(torch.from_numpy(boxes), truth, half_open_iou)
            counts.append((found, len(boxes), len(truth)))
            ious.append(pixel_iou(pixels, mask, ignored))
        return share, counts, ious

    inference = Inference(replace(case.classifier, views=views), "cpu", "fp32")
    rows = [row for row in measure_images(inference, case.dataset, [case.recipe.weighting], measure)
            if not isinstance(row, Failure)]  # fmt: skip
    shares, counts, ious = zip(*rows, strict=True)
    return np.array(shares), np.array(counts), np.array(ious)


def cell(of: Estimate) -> str:
    return f"{of.value:.1f} ({of.low:.1f} to {of.high:.1f})"


def lines(case: Case, name: str, views: Views | None) -> Iterator[str]:
    shares, counts, ious = measured(case, views)
    groups, masked = size_groups(shares), not counts[..., 2].any()
    parts = {"all": groups >= 0, **{size: groups == number for number, size in enumerate(size_names())}}
    for place, choice in enumerate(CHOICES):
        if name != "none" and place:
            continue
        cells = []
        for part in parts.values():
            if not part.any():
                cells.append("")
            elif masked:
                cells.append(cell(mean(100 * ious[part, place], (0.0, 100.0))))
            else:
                cells.append(cell(figures(counts[part, place])["recall"]))
        precision = "" if masked else cell(figures(counts[:, place])["precision"])
        numbers = ", ".join(str(part.sum()) for part in parts.values())
        yield f"| {case.name} | {choice} | {name} | {' | '.join(cells)} | {precision} | {numbers} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="so many of the pets and birds, evenly spaced")
    parser.add_argument("--only", nargs="*", default=["tiny", "pets-3", "birds"])
    asked = parser.parse_args()
    print("| | regions | views | all | small | medium | large | precision | n |\n|---|---|---|---|---|---|---|---|---|")
    for case in cases(asked.real, asked.limit):
        if case.name in asked.only:
            for name, views in VIEWS.items():
                for line in lines(case, name, views):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
