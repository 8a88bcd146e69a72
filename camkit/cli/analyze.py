"""camkit analyze: the papers' analyses of a classifier on annotated images."""

import math
from typing import Any

import click

from camkit.cli.classifier import pop_classifier_or_demo
from camkit.cli.groups import DEMO, Argument, command, option, option_group
from camkit.cli.options import (
    demo_option,
    limit_option,
    make_data_options,
    make_model_options,
    make_result_options,
    make_run_options,
    resume_option,
)
from camkit.cli.prepare import prepare
from camkit.cli.screen import finish, shows_progress
from camkit.cli.values import FloatRange, comma_separated

NAMES = ("ioa", "zipf", "channels", "overlap", "dispersion", "intensity", "masking", "sweep", "all")


def intensities(value: str) -> tuple[float, ...]:
    """What the input is multiplied with: 0 or more, and not 1, which leaves it as it is."""
    numbers = comma_separated(float)(value)
    if not all(0 <= number != 1 and math.isfinite(number) for number in numbers):
        raise click.BadParameter(f"{value!r}: give numbers of at least 0, not 1, such as 0.25,0.5,0.75")
    return numbers


analysis_options = option_group(
    "Analyses",
    option("--binarize", type=click.Choice(["max", "percentile"]), default="max", show_default=True,
           help="ioa: what --theta is a share of."),
    option("--theta", type=FloatRange(0, 1), default=0.35, show_default=True, help="ioa and zipf."),
    option("--percentile", type=FloatRange(80, 100), default=90.0, show_default=True,
           help="zipf, and ioa with --binarize percentile."),
    option("--normalize", type=click.Choice(["minmax", "none"]), default="minmax", show_default=True,
           help="ioa, zipf and sweep."),
    option("--interpolation", type=click.Choice(["bilinear", "bicubic"]), default="bilinear", show_default=True,
           help="ioa, zipf and sweep."),
    option("--tap-theta", type=FloatRange(0, 1, max_open=True), default=0.1, show_default=True,
           help="channels: what is activated, a share of the channel's maximum."),
    option("--top", type=FloatRange(0, 1, max_open=True), default=0.8, show_default=True,
           help="overlap: what is most activated, a share of the channel's maximum."),
    option("--intensities", type=intensities, default="0.25,0.5,0.75", show_default=True,
           metavar="A,...", help="intensity: what the input is multiplied with, a forward pass each."),
    option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
           help="sweep: of the draws behind intervals."),
)  # fmt: skip


@command(short_help="Ask which of the papers' problems a classifier has.")
@click.argument("analyses", cls=Argument, needed="all", nargs=-1, type=click.Choice(NAMES), metavar="ANALYSIS...")
@make_model_options(DEMO)
@make_data_options(limit_option, unless=[DEMO])
@demo_option
@analysis_options
@make_result_options(resume_option)
@make_run_options()
def analyze(analyses: tuple[str, ...], **options: Any) -> None:
    """Ask which of the papers' problems a classifier has, on annotated images, before choosing a technique.

    \b
    ANALYSIS is one or more of
      ioa         where positively and negatively weighted features lie: does NWC help?   needs boxes
      zipf        how a class map falls off, by maximum and percentile: does PaS help?
      channels    activated area and pooled values against class weights: does TAP help?
      overlap     where the most activated regions of the channels coincide
      dispersion  distance to the class centre, image and image x map: can CRR work?      1 pass more
      intensity   how features move with the input's intensity: can FRR work?             3 passes more
      masking     masking the image against masking the features                          dispersion's pass
      sweep       GT-known Loc over theta and percentile                                  needs boxes
      all         every one, over the images once: 5 forward passes an image

    Each writes OUT/ANALYSIS.csv, .json (the summary, with intervals), .png and .pdf; OUT/run.json has the settings.

    \b
    Examples:
      camkit analyze ioa zipf --model resnet50 --dataset ilsvrc --root imagenet/ --limit 2000 --out analyzed
      camkit analyze all --model tiny --dataset tiny-imagenet --root tiny-imagenet/ --out analyzed
      camkit analyze all --demo
    """
    prepare(options)
    settings, classifier = pop_analyses(options), pop_classifier_or_demo(options)
    from camkit.runs.analyze import run_analyze
    from camkit.runs.options import RunOptions

    finish(run_analyze(classifier, analyses, RunOptions(show_progress=shows_progress(), **options), settings))


def pop_analyses(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each analysis' own settings."""
    from camkit.boxes import MaxThreshold, PercentileThreshold
    from camkit.recipe import Recipe

    theta, percentile, how = (options.pop(name) for name in ("theta", "percentile", "binarize"))
    maps = {name: options.pop(name) for name in ("interpolation", "normalize")}
    maps["normalization"] = maps.pop("normalize")
    threshold = MaxThreshold(theta) if how == "max" else PercentileThreshold(theta, percentile)
    recipe = Recipe("signed", threshold, **maps)
    return {
        "ioa": {"binarisation": recipe},
        "zipf": {"theta": theta, "percentile": percentile, "recipe": recipe},
        "channels": {"tap_theta": options.pop("tap_theta")},
        "overlap": {"top": options.pop("top")},
        "intensity": {"intensities": options.pop("intensities")},
        "sweep": {"recipe": recipe, "seed": options.pop("seed")},
    }
