"""Sides of one piece of work, timed in turns: A B C, A B C, so that a slow second of the machine meets all of them."""

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Settings:
    """How everything is measured: `full` has more networks, batches and images."""

    full: bool
    networks: re.Pattern[str]
    rounds: int
    clock: str


@dataclass(frozen=True)
class Work:
    """One piece of work.

    Attributes
    ----------
    group, name : str
    sides : dict from name to callable
        "camkit" is ours, the one that begins with "floor" what no way of doing it can undercut, the others are peers.
    per : int
        How many images or maps one call is for.
    targets : dict from side to float
        At least so many times its throughput.
    """

    group: str
    name: str
    sides: dict[str, Callable[[], object]]
    per: int = 1
    targets: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """Milliseconds of each side in each round, for one image or map."""

    group: str
    name: str
    times: dict[str, list[float]]
    targets: dict[str, float]

    def ratio(self, other: str) -> tuple[float, float, float]:
        """Camkit's throughput over another side's, round by round: median, least and greatest."""
        ratios = [theirs / ours for ours, theirs in zip(self.times["camkit"], self.times[other], strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "ratios": {side: self.ratio(side) for side in self.times if side != "camkit"}}


def measure(work: Work, settings: Settings) -> Measured:
    """Each side once without a clock (memory, caches, compilation), then in turns, the order rotating."""
    clock = CLOCKS[settings.clock]
    names = list(work.sides)
    for name in names:
        work.sides[name]()
    times: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(settings.rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            start = clock()
            work.sides[name]()
            times[name].append(1e3 * (clock() - start) / work.per)
    return Measured(work.group, work.name, times, work.targets)
