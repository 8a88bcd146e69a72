"""Before a run: where its results go, and what can be refused before torch is loaded."""

import os
from itertools import chain, count
from pathlib import Path
from typing import Any

import click

from camkit.cli.checks import check_call, processes
from camkit.cli.grid import check_grid
from camkit.cli.recipe import check_recipe
from camkit.cli.screen import note
from camkit.data.formats.registry import AUTO


def prepare(options: dict[str, Any], *, silent: bool = False) -> None:
    """Find a folder for the results where none is named, and refuse what can be refused before torch is loaded.

    Where the results go is said at the end, by `say_where`; `silent` leaves that to a command that has more to refuse.
    """
    unnamed = options["out"] is None
    if unnamed:
        if processes() > 1:
            raise click.UsageError("several processes share one folder: name it with --out")
        if options.get("resume"):
            raise click.UsageError("--resume goes on with a run: name its folder with --out")
        options["out"] = free_folder(f"camkit-{click.get_current_context().info_name}", anew=options["overwrite"])
    if "nwc" in options:
        check_recipe(options)
    if "weightings" in options:
        check_grid(options)
    check_call(options)
    if options.get("dataset"):
        options["dataset"] = found_format(options["dataset"], options["root"], options["split"])
    if unnamed and not silent:
        say_where(options["out"])


def say_where(out: Path) -> None:
    """Where the results go that no --out has named."""
    note(f"results go to {out}/")


def found_format(dataset: str, root: Any, split: str) -> str:
    """The name of a format: of auto, the one that fits, and that is said."""
    if dataset != AUTO:
        return dataset
    from camkit.data import find_format

    found = find_format(root, split)
    note(f"{root} is {found}")
    return found.name


def free_folder(base: str, *, anew: bool) -> Path:
    """The next of `base`, `base-2`, ... that is free; `base` itself where an earlier run in it shall be replaced."""
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    return Path(base if anew else next(name for name in names if not os.path.lexists(name)))
