"""camkit localize: boxes, pictures and tables from a classifier and a folder of photographs."""

import sys
from pathlib import Path
from typing import Any

import click

from camkit.cli.ending import finish
from camkit.cli.options import (
    GivenPath,
    model_options,
    note_other_source,
    option_group,
    pop_classifier,
    run_options,
)
from camkit.cli.recipe import pop_settings, recipe_options

localize_options = option_group(
    click.option("--images", required=True, help="A folder (searched recursively), a file, a glob, or @list.txt."),
    click.option("--out", required=True, type=GivenPath(file_okay=False, path_type=Path),
                 help="Folder for the results."),
    click.option("--labels", type=click.Path(dir_okay=False, path_type=Path),
                 help="CSV with the columns image,label (number or name): the class to find. Default: the predicted."),
    click.option("--topk", type=click.IntRange(1), default=1, show_default=True,
                 help="Predicted classes for each image."),
    click.option("--overlays/--no-overlays", default=True, show_default=True, help="A picture for each result."),
    click.option("--save-maps", is_flag=True, help="Each score map as float32 .npy, at the image's size."),
    click.option("--formats", default="csv,coco", show_default=True,
                 help="Any of csv, coco, coco-results, jsonl, yolo."),
    click.option("--resume", is_flag=True, help="Go on where a run of the same settings stopped."),
    click.option("--on-error", type=click.Choice(["skip", "fail"]), default="skip", show_default=True,
                 help="skip: report an image that fails and go on; fail: stop there."),
)  # fmt: skip


@click.command(short_help="Find the objects in photographs.")
@model_options
@localize_options
@recipe_options
@run_options
def localize(**options: Any) -> None:
    """Find the objects in photographs: OUT gets boxes.csv, coco.json, overlays/, failures.csv and run.json.

    \b
    Examples:
      camkit localize --model tiny --images photos/ --out found
      camkit localize --model resnet50 --images 'photos/*.jpg' --out found --topk 5
      camkit localize --model resnet50 --images photos/ --out found --settings calibrated/settings.json
      camkit localize --model my_net.py:build --weights my.safetensors --images @list.txt --out found --fit keep
    """
    from camkit.runs.localize import run_localize

    settings, classifier = pop_settings(options), pop_classifier(options)
    note_other_source(settings, classifier)
    report = run_localize(classifier, settings.recipe, chosen_on=settings.chosen_on,
                          show_progress=sys.stderr.isatty(), **options)  # fmt: skip
    finish(report)
