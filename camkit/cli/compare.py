"""camkit compare: photographs under several recipes and models, on one page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from camkit.cli.catalog import DATASETS, Model, Name
from camkit.cli.checks import MODEL_OPTIONS
from camkit.cli.classifier import load_model, pop_classifier
from camkit.cli.groups import command, given_options, option, option_group
from camkit.cli.options import make_model_options, make_result_options, make_run_options
from camkit.cli.prepare import prepare
from camkit.cli.recipe import register_own
from camkit.cli.recipe_names import SEVERAL_RECIPES, names_in
from camkit.cli.screen import finish, shows_progress
from camkit.cli.values import GivenPath

MOST = 60  # photographs on a page

compared_options = option_group(
    "Compared",
    option("--models", metavar="A,B", type=Model(several=True),
           help="Several models as they come, instead of --model."),
    option("--recipes", default="cam,nwc,pas,nwc+pas", show_default=True, metavar="NAME,...", type=SEVERAL_RECIPES,
           help="Any of these, and WEIGHTING+THRESHOLD with the names that --weighting and --threshold take elsewhere, "
                "such as positive+ivr or signed+p30:max."),
)  # fmt: skip

image_options = option_group(
    "Images",
    option("--images", needed="photos/", unless=["dataset"], multiple=True,
           help="A folder (searched recursively), a file, a glob, or @list.txt; beside --dataset the names of its own "
                "images, or patterns such as 'a/*'. It may be repeated."),
    option("--labels", type=click.Path(dir_okay=False, path_type=Path),
           help="CSV with the columns image,label (number or name): the class to find.  [default: the predicted]"),
    option("--limit", type=click.IntRange(1, MOST), default=6, show_default=True,
           help="So many photographs, evenly spaced."),
)  # fmt: skip

# not those of the commands that measure: here a data set is one of two sources, and need not be given
data_options = option_group(
    "Data set",
    option("--dataset", metavar="FORMAT", type=Name("data set", DATASETS),
           help="Annotated images, in red with their boxes, under their own classes; camkit datasets lists formats, "
                "auto is the one that fits --root."),
    option("--root", type=GivenPath(path_type=Path), help="Where the data set lies."),
    option("--split", default="val", show_default=True, help="The part of the data set."),
    option("--class-map", type=click.Path(dir_okay=False, path_type=Path),
           help="CSV, dataset,model: the data set's classes that do not meet the model's by name; - leaves a class "
                "out."),
)  # fmt: skip


@command(short_help="Draw photographs under several recipes, side by side.")
@make_model_options("models")
@compared_options
@image_options
@data_options
@make_result_options()
@make_run_options(fit=None)
def compare(**options: Any) -> None:
    """Draw photographs under several recipes and models, side by side: OUT gets comparison.png, .pdf and .csv.

    A row a photograph; the truth in red, predictions in green. Each map is of the image's own class with --dataset,
    else of the predicted one.

    \b
    Examples:
      camkit compare --model resnet50 --images photos/
      camkit compare --models resnet50,vgg16 --recipes cam,positive+ivr --dataset cub --root CUB_200_2011/ --out both
    """
    images = options["images"]
    check_compared(options)
    if options["dataset"]:
        options["images"] = ()  # names in it, and no files
    prepare(options)
    recipes = names_in(options.pop("recipes"))
    for name in recipes:
        weighting, _, threshold = name.rpartition("+")
        register_own("weighting", weighting)
        register_own("threshold", threshold)
    options["images"] = images
    from camkit.runs.compare import run_compare

    finish(run_compare(pop_models(options), recipes, show_progress=shows_progress(), **options))


def check_compared(options: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other, before torch is loaded.

    Raises
    ------
    UsageError
    """
    if options["models"] is not None and (beside := given_options(MODEL_OPTIONS)):
        raise click.UsageError(f"--models are taken as they come: leave out {', '.join(beside)}")
    if options["dataset"] is not None and options["root"] is None:
        raise click.UsageError("--dataset wants --root, where the data set lies: give it")
    if options["dataset"] is not None and options["labels"] is not None:
        raise click.UsageError("a data set has its own labels: leave out --labels")


def pop_models(options: dict[str, Any]) -> list[Any]:
    """The models to compare: --model with all that belongs to it, or --models as they come."""
    models = options.pop("models")
    if models is None:
        return [pop_classifier(options)]
    for name in MODEL_OPTIONS:
        del options[name]
    given = [name.strip() for name in models.split(",") if name.strip()]
    return [load_model(model=name) for name in given]
