"""The page: a verdict on each claim with its comparisons, what was measured, and on what machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from camkit.figures import plot_forest, save_figure
from camkit.output import whole
from camkit.reproduction.claims import Claims, Term
from camkit.reproduction.measured import Quantity, scale_of
from camkit.reproduction.plan import BUDGETS
from camkit.reproduction.run import Run
from camkit.reproduction.verdicts import FAILS, HOLDS, MISSING, NONE, PARTLY, Outcome, Verdict, measure

PAPERS = {"rethinking-cam": "Rethinking CAM", "minmaxcam": "MinMaxCAM"}
RECIPES = ("cam", "nwc", "pas", "nwc+pas")
COLUMNS = {"top1_cls": "Top-1 Cls", "gt_loc": "GT-known Loc", "top1_loc": "Top-1 Loc", "max_box_acc": "MaxBoxAcc",
           "max_box_acc_v2": "MaxBoxAccV2", "pxap": "PxAP", "share": "box / image",
           "excess": "box - truth"}  # fmt: skip


def write_page(page: Path, run: Run, claims: Claims, verdicts: Sequence[Verdict], asked: Sequence[str]) -> None:
    """Write the page, and its pictures into the folder ``images`` beside it."""
    parts = [heading(run, claims, verdicts, asked), summary(verdicts)]
    for paper, name in PAPERS.items():
        its = [verdict for verdict in verdicts if verdict.claim.paper == paper]
        if not its:
            continue
        parts.append(f"## {name}\n")
        if picture := draw(page.parent / "images" / f"reproduction-{paper}.png", its):
            parts.append(f"![Every comparison of {name} with its interval]({picture})\n")
        parts += [section(verdict) for verdict in its]
    parts += [measured_cells(run), chosen(run), not_measured(run), elsewhere(claims, verdicts), machines(run)]
    with whole(page) as file:
        file.write("\n".join(filter(None, parts)))


def heading(run: Run, claims: Claims, verdicts: Sequence[Verdict], asked: Sequence[str]) -> str:
    """What this page is, and by which rule it judges."""
    budget, counts = BUDGETS[run.budget], [verdict.verdict for verdict in verdicts]
    said = ", ".join(f"{counts.count(one)} {word}" for one, word in (
        (HOLDS, "hold"), (PARTLY, "hold in part"), (FAILS, "do not hold"), (NONE, "have no verdict"),
    ) if one in counts)  # fmt: skip
    seeds = len({cell.seed for cell in run.plan if cell.seed is not None})
    some = "all of" if budget.photographs is None else f"{budget.photographs} of"
    call = f"camkit reproduce {' '.join(asked)} --budget {run.budget}"
    call += "" if seeds in {0, budget.seeds} else f" --seeds {seeds}"
    return (
        f"# The papers' claims, tested\n\nMade by `{call}`; do not edit. Of "
        f"{len(verdicts)} claims {said}. {seeds} seed{'s' * (seeds != 1)} of each trained network, "
        f"{budget.epochs} epochs; {some} Tiny ImageNet's photographs; the networks are small, and so are the "
        "data sets: what holds here, or does not, holds for these.\n\n"
        f"Claims and rule were fixed before the runs, in `{claims.path.name}` (SHA-256 {claims.digest[:16]}):\n\n"
        f"> {claims.rule}\n\n"
        "Intervals are over images, of trained networks over images and seeds together; with one seed they are over "
        "images alone, and say nothing of what another seed would give.\n"
    )


def summary(verdicts: Sequence[Verdict]) -> str:
    """A line a claim."""
    lines = ["| claim | of | verdict | shown / counted |", "|---|---|---|---|"]
    for verdict in verdicts:
        counted = [one.outcome for one in verdict.outcomes if one.outcome != "does not count"]
        claim = verdict.claim
        lines.append(
            f"| [{claim.sentence}](#{claim.id}) | {PAPERS[claim.paper]}, {claim.source} | **{verdict.verdict}** | "
            f"{counted.count('shown')} / {len(counted)} |"
        )
    return "\n".join(lines) + "\n"


def section(verdict: Verdict) -> str:
    """A claim and its comparisons."""
    claim = verdict.claim
    lines = [
        f"### {claim.id}",
        "",
        f"{claim.sentence} ({claim.source})" + (f" Bound: {claim.bound}." if claim.bound else ""),
    ]
    lines += ["", f"**{verdict.verdict}**{because(verdict)}", ""]
    lines += ["| quantity | expected | measured | n | seeds | |", "|---|---|---|---|---|---|"]
    for one in verdict.outcomes:
        note = f"{one.outcome}: {one.why}" if one.why else one.outcome
        figures = (
            "| | "
            if one.quantity is None
            else f"{with_interval(one.quantity)} | {one.quantity.n} | {one.quantity.seeds or ''}"
        )
        lines.append(f"| `{one.comparison.quantity}` | {one.comparison.in_words} | {figures} | {note} |")
    return "\n".join(lines) + "\n"


def because(verdict: Verdict) -> str:
    """What decided it, where that is not plain."""
    outcomes = [one.outcome for one in verdict.outcomes]
    if verdict.verdict == FAILS:
        return ": contradicted" if "contradicted" in outcomes else ": nothing is shown, nothing contradicted"
    if verdict.verdict == NONE:
        return ": not measured" if MISSING in outcomes else ": no comparison counts here"
    return ""


def with_interval(quantity: Quantity) -> str:
    """A figure with its interval."""
    digits = 1 if max(abs(quantity.low), abs(quantity.high)) >= 2 else 3
    return f"{quantity.value:.{digits}f} ({quantity.low:.{digits}f} to {quantity.high:.{digits}f})"


def draw(path: Path, verdicts: Sequence[Verdict]) -> str:
    """Every comparison that was measured, one under the other; the picture's place seen from the page, "" for none."""
    rows = [row(verdict, number, one) for verdict in verdicts for number, one in enumerate(verdict.outcomes, 1)
            if one.quantity is not None]  # fmt: skip
    if not rows:
        return ""
    with whole(path, "wb") as file:
        save_figure(plot_forest(pd.DataFrame(rows)), file, "png")
    return f"images/{path.name}"


