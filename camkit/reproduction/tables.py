"""Verdicts and cells as tables."""

from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.output import whole
from camkit.reproduction.measured import Measured
from camkit.reproduction.run import Run
from camkit.reproduction.verdicts import Verdict


def write_tables(out: Path, run: Run, verdicts: Sequence[Verdict]) -> None:
    """verdicts.csv, a row a comparison, and cells.csv, a row a figure."""
    for name, rows in (("verdicts", comparison_rows(verdicts)), ("cells", cell_rows(run))):
        with whole(out / f"{name}.csv") as file:
            pd.DataFrame(rows).to_csv(file, index=False, lineterminator="\n")


def comparison_rows(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """A row a comparison."""
    rows = []
    for verdict in verdicts:
        for one in verdict.outcomes:
            q = one.quantity
            figures = {name: getattr(q, name, None) for name in ("value", "low", "high", "n", "seeds")}
            about = {"claim": verdict.claim.id, "verdict": verdict.verdict, "quantity": one.comparison.quantity}
            rows.append(
                {**about, "expected": one.comparison.in_words, "outcome": one.outcome, **figures, "why": one.why}
            )
    return rows


def cell_rows(run: Run) -> list[dict[str, Any]]:
    """A row a cell and figure: its mean over images and seeds, and what was measured how fast."""
    rows = []
    for cell in run.plan:
        found = run.measured.get(cell.id)
        about: dict[str, Any] = {"cell": cell.name, "seed": "" if cell.seed is None else cell.seed}
        if found is None:
            rows.append({**about, "figure": "", "why": run.missing.get(cell.id, "")})
            continue
        rows += [{**about, "figure": name, "value": value, "n": n} for name, value, n in means(found)]
    return rows


def means(found: Measured) -> list[tuple[str, float, int]]:
    """Every figure of a cell, its mean and how many images have it."""
    rows = []
    for name, values in found.outcomes.items():
        known = [value for value in values if not isnan(value)]
        if known:
            rows.append((name, sum(known) / len(known), len(known)))
    return rows + [(name, one.value, one.n) for name, one in found.estimates.items()]
