"""How work grows with what it is of: milliseconds at several sizes, and the slope on logarithmic scales."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    for one in found:
        relative = [size / one.sizes[0] for size in one.sizes]
        axes.loglog(relative, [ms / one.times[0] for ms in one.times], "o-", label=f"{one.name}: slope {one.slope:.2f}")
    axes.loglog([1, 64], [1, 64], ":", color="grey", label="in proportion")
    axes.set(xlabel="size, over the smallest", ylabel="time, over that at the smallest")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=120)
