"""Options that name a recipe: weighting, threshold, normalisation, interpolation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from camkit.cli.groups import given_options, option, option_group
from camkit.cli.recipe_names import OWN, THRESHOLD, WEIGHTING
from camkit.cli.values import FloatRange
from camkit.errors import CamkitError

recipe_options = option_group(
    "From class map to box",
    option("--nwc/--no-nwc", default=True, show_default=True, help="Negative weight clamping."),
    option("--pas/--no-pas", default=True, show_default=True, help="Percentile as a standard for thresholding."),
    option("--weighting", metavar="NAME", type=WEIGHTING,
           help="Instead of --nwc: signed (CAM), positive (NWC), negative, gradcam++, ablation, finer, "
                "finer:ALPHA:CLASSES, ccam: or ccam-agnostic: with t1b1, linear, quadratic or topN; or a function of "
                "yours, path/to/file.py:name."),
    option("--threshold", metavar="NAME", type=THRESHOLD,
           help="Instead of --pas: max, minmax, pas, ivr; LO:HI, each a number, min, max or a percentile such as "
                "p30; or a function of yours, path/to/file.py:name."),
    option("--percentile", type=FloatRange(0, 100), help="Of the map.  [default: 90 with PaS, 60 with IVR]"),
    option("--theta", type=FloatRange(0, 1),
           help="Share of the way from LO to HI.  [default: 0.35 with PaS, 0.2 without]"),
    option("--normalize", type=click.Choice(["minmax", "none"]),
           help="Stretch each map to [0, 1], or leave it as it is.  [default: minmax; none with --threshold max]"),
    option("--interpolation", type=click.Choice(["bilinear", "bicubic"]), default="bilinear", show_default=True,
           help="How a class map is resized to the image."),
    option("--settings", type=click.Path(dir_okay=False, path_type=Path),
           help="What camkit calibrate chose, settings.json, instead of the options above and --fit."),
)  # fmt: skip

OPTIONS = ("nwc", "pas", "weighting", "threshold", "percentile", "theta", "normalize", "interpolation")


def check_recipe(options: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other, and a threshold that is none, before torch is loaded.

    Raises
    ------
    UsageError, CamkitError
    """
    own = [f"--{name}" for name in ("weighting", "threshold") if OWN.search(options[name] or "")]
    if options["settings"] is not None:
        beside = [one for one in given_options(OPTIONS) if one not in own]
        if beside:
            raise click.UsageError(f"--settings names the recipe: leave out {', '.join(beside)}")
        return
    for name, instead in (("weighting", "nwc"), ("threshold", "pas")):
        if options[name] is not None and given_options([instead]):
            raise click.UsageError(f"--{name} and --{instead} both name the {name}: give one of them")
    for name in ("maps", "maps_by"):
        if options.get(name) is not None and (beside := given_options(["nwc", "weighting"])):
            source = name.replace("_", "-")
            raise click.UsageError(f"--{source} has no class weights to weigh: leave out {', '.join(beside)}")
    threshold, percentile = options["threshold"], options["percentile"]
    takes_percentile = threshold in ("pas", "ivr") or (threshold is None and options["pas"])
    if percentile is not None and not takes_percentile:
        raise click.UsageError(f"--percentile {percentile:g} belongs to PaS and IVR: leave it out")
    if not OWN.search(threshold or ""):
        threshold_of(options)


def pop_settings(options: dict[str, Any]) -> Any:
    """The recipe, and where its threshold was chosen: from --settings, or as the options name it."""
    from camkit.recipe import Recipe
    from camkit.runs.settings import Settings, read_settings

    path = options.pop("settings")
    chosen = {name: options.pop(name) for name in OPTIONS}
    for name in ("weighting", "threshold"):
        register_own(name, chosen[name])
    if path is not None:
        settings = read_settings(path)
        if settings.fit is not None:
            if given_options(["fit"]) and options["fit"] != settings.fit:
                raise click.UsageError(f"--settings names the fit, {settings.fit}: leave out --fit")
            options["fit"] = settings.fit
        if options.get("maps_by") is not None and settings.recipe.weighting != "signed":
            raise CamkitError(f"{path}: its weighting is {settings.recipe.weighting!r}, and --maps-by has no weights")
        return settings
    if any(options.get(name) is not None for name in ("maps", "maps_by")):
        chosen["weighting"] = "signed"
    normalization: Any = chosen["normalize"] or ("none" if chosen["threshold"] == "max" else "minmax")
    weighting = chosen["weighting"] or ("positive" if chosen["nwc"] else "signed")
    return Settings(Recipe(weighting, threshold_of(chosen), normalization, chosen["interpolation"]))


def threshold_of(chosen: Mapping[str, Any]) -> Any:
    """The threshold that --threshold, --pas, --theta and --percentile name."""
    from camkit.boxes.thresholds import THRESHOLDS, MaxThreshold, PercentileThreshold, Threshold, level

    name, theta, percentile = chosen["threshold"], chosen["theta"], chosen["percentile"]
    if OWN.search(name or ""):
        from camkit.recipe import OWN_RULES

        if theta is not None:
            raise click.UsageError(f"--theta {theta:g} says nothing to {name}: leave it out")
        return OWN_RULES[name]
    if name in THRESHOLDS:
        return THRESHOLDS[name](theta, percentile)
    share = {} if theta is None else {"theta": theta}
    if name is None:
        place = {} if percentile is None else {"percentile": percentile}
        return PercentileThreshold(**share, **place) if chosen["pas"] else MaxThreshold(**share)
    lo, _, hi = name.partition(":")
    return Threshold(lo=level(lo), hi=level(hi), **share)


def register_own(kind: str, name: str | None) -> None:
    """Register a weighting or threshold of the user's, where the name is path/to/file.py:name."""
    if name is None or not OWN.search(name):
        return
    from camkit.cam import register_weighting
    from camkit.models.python_file import function_from
    from camkit.recipe import register_threshold

    function = function_from(name, f"--{kind} takes path/to/file.py:name")
    if kind == "weighting":
        register_weighting(name)(function)
    else:
        register_threshold(name, function)
