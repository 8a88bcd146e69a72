"""camkit evaluate and camkit ablate: figures with intervals, from a classifier and annotated images."""

import sys
from pathlib import Path
from typing import Any

import click

from camkit.cli.options import model_options, pop_classifier, pop_recipe, recipe_options, run_options, together

data_options = together(
    click.option("--dataset", required=True, metavar="FORMAT",
                 help="cub, ilsvrc, openimages, voc, coco, csv, wsol, tiny-imagenet or shapes."),
    click.option("--root", required=True, type=click.Path(path_type=Path), help="Where the data set lies."),
    click.option("--split", default="val", show_default=True),
    click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path),
                 help="Folder for the results."),
    click.option("--step", type=click.FloatRange(0, 1, min_open=True), default=0.001, show_default=True,
                 help="Between the thresholds of MaxBoxAcc, MaxBoxAccV2 and PxAP."),
    click.option("--seed", default=0, show_default=True, help="Of the bootstrap."),
)  # fmt: skip


@click.command(short_help="Measure localization on annotated images.")
@model_options
@data_options
@recipe_options
@run_options
def evaluate(**options: Any) -> None:
    """Measure localization on annotated images: OUT gets metrics.json, per_image.csv, curve.csv and its plot.

    \b
    Example:
      camkit evaluate --model resnet50 --dataset ilsvrc --root imagenet/ --split val --out measured
    """
    _run({"recipe": pop_recipe(options)}, options)


@click.command(short_help="Hold CAM, NWC, PaS and both against each other.")
@model_options
@data_options
@run_options
def ablate(**options: Any) -> None:
    """Hold CAM, +NWC, +PaS and both against each other on annotated images, from one forward pass.

    \b
    Example:
      camkit ablate --model tiny --dataset tiny-imagenet --root tiny-imagenet/ --out ablated
    """
    from camkit.recipe import RECIPES

    _run(RECIPES, options)


def _run(recipes: Any, options: dict[str, Any]) -> None:
    from camkit.runs.evaluate import run_evaluate

    report = run_evaluate(pop_classifier(options), recipes, show_progress=sys.stderr.isatty(), **options)
    click.echo("\n".join(report.lines))
    sys.exit(1 if report.failed else 0)
