"""camkit codetect: maps and boxes of a set of images, class by class, without a weight of the class."""

from typing import Any

import click

from camkit.cli.catalog import FORMATS, Name
from camkit.cli.classifier import pop_classifier_or_demo
from camkit.cli.groups import DEMO, command, given_options, option
from camkit.cli.options import (
    demo_option,
    limit_option,
    make_data_options,
    make_model_options,
    make_result_options,
    make_run_options,
)
from camkit.cli.prepare import prepare
from camkit.cli.screen import finish, shows_progress

IDLE = ("fc", "class_names", "maps_by", "views", "class_map")  # say nothing of features, nor of the data set's classes

result_options = make_result_options(
    option("--formats", type=Name("format", [name for name in FORMATS if name != "yolo"], several=True),
           default="csv,coco", show_default=True, metavar="A,...", help="Of the boxes, as of camkit localize."),
)  # fmt: skip


@command(short_help="Find what the images of a class have in common (DDT).")
@make_model_options(DEMO)
@make_data_options(limit_option, unless=[DEMO], split="train")
@demo_option
@result_options
@make_run_options(fits=())
def codetect(**options: Any) -> None:
    """Find what the images of each class have in common: OUT gets maps/, boxes.csv, coco.json, directions.csv,
    failures.csv and run.json.

    DDT (Wei et al., IJCAI 2017), which PSOL makes its pseudo boxes by: of all images of one class, the direction in
    which their features vary most. A map says how far each position lies along it, and the box is round the largest
    region above 0. Labels say which images belong together; they need not be the network's classes, and no box is
    looked at. directions.csv has each direction's share of the variance. Each image goes through the network twice.

    \b
    Examples:
      camkit codetect --model vgg16 --size 448 --dataset cub --root CUB_200_2011/ --out codetected
      camkit evaluate --boxes codetected/boxes.csv --dataset cub --root CUB_200_2011/ --split train --out measured
      camkit evaluate --maps codetected/maps --threshold 0:max --theta 0 --normalize none --dataset cub \\
        --root CUB_200_2011/ --split train --out measured-maps
      camkit codetect --demo
    """
    if idle := given_options(IDLE):
        raise click.UsageError(f"features alone are taken, and the data set's classes: leave out {', '.join(idle)}")
    prepare(options)
    formats, classifier = options.pop("formats"), pop_classifier_or_demo(options)
    from camkit.runs.codetect import run_codetect
    from camkit.runs.options import RunOptions

    finish(run_codetect(classifier, RunOptions(show_progress=shows_progress(), **options), formats=formats))
