"""How work grows with what it is of: milliseconds at several sizes, and the slope on logarithmic scales."""

import copy
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from alternate import CLOCKS, Settings
from boxes import class_map
from matplotlib.figure import Figure
from networks import network, photographs

from camkit import CAM, Localizer, Recipe
from camkit.boxes import boxes_at_taus
from camkit.data import find_images


@dataclass(frozen=True)
class Growth:
    """Milliseconds (median of the rounds) at each size."""

    name: str
    sizes: list[int]
    times: list[float]

    @property
    def slope(self) -> float:
        """Between the two largest sizes: 1 is in proportion, 0 is not at all."""
        (small, large), (fast, slow) = self.sizes[-2:], self.times[-2:]
        return float(np.log(slow / fast) / np.log(large / small))


def growths(settings: Settings, folder: Path) -> Iterator[Growth]:
    one, recipe = class_map(7, 0)[None], Recipe.named("nwc+pas")
    sides = (200, 400, 800, 1600)
    runs = [lambda side=side: recipe.boxes(recipe.score_maps(one, (side, side))) for side in sides]
    yield grown("boxes of one map, by the image's pixels", [side**2 for side in sides], runs, settings)
    cam, sides = CAM(network("MobileNetV2")), (128, 192, 256)
    shown = [torch.randn(4, 3, side, side) for side in sides]
    yield grown("maps of 4 images, by the input's pixels", [side**2 for side in sides],
                [lambda images=images: cam(images) for images in shown], settings)  # fmt: skip
    passed = CAM(network("MobileNetV2")).features(torch.randn(16, 3, 224, 224))
    classes = (1, 10, 100, 1000)
    yield grown("maps of 16 images, by classes", classes,
                [lambda k=k: passed.class_maps(passed.top(k)) for k in classes], settings)  # fmt: skip
    score_map = recipe.score_maps(one, (224, 224))[0].numpy()
    numbers = (2, 20, 200)
    yield grown("boxes of one map, by thresholds", numbers,
                [lambda n=n: boxes_at_taus(score_map, np.linspace(0, 1, n)) for n in numbers], settings)  # fmt: skip
    counts = (16, 32, 64) if settings.full else (8, 16)
    files = list(find_images([str(path) for path in photographs(folder, counts[-1])[: counts[-1]]]))
    localizer = Localizer("tiny", device="cpu", optimize=True)
    yield grown("localize with tiny, by images", counts,
                [lambda n=n: list(localizer.stream(files[:n])) for n in counts], settings)  # fmt: skip
    yield from by_processes(localizer, files, settings)


def by_processes(localizer: Localizer, files: Sequence, settings: Settings) -> Iterator[Growth]:
    """On the wall: a child's time is its own. What processes read, this one has not to."""
    readers = (1, 2)
    localizers = [copy.copy(localizer) for _ in readers]
    for one, workers in zip(localizers, readers, strict=True):
        one.workers = workers
    yield grown("localize with tiny, by reading processes (on the wall)", readers,
                [lambda one=one: list(one.stream(files)) for one in localizers],
                replace(settings, clock="wall"))  # fmt: skip


def grown(name: str, sizes: Sequence[int], runs: Sequence[Callable[[], object]], settings: Settings) -> Growth:
    clock, times = CLOCKS[settings.clock], []
    for run in runs:
        run()
        rounds = []
        for _ in range(settings.rounds):
            start = clock()
            run()
            rounds.append(1e3 * (clock() - start))
        times.append(statistics.median(rounds))
    return Growth(name, list(sizes), times)


def plot(found: Sequence[Growth], path: Path) -> None:
    """Time at each size over that at the smallest, one line a kind of work."""
    figure = Figure(figsize=(5.6, 5.0), layout="constrained")
    axes = figure.subplots()
    for one in found:
        relative = [size / one.sizes[0] for size in one.sizes]
        axes.loglog(relative, [ms / one.times[0] for ms in one.times], "o-", label=f"{one.name}: slope {one.slope:.2f}")
    axes.loglog([1, 64], [1, 64], ":", color="grey", label="in proportion")
    axes.set(xlabel="size, over the smallest", ylabel="time, over that at the smallest")
    figure.legend(fontsize=8, loc="outside lower center")
    figure.savefig(path, dpi=120)
