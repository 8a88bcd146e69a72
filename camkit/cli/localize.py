"""camkit localize: boxes, pictures and tables from a classifier and a folder of photographs."""

from pathlib import Path
from typing import Any

import click

from camkit.cli.catalog import FORMATS, Name
from camkit.cli.classifier import note_other_source, pop_classifier
from camkit.cli.engine import OWN, check_engine, engine_options, taken
from camkit.cli.groups import command, option, option_group
from camkit.cli.options import make_model_options, make_result_options, make_run_options, resume_option
from camkit.cli.prepare import prepare
from camkit.cli.recipe import pop_settings, recipe_options
from camkit.cli.screen import finish, shows_progress
from camkit.cli.values import FloatRange, overlays, regions, shard

image_options = option_group(
    "Images",
    option("--images", needed="photos/", multiple=True,
           help="A folder (searched recursively), a file, a glob, or @list.txt; several may follow, and it may be "
                "repeated."),
    option("--labels", type=click.Path(dir_okay=False, path_type=Path),
           help="CSV with the columns image,label (number or name): the class to find.  [default: the predicted]"),
    option("--topk", type=click.IntRange(1), default=1, show_default=True, help="Predicted classes for each image."),
    option("--min-score", type=FloatRange(0, 1), default=0.0, show_default=True,
           help="Leave out predicted classes with a lower score, and count them."),
)  # fmt: skip

region_options = option_group(
    "Regions",
    option("--regions", type=regions, metavar="largest|N|all", default="largest", show_default=True,
           help="Which regions above the threshold are objects: the largest, so many of them, or all; a row each."),
    option("--min-area", type=FloatRange(0, 1), default=0.0, show_default=True, metavar="SHARE",
           help="Leave out regions that cover a smaller share of the image."),
)  # fmt: skip

result_options = make_result_options(
    option(
        "--formats",
        type=Name("format", FORMATS, several=True),
        default="csv,coco",
        show_default=True,
        metavar="A,...",
        help=f"Any of {', '.join(FORMATS)}.",
    ),
    option(
        "--overlays",
        type=overlays,
        default="all",
        show_default=True,
        metavar="N|all",
        help="A picture for each result: of all images, or of so many, evenly spaced over the list.",
    ),
    option("--no-overlays", is_flag=True, help="No pictures."),
    option(
        "--overlay-format",
        type=click.Choice(["png", "jpeg"]),
        default="png",
        show_default=True,
        help="Of the pictures: without loss, or a fifth of the size and of the time.",
    ),
    option(
        "--overlay-side",
        type=click.IntRange(256),
        metavar="PIXELS",
        help="Longest side of the pictures' images.  [default: the image's own, up to 4 million pixels]",
    ),
    option("--save-maps", is_flag=True, help="Each score map as float32 .npy, at the image's size."),
    option(
        "--maps-per-file",
        type=click.IntRange(1),
        metavar="N",
        help="With --save-maps: images whose maps share a file, a .npz of more than one.  [default: 1; of more than "
        "10,000 images 1000]",
    ),
    option(
        "--save-masks",
        is_flag=True,
        help="Each class's regions as a grey PNG, and as run lengths in coco.json and boxes.jsonl.",
    ),
    resume_option,
)

run_options = make_run_options(
    option("--shard", type=shard, default="1/1", metavar="I/N",
           help="The I-th of N parts of the images, counted from 1, in a folder of its own; camkit merge puts them "
                "together."),
    option("--optimize/--no-optimize", default=None,
           help="A faster copy of the network (batch norms folded, channels_last), where the first batch's logits stay "
                "equal to 1e-5 of their range.  [default: in fp32 on the CPU]"),
    option("--compile", is_flag=True, help="The same of a compiled copy (torch.compile)."),
    option("--on-error", type=click.Choice(["skip", "fail"]), default="skip", show_default=True,
           help="skip: report an image that fails and go on; fail: stop there."),
    fit=None,
)  # fmt: skip


@command(short_help="Find the objects in photographs.")
@click.argument("more_images", nargs=-1, metavar="[IMAGES]...")
@make_model_options()
@image_options
@recipe_options
@region_options
@result_options
@run_options
@engine_options
def localize(images: tuple[str, ...], more_images: tuple[str, ...], **options: Any) -> None:
    """Find the objects in photographs: OUT gets boxes.csv, coco.json, overlays/, failures.csv and run.json.

    \b
    Examples:
      camkit localize --model resnet50 --images photos/
      camkit localize --model resnet50 --images photos/ 'more/*.jpg' --out found --topk 5 --min-score 0.1
      camkit localize --model resnet50 --images photos/ --out found --settings calibrated/settings.json
      camkit localize --model resnet50 --images photos/ --out seeds --regions all --min-area 0.01 --save-masks
      camkit localize --model my_net.py:build --weights my.safetensors --images @list.txt --out found --fit keep
      camkit localize --engine ray --model resnet50 --images 'shard-{000..999}.tar' --out results.parquet
    """
    options["images"] = [*images, *more_images]
    check_engine(options)
    prepare(options)
    if options["engine"] is not None:
        settings = pop_settings(options)
        from camkit.runs.localize_on_ray import run_localize_on_ray

        finish(run_localize_on_ray(recipe=settings.recipe, chosen_on=settings.chosen_on,
                                   show_progress=shows_progress(), **taken(options)))  # fmt: skip
    for name in ("engine", *OWN):
        del options[name]
    options["overlays"] = False if options.pop("no_overlays") else options["overlays"]
    settings, classifier = pop_settings(options), pop_classifier(options)
    note_other_source(settings, classifier)
    from camkit.runs.localize import run_localize

    finish(run_localize(classifier, settings.recipe, chosen_on=settings.chosen_on,
                        show_progress=shows_progress(), **options))  # fmt: skip
