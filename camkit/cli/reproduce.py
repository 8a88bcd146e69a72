"""camkit reproduce: the papers' claims, tested on what data is there."""

from pathlib import Path
from typing import Any

import click

from camkit.cli.groups import command, option, option_group
from camkit.cli.screen import finish, say, screen_options, shows_progress, wants_json, write_json
from camkit.cli.values import GivenPath
from camkit.cli.values import device as kind_of_device

NAMES = ("cub", "birds-csv", "birds", "mobilenet", "tiny-imagenet", "pets")


def folder(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Path]:
    """NAME=DIR, several."""
    pairs = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals or not path:
            raise click.BadParameter(f"{value!r}: write NAME=DIR, NAME one of {', '.join(NAMES)}")
        pairs[name] = Path(path)
    return pairs


@command(short_help="Test the papers' claims on the data that is there.")
@click.argument("claims", nargs=-1, metavar="[CLAIM...]")
@option_group(
    "Claims",
    option("--claims", "file", type=click.Path(dir_okay=False, path_type=Path), default="seeds/claims.toml",
           show_default=True, help="The claims: sentences, sources, and what would count for and against each."),
    option("--data", multiple=True, callback=folder, metavar="NAME=DIR", envvar="CAMKIT_DATA",
           help=f"Where data and networks lie, NAME one of {', '.join(NAMES)}; may be repeated, and CAMKIT_DATA may "
                "hold several with spaces between them."),
    option("--budget", type=click.Choice(["small", "full"]), default="small", show_default=True,
           help="small: one seed, few epochs, part of the photographs; full: three seeds and the whole grid."),
    option("--seeds", type=click.IntRange(1), help="So many of each trained network, instead of the budget's."),
    option("--list", "listed", is_flag=True, help="List the claims and stop."),
    option("--dry-run", is_flag=True, help="Print the plan, with estimated minutes, and stop."),
)  # fmt: skip
@option_group(
    "Results",
    option("--out", type=GivenPath(file_okay=False, path_type=Path), help="Folder for the results."),
    option("--page", type=click.Path(dir_okay=False, path_type=Path),
           help="The page.  [default: OUT/reproduction.md]"),
    *screen_options,
)  # fmt: skip
@option_group(
    "Running",
    option("--device", type=kind_of_device, default="auto", show_default=True, help="auto, cpu, mps, cuda or cuda:0."),
)  # fmt: skip
def reproduce(
    claims: tuple[str, ...],
    file: Path,
    data: dict[str, Path],
    budget: str,
    seeds: int | None,
    out: Path | None,
    page: Path | None,
    listed: bool,
    dry_run: bool,
    device: str,
) -> None:  # fmt: skip
    """Test the claims of Rethinking CAM and MinMaxCAM: all of them, or those named, where their data is there.

    OUT gets reproduction.md with a verdict on each, its picture, verdicts.csv, cells.csv, and below cells/ a file for
    each cell. What is there already is not computed again, so that a run that was stopped goes on. For a claim whose
    data is not there, the page has the command for whoever has it.

    \b
    Examples:
      camkit reproduce --list
      camkit reproduce all --budget small --dry-run --data cub=CUB_200_2011
      camkit reproduce nwc-birds --data cub=CUB_200_2011 --data birds=birds/ --out reproduced
    """
    from camkit.reproduction.claims import read_claims

    read = read_claims(file)
    chosen = read.named(claims)
    if listed:
        _print_claims(chosen)
        return
    if not claims:
        raise click.UsageError("name claims, or all; --list lists them")
    from camkit.reproduction.plan import check_folders

    folders = check_folders(data)
    if out is None and not dry_run:
        raise click.UsageError("--out is missing: name a folder for the results")
    from camkit.reproduction.run import planned

    plan = planned(chosen, budget, everything="all" in claims, seeds=seeds)
    if dry_run:
        _print_plan(plan, folders)
        return
    assert out is not None
    finish(_run(read, claims, plan, budget, folders, out, page or out / "reproduction.md", device))


def _print_claims(claims: list[Any]) -> None:
    if wants_json():
        write_json({"claims": [{"id": claim.id, "sentence": claim.sentence, "paper": claim.paper,
                                "source": claim.source} for claim in claims]})  # fmt: skip
        return
    width = max(len(claim.id) for claim in claims)
    click.echo("\n".join(f"{claim.id:<{width}}  {claim.sentence} ({claim.paper}: {claim.source})" for claim in claims))


def _print_plan(plan: list[Any], folders: dict[str, Path]) -> None:
    if wants_json():
        write_json({"cells": [{"id": cell.id, "experiment": cell.experiment, "seconds": cell.seconds,
                               "lacking": [name for name in cell.data if name not in folders]}
                              for cell in plan]})  # fmt: skip
        return
    total = 0.0
    for cell in plan:
        lacking = [name for name in cell.data if name not in folders]
        total += 0 if lacking else cell.seconds
        what = f"needs --data {lacking[0]}=DIR" if lacking else f"{cell.seconds / 60:.1f} min"
        click.echo(f"{cell.id:<44} {cell.experiment:<20} {what}")
    click.echo(f"{len(plan)} cells, about {total / 60:.0f} minutes on two quiet CPU cores")


def _run(
    read: Any,
    asked: tuple[str, ...],
    plan: list[Any],
    budget: str,
    folders: dict[str, Path],
    out: Path,
    page: Path,
    device: str,
) -> Any:
    """Measure, judge, write; the report of it."""
    from camkit.progress import progress_bar
    from camkit.reproduction.page import write_page
    from camkit.reproduction.run import reproduce as measure
    from camkit.reproduction.tables import write_tables
    from camkit.runs.closing import Report

    def progress(results: Any, n: int) -> Any:
        return iter(progress_bar(results, what="cell", total=n, shown=shows_progress()))

    run = measure(plan, budget, folders, out, device=device, progress=progress, tell=say)
    verdicts = run.verdicts(read.named(asked))
    write_tables(out, run, verdicts)
    write_page(page, run, read, verdicts, asked)
    counted: dict[str, int] = {}
    for verdict in verdicts:
        counted[verdict.verdict] = counted.get(verdict.verdict, 0) + 1
    failed = [f"{cell}: {why}" for cell, why in run.missing.items() if not why.startswith("needs ")]
    lines = [", ".join(f"{n} {verdict}" for verdict, n in counted.items()),
             f"look at {page}, {out / 'verdicts.csv'}, {out / 'cells.csv'}"]  # fmt: skip
    return Report(lines, len(failed), failed, {"out": str(out), "page": str(page), "verdicts": counted})