def row(verdict: Verdict, number: int, one: Outcome) -> dict[str, object]:
    """A comparison for the picture, in points or hundredths."""
    assert one.quantity is not None
    percent = max(scale_of(term.figure) for term in one.comparison.terms) == 100
    factor = 1 if percent else 100
    bound = one.comparison.bound if isinstance(one.comparison.bound, float) else float("nan")
    figures = {name: factor * getattr(one.quantity, name) for name in ("value", "low", "high")}
    return {"label": f"{verdict.claim.id} {number}", **figures, "bound": factor * bound, "outcome": one.outcome}


def measured_cells(run: Run) -> str:
    """Every network with every recipe."""
    names = list(dict.fromkeys(cell.name for cell in run.plan if run.of(cell.name)))
    lines = ["## What was measured", "", "All figures of all cells are in `cells.csv`.", ""]
    lines += [f"| cell | recipe | {' | '.join(COLUMNS.values())} | n |", "|---" * (len(COLUMNS) + 3) + "|"]
    for name in names:
        runs = run.of(name)
        figures = next(iter(runs.values())).outcomes
        for recipe in (one for one in RECIPES if any(figure.startswith(f"{one}:") for figure in figures)):
            cells, n = [], 0
            for column in COLUMNS:
                figure = f"{recipe}:{column}"
                if figure not in figures:
                    cells.append("")
                    continue
                quantity = measure([Term(1, name, figure)], lambda _, its=runs: its)  # type: ignore[misc]
                cells.append(with_interval(quantity))
                n = quantity.n
            lines.append(f"| {name} | {recipe} | {' | '.join(cells)} | {n} |")
    return "\n".join(lines) + "\n" if len(lines) > 6 else ""


def chosen(run: Run) -> str:
    """Learning rates, loss weights and thresholds that were chosen, and on what; images that could not be used."""
    lines = []
    for cell in run.plan:
        found = run.measured.get(cell.id)
        if found is None:
            continue
        facts = found.facts
        if cell.experiment == "choose_rate":
            lines.append(f"- {cell.id}: learning rate {facts['lr']}, by Top-1 Cls on photographs held out of training")
        elif cell.experiment == "choose_weights":
            lines.append(
                f"- {cell.id}: {facts['chosen']}, by MaxBoxAccV2 on photographs of the training split, with boxes"
            )
        elif cell.experiment == "compare_thetas":
            lines.append(f"- {cell.id}: theta {facts['own']}, the other's {facts['other']}")
        if facts.get("stopped"):
            lines.append(f"- {cell.id}: stopped at {facts['stopped']}")
    failed = {why for found in run.measured.values() for why in found.facts.get("failed", ())}
    lines += [f"- left out: {why}" for why in sorted(failed)]
    return "\n".join(["## What was chosen, and what was left out", "", *lines]) + "\n" if lines else ""


def not_measured(run: Run) -> str:
    """Cells without a result, and why."""
    lines = [f"- `{cell}`: {why}" for cell, why in run.missing.items()]
    return "\n".join(["## What was not measured", "", *lines]) + "\n" if lines else ""


def elsewhere(claims: Claims, verdicts: Sequence[Verdict]) -> str:
    """The commands for whoever has the papers' data."""
    judged = {verdict.claim.id for verdict in verdicts}
    lines = [
        "## On the papers' own data", "",
        "None of this has been run. `CUB`, `IMAGENET` and `OPENIMAGES` are the folders of the data sets in their "
        "official layouts, `OUT` one for the results on that data set.", "",
    ]  # fmt: skip
    for one in claims.elsewhere:
        if tested := [name for name in one.tests if name in judged]:
            lines += [
                f"**{one.id}**, on {one.data}: {', '.join(tested)}",
                "",
                *(f"    {line}" for line in one.commands),
                "",
            ]
    return "\n".join(lines) if len(lines) > 4 else ""


def machines(run: Run) -> str:
    """On what, with what, how long."""

    def seen(tell: Callable[[Mapping[str, Any]], str]) -> str:
        return "; ".join(dict.fromkeys(tell(one) for one in run.runs.values()))

    seconds = sum(float(one["seconds"]) for one in run.runs.values())
    lines = ["## How", "", f"{len(run.measured)} cells, {seconds / 60:.0f} minutes of computing in all.", ""]
    if run.runs:
        lines.append(
            seen(lambda one: f"{one['processor']}, {one['threads']} used by torch, device {one['device']}") + "."
        )
        lines += ["", seen(lambda one: ", ".join(f"{k} {v}" for k, v in one["versions"].items())) + "."]
    lines += ["", "| cell | seconds |", "|---|---|", *seconds_of(run)]
    return "\n".join(lines) + "\n"


def seconds_of(run: Run) -> Iterator[str]:
    """A line a cell."""
    for name, one in run.runs.items():
        yield f"| {name} | {one['seconds']:.0f} |"
