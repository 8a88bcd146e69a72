"""camkit compare: photographs under several recipes and models, on one page."""

import sys
from pathlib import Path
from typing import Any

import click

from camkit.cli.ending import finish
from camkit.cli.options import (
    MODEL_OPTIONS,
    GivenPath,
    class_map_option,
    given_options,
    load_model,
    make_model_options,
    option_group,
    pop_classifier,
    run_options,
)
from camkit.cli.recipe import register_own

MOST = 60  # photographs on a page

compare_options = option_group(
    click.option("--models", metavar="A,B", help="Several models as they come, instead of --model."),
    click.option("--recipes", default="cam,nwc,pas,nwc+pas", show_default=True,
                 help="Any of these, and WEIGHTING+THRESHOLD with the names that --weighting and --threshold take, "
                      "such as positive+ivr or signed+p30:max."),
    click.option("--images", help="A folder (searched recursively), a file, a glob, or @list.txt; beside --dataset the "
                                  "names of images of its, or patterns such as 'a/*'."),
    click.option("--labels", type=click.Path(dir_okay=False, path_type=Path),
                 help="CSV with the columns image,label: the class to find. Default: the predicted."),
    click.option("--dataset", metavar="FORMAT", help="Annotated images, whose boxes are drawn in red."),
    click.option("--root", type=GivenPath(path_type=Path), help="Where the data set lies."),
    click.option("--split", default="val", show_default=True),
    class_map_option,
    click.option("--limit", type=click.IntRange(1, MOST), default=6, show_default=True,
                 help="So many photographs, evenly spaced."),
    click.option("--out", required=True, type=GivenPath(file_okay=False, path_type=Path),
                 help="Folder for the results."),
)  # fmt: skip


@click.command(short_help="Draw photographs under several recipes, side by side.")
@make_model_options(required=False)
@compare_options
@run_options
def compare(**options: Any) -> None:
    """Draw photographs under several recipes and models, side by side: OUT gets comparison.png, .pdf and .csv.

    A row a photograph; the truth in red, predictions in green. Each map is of the image's own class with --dataset,
    else of the predicted one.

    \b
    Examples:
      camkit compare --model resnet50 --images photos/ --out compared
      camkit compare --models resnet50,vgg16 --recipes cam,positive+ivr --dataset cub --root CUB/ --out both
    """
    from camkit.runs.compare import run_compare

    recipes = [name.strip() for name in options.pop("recipes").split(",") if name.strip()]
    for name in recipes:
        weighting, _, threshold = name.rpartition("+")
        register_own("weighting", weighting)
        register_own("threshold", threshold)
    finish(run_compare(pop_models(options), recipes, show_progress=sys.stderr.isatty(), **options))


def pop_models(options: dict[str, Any]) -> list[Any]:
    """The models to compare: --model with all that belongs to it, or --models as they come."""
    models = options.pop("models")
    if (models is None) == (options["model"] is None):
        raise click.UsageError("give --model or --models, one of them")
    if models is None:
        return [pop_classifier(options)]
    if beside := given_options(MODEL_OPTIONS):
        raise click.UsageError(f"--models are taken as they come: leave out {', '.join(beside)}")
    for name in MODEL_OPTIONS:
        del options[name]
    given = [name.strip() for name in models.split(",") if name.strip()]
    return [load_model(model=name, weights="DEFAULT", names=None, size=None, mean=None, std=None) for name in given]
