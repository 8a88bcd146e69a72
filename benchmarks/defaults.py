"""Which fit, recipe and threshold to take where nothing is known of the images: measured, on photographs not chosen on.

    python benchmarks/defaults.py REAL --out OUT --limit 500

REAL holds birds/, cub-10/, mobilenet_v2/, pets-3/ and tiny-imagenet/. For every network and set each image is judged
under each fit, weighting, percentile and theta (PaS and min-max, as calibrate has them; GT-known Loc, protocol paper,
on 256 grey levels). Every other image is of half A, the rest of half B; what is chosen on one half is reported on the
other. OUT keeps the outcomes, so that a run that was stopped goes on; the tables are printed as Markdown.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camkit.data import AnnotatedSet, map_classes, read_dataset
from camkit.evaluation import measure_images
from camkit.evaluation.calibrate import FITS, THETAS, WEIGHTINGS, EverySetting
from camkit.evaluation.protocols import protocol_named
from camkit.evaluation.source import match_source
from camkit.inference import Inference
from camkit.localization import Failure
from camkit.metrics import compare
from camkit.models import Classifier, load_classifier
from camkit.models.class_names import read_class_names
from camkit.recipe import RECIPES, Recipe

THRESHOLDS, PERCENTILES = ("pas", "minmax"), np.arange(80, 101)  # the last is the maximum
NOW = "stretch", "nwc+pas"  # what localize does by default
CELLS = [(fit, recipe) for fit in FITS for recipe in RECIPES]

Outcomes = NDArray[np.bool_]  # (images, fits, weightings, percentiles, thetas)


def pairs(real: Path, limit: int) -> dict[str, tuple[Callable[[], Classifier], Callable[[], AnnotatedSet]]]:
    """Networks and sets, by name."""
    lite = partial(load_classifier, "efficientnet-lite0")
    mobile = partial(own, real / "mobilenet_v2", "mobilenet_v2")
    photographs = partial(read_dataset, "tiny-imagenet", real / "tiny-imagenet", "val")
    return {
        "birds, six species": (
            partial(own, real / "birds", "birds"),
            lambda: read_dataset("csv", real / "cub-10", "birds"),
        ),
        "efficientnet-lite0, albatrosses": (lite, partial(albatrosses, real)),
        "MobileNetV2, albatrosses": (mobile, partial(albatrosses, real)),
        "efficientnet-lite0, cats and dogs": (lite, partial(pets, real)),
        "MobileNetV2, cats and dogs": (mobile, partial(pets, real)),
        "efficientnet-lite0, Tiny ImageNet": (lite, lambda: photographs().evenly(limit)),
        "MobileNetV2, Tiny ImageNet": (mobile, lambda: photographs().evenly(limit)),
    }


def own(folder: Path, factory: str) -> Classifier:
    network = load_classifier(f"{folder}/model.py:{factory}", str(folder / "weights.safetensors"))
    return replace(network, class_names=read_class_names(folder / "labels.txt"))


def albatrosses(real: Path) -> AnnotatedSet:
    """The three species of albatross in cub-10; ImageNet has one class for them and none for the other seven."""
    train, test = (read_dataset("cub", real / "cub-10", split) for split in ("train", "test"))
    names = train.class_names or ()
    (one,) = map_classes(
        {name: "albatross" if "Albatross" in name else None for name in names},
        replace(train, split="train and test", records=[*train.records, *test.records], problems=[]),
    )
    return one


def pets(real: Path) -> AnnotatedSet:
    """Two breeds of cat and one of dog; ImageNet has none of the three, and the nearest by their looks stand in."""
    nearest = {"Abyssinian": "Egyptian cat", "Bengal": "Egyptian cat", "american_bulldog": "boxer"}
    test = read_dataset("wsol", real / "pets-3", "test-boxes")
    (one,) = map_classes(nearest, replace(test, class_names=read_class_names(real / "pets-3" / "classes.txt")))
    return one


def outcomes(classifier: Classifier, dataset: AnnotatedSet) -> Outcomes:
    """Whether each image that can be judged under every fit is right under each setting."""
    inference = Inference(classifier, "cpu", "fp32")
    match_source(inference, dataset)
    judge = EverySetting(protocol_named("paper"), Recipe(), WEIGHTINGS, THRESHOLDS)
    looks: list[Iterator[Outcomes | Failure]] = [
        measure_images(inference, dataset, WEIGHTINGS, judge, fit=fit, batch_size=16, workers=0) for fit in FITS
    ]
    judged = [row for row in zip(*looks, strict=True) if not any(isinstance(one, Failure) for one in row)]
    return np.stack([np.stack(row) for row in judged])


def place(fit: str, recipe: str) -> tuple[int, int, int, int]:
    """Where a fit and a recipe lie in the outcomes."""
    of = RECIPES[recipe]
    percentile, theta = (90, 0.35) if "pas" in recipe else (100, 0.2)
    found = np.flatnonzero(percentile == PERCENTILES), np.flatnonzero(np.isclose(THETAS, theta))
    return FITS.index(fit), WEIGHTINGS.index(of.weighting), int(found[0][0]), int(found[1][0])


def fixed(right: Outcomes, fit: str, recipe: str) -> NDArray[np.bool_]:
    return right[(slice(None), *place(fit, recipe))]


def held_out(right: Outcomes, choose: Callable[[Outcomes], tuple[int, ...]]) -> tuple[NDArray[np.bool_], list[str]]:
    """Of each image whether the setting is right that was chosen on the half without it; and what was chosen."""
    result, told = np.zeros(len(right), bool), []
    for half in (0, 1):
        setting = choose(right[half::2])
        result[1 - half :: 2] = right[(slice(1 - half, None, 2), *setting)]
        fit, weighting, percentile, theta = setting
        what = "max" if PERCENTILES[percentile] == 100 else f"p{PERCENTILES[percentile]}"
        told.append(f"{FITS[fit]}, {WEIGHTINGS[weighting]}, {THETAS[theta]:.2f} of {what}")
    return result, told


def best_cell(right: Outcomes) -> tuple[int, ...]:
    """The best of the fits with the papers' recipes; of equals the first."""
    return place(*max(CELLS, key=lambda cell: fixed(right, *cell).mean()))


