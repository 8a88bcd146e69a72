"""Options that name several weightings and thresholds at once."""

from collections.abc import Mapping
from typing import Any

import click

from camkit.cli.groups import option, option_group
from camkit.cli.recipe import register_own, threshold_of
from camkit.cli.recipe_names import (
    PUBLISHED_THRESHOLDS,
    SEVERAL_THRESHOLDS,
    SEVERAL_WEIGHTINGS,
    names_in,
    why_no_threshold,
    why_no_weighting,
)

weightings_option = option(
    "--weightings", metavar="all|NAME,...", type=SEVERAL_WEIGHTINGS,
    help="With commas between them, each as --weighting of camkit localize takes it; all: every one of camkit's own "
         "that holds on the network.",
)  # fmt: skip

grid_options = option_group(
    "Recipes",
    weightings_option,
    option("--thresholds", metavar="all|NAME,...", type=SEVERAL_THRESHOLDS,
           help="With commas between them, each as --threshold of camkit localize takes it; all: max, minmax, pas and "
                "ivr. Each weighting is crossed with each threshold; where one of the two is left out, signed and "
                "positive, or minmax and pas."),
    option("--against", metavar="NAME",
           help="The recipe that the others are compared with, such as positive+pas.  [default: signed+minmax, or the "
                "first]"),
)  # fmt: skip

choice_options = option_group(
    "To choose from",
    weightings_option,
    option("--thresholds", metavar="all|NAME,...", type=PUBLISHED_THRESHOLDS, default="all", show_default=True,
           help="max, minmax, pas, ivr, with commas between them."),
)  # fmt: skip


def check_grid(options: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other, before torch is loaded.

    Raises
    ------
    UsageError
    """
    weightings, thresholds, against = (options.get(name) for name in ("weightings", "thresholds", "against"))
    if weightings is not None and (options.get("maps") is not None or options.get("maps_by") is not None):
        raise click.UsageError("maps by something else have no class weights to weigh: leave out --weightings")
    if against is None:
        return
    if weightings is None and thresholds is None:
        raise click.UsageError("--against names a recipe of --weightings and --thresholds: give one of them, or both")
    weighting, plus, threshold = against.rpartition("+")  # of maps without weights the threshold alone
    if why := (why_no_weighting(weighting) if plus else "") or why_no_threshold(threshold):
        raise click.UsageError(f"--against: {why}")


def pop_weightings(options: dict[str, Any], default: list[str] | None) -> list[str] | None:
    """What --weightings names, those of one's own registered; None for all."""
    text = options.pop("weightings")
    if text is None:
        return default
    names = names_in(text)
    if names == ["all"]:
        return None
    for name in names:
        register_own("weighting", name)
    return names


def pop_thresholds(options: dict[str, Any], default: list[str]) -> dict[str, Any] | None:
    """What --thresholds names, those of one's own registered; None for all."""
    text = options.pop("thresholds")
    names = default if text is None else names_in(text)
    if names == ["all"]:
        return None
    for name in names:
        register_own("threshold", name)
    return {name: threshold_of({"threshold": name, "theta": None, "percentile": None, "pas": None}) for name in names}


def pop_grid(options: dict[str, Any]) -> Any:
    """The `Grid` that the options name; of the papers' four recipes where they name none."""
    against, crossed = options.pop("against"), (options["weightings"], options["thresholds"]) != (None, None)
    weightings = pop_weightings(options, ["signed", "positive"])
    thresholds = pop_thresholds(options, ["minmax", "pas"])
    if not crossed:
        return None
    from camkit.evaluation.grid import Grid

    return Grid(weightings, thresholds, against)