def best_setting(right: Outcomes, fits: tuple[str, ...] = FITS) -> tuple[int, ...]:
    """The best of all settings; of equals the one nearest to PaS's, positive weights and earlier fits first."""
    shares = right.mean(0)
    allowed = np.isin(FITS, fits)[:, None, None, None]
    candidates = np.argwhere((shares == shares[[FITS.index(fit) for fit in fits]].max()) & allowed)

    def away(setting: NDArray[np.int64]) -> tuple[float, bool, int]:
        fit, weighting, percentile, theta = setting
        far = abs(THETAS[theta] - 0.35) + abs(PERCENTILES[percentile] - 90) / 100
        return round(far, 9), WEIGHTINGS[weighting] == "signed", int(fit)

    return tuple(int(i) for i in min(candidates, key=away))


def points(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> str:
    paired = compare(first, second)
    d = paired.difference
    clear = "**" if d.low > 0 or d.high < 0 else ""
    return f"{clear}{d.value:+.1f}{clear} ({d.low:+.1f} to {d.high:+.1f}), p {paired.p_value:.1g}"


def report(found: dict[str, Outcomes]) -> Iterator[str]:
    """The tables."""
    yield "GT-known Loc of the papers' recipes under each fit, all images; nothing is chosen here\n"
    yield "| network and photographs | n | fit | CAM | + NWC | + PaS | both |\n|---|---|---|---|---|---|---|"
    for name, right in found.items():
        for fit in FITS:
            cells = [100 * fixed(right, fit, recipe).mean() for recipe in RECIPES]
            yield f"| {name} | {len(right)} | {fit} | {' | '.join(f'{cell:.1f}' for cell in cells)} |"
    for title, cells in {
        "fits of NWC + PaS": [(fit, "nwc+pas") for fit in FITS[1:]],
        "recipes, stretched": [("stretch", recipe) for recipe in RECIPES if recipe != NOW[1]],
    }.items():
        yield f"\n{title}: points above {' with '.join(NOW)}, paired, all images\n"
        yield f"| network and photographs | {' | '.join(', '.join(cell) for cell in cells)} |"
        yield "|---" * (1 + len(cells)) + "|"
        for name, right in found.items():
            now = fixed(right, *NOW)
            yield f"| {name} | {' | '.join(points(now, fixed(right, *cell)) for cell in cells)} |"
    yield f"\nChosen on one half, reported on the other: points above {' with '.join(NOW)}\n"
    yield "| network and photographs | best of 12 cells | chosen on A, on B | best theta, stretched | best of all |"
    yield "|---|---|---|---|---|"
    for name, right in found.items():
        now = fixed(right, *NOW)
        cell, chosen = held_out(right, best_cell)
        stretched, _ = held_out(right, partial(best_setting, fits=("stretch",)))
        every, settings = held_out(right, best_setting)
        yield (f"| {name} | {points(now, cell)} | {'; '.join(chosen)} | {points(now, stretched)} | "
               f"{points(now, every)}: {'; '.join(settings)} |")  # fmt: skip
    yield "\nOne default for all: the cell with the highest mean over the A halves, on the B halves, and the reverse\n"
    yield "| network and photographs | chosen on A, on B | chosen on B, on A |\n|---|---|---|"
    shared = [max(CELLS, key=lambda cell: np.mean([fixed(right[half::2], *cell).mean() for right in found.values()]))
              for half in (0, 1)]  # fmt: skip
    yield f"| the cell | {' | '.join(', '.join(cell) for cell in shared)} |"
    for name, right in found.items():
        cells = [points(fixed(right[1 - half :: 2], *NOW), fixed(right[1 - half :: 2], *shared[half]))
                 for half in (0, 1)]  # fmt: skip
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("real", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=500, help="photographs of Tiny ImageNet")
    settings = parser.parse_args()
    settings.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (network, dataset) in pairs(settings.real, settings.limit).items():
        file = settings.out / f"{name}.npy"
        if not file.exists():
            begun = time.perf_counter()
            np.save(file, outcomes(network(), dataset()))
            print(f"{name}: {time.perf_counter() - begun:.0f} s", flush=True)
        found[name] = np.load(file)
    print("\n".join(report(found)))


if __name__ == "__main__":
    main()
