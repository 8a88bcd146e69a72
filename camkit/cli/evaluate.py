"""camkit evaluate, ablate and calibrate: figures with intervals from annotated images."""

from pathlib import Path
from typing import Any

import click

from camkit.cli.catalog import Model
from camkit.cli.checks import MODEL_OPTIONS, OF_MAPS
from camkit.cli.classifier import load_model, note_other_source, pop_classifier
from camkit.cli.grid import choice_options, grid_options, pop_grid, pop_weightings
from camkit.cli.groups import command, given_options, option, option_group
from camkit.cli.options import (
    limit_option,
    make_data_options,
    make_model_options,
    make_result_options,
    make_run_options,
    resume_option,
)
from camkit.cli.prepare import prepare
from camkit.cli.recipe import pop_settings, recipe_options
from camkit.cli.recipe_names import names_in
from camkit.cli.screen import finish, shows_progress
from camkit.cli.values import FloatRange, regions

FURTHER = ("by_size", "by_class", "pointing_game", "tolerance", "max_box_acc_v3", "center_crop", "macro", "strict")

measure_options = option_group(
    "Measures",
    option("--protocol", type=click.Choice(["paper", "wsol"]), default="paper", show_default=True,
           help="How a fixed threshold's box is found and held against the truth: on the image, the region with "
                "the most pixels; or on a grid of 224x224, bicubic, with the longest outer border's area. "
                "MaxBoxAcc, MaxBoxAccV2 and PxAP are wsol's in both."),
    option("--step", type=FloatRange(1e-5, 1), default=0.001, show_default=True,
           help="Between the thresholds of MaxBoxAcc, MaxBoxAccV2 and PxAP."),
    option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
           help="Of the draws behind MaxBoxAcc's and V2's intervals."),
)  # fmt: skip

further_options = option_group(
    "More measures",
    option("--by-size", is_flag=True,
           help="Figures by the truth's share of the image: small, medium (from 9 %), large (from 36 %), and their "
                "mean, all at the one threshold."),
    option("--by-class", is_flag=True, help="Figures by class, as a table, and the best and worst as a picture."),
    option("--pointing-game", is_flag=True,
           help="Whether maps' peaks lie on the object, and which share of their positive mass does."),
    option("--tolerance", type=FloatRange(0), default=15, show_default=True,
           help="Of the pointing game, in pixels of the image, beside the one without."),
    option("--max-box-acc-v3", is_flag=True,
           help="Of several true boxes each counts once: recall, precision and F1."),
    option("--ranked-boxes", type=click.IntRange(1), metavar="K",
           help="GT-known Loc where one of the K largest regions may be right."),
    option("--regions", type=regions, metavar="largest|N|all",
           help="Which regions above the threshold are objects, as localize takes it: recall, precision and F1 of the "
                "true boxes, IoU of their pixels with the masks."),
    option("--min-area", type=FloatRange(0, 1), default=0.0, show_default=True, metavar="SHARE",
           help="With --regions: leave out those that cover a smaller share of the image."),
    option("--insertion-deletion", type=click.IntRange(1), metavar="STEPS",
           help="Areas under the class's probability as pixels come and go; 2 (STEPS + 1) more forward passes for each "
                "image and weighting."),
)  # fmt: skip

old_options = option_group(
    "As figures of old were counted",
    option("--center-crop", is_flag=True,
           help="With --fit crop: the crop is all there is, and the truth is clipped to it (PSOL, GC-Net)."),
    option("--macro", is_flag=True, help="Beside each figure its mean over classes, ..._macro."),
    option("--strict", is_flag=True, help="Beside IoU of 0.5 and more: above 0.5, ..._strict."),
)  # fmt: skip

model_options, evaluated_options = make_model_options("maps"), make_model_options("maps", "boxes")

maps_option = option("--maps", type=click.Path(file_okay=False, path_type=Path),
                     help="A folder of another tool's maps (.npy, .npz, .png), instead of --model.")  # fmt: skip

source_options = option_group("Another source", maps_option)

evaluate_options = option_group(
    "Another source",
    maps_option,
    option("--boxes", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
           help="Boxes of a regressor or a detector, instead of --model: a CSV such as boxes.csv or PSOL's, COCO's "
                "detections or results. An image without one is a miss."),
    option("--box-of", type=click.Choice(["own", "own-or-miss", "any"]), default="own", show_default=True,
           help="Which of them GT-known Loc takes: the first of the image's own class; that, and images with boxes of "
                "other classes alone are misses; or the first of any class."),
    option("--classifier", metavar="MODEL", type=Model(),
           help="Another model that names the classes, for Top-1 and Top-5."),
    option("--classifier-weights", default="DEFAULT", show_default=True, help="Its weights, as --weights."),
)  # fmt: skip

tap_options = option_group(
    "Another source",
    maps_option,
    option("--tap", metavar="MODEL", type=Model(),
           help="A second model, trained with TAP: the grid is made of both."),
    option("--tap-weights", default="DEFAULT", show_default=True, help="Its weights, as --weights."),
)  # fmt: skip

supervision_options = option_group(
    "Supervision",
    option("--pseudo-boxes", metavar="FILE|map-otsu|selective-search",
           help="Choose by these instead of the true boxes of --split: a file as evaluate --boxes takes it, such as "
                "the boxes.csv of localize; round what Otsu's threshold leaves of the plain map; or the proposal in "
                "which that map is most concentrated."),
)  # fmt: skip

calibrate_data_options = make_data_options(
    option("--test-split", needed="test", help="Measures the gain; no image of it takes part in the choice."),
    limit_option,
)
data_options, result_options, run_options = make_data_options(limit_option), make_result_options(), make_run_options()

map_result_options = make_result_options(
    resume_option,
    option("--save-maps", is_flag=True, help="Keep the class maps, for the sliders of camkit report."),
)


@command(short_help="Measure localization on annotated images.")
@evaluated_options
@evaluate_options
@data_options
@recipe_options
@measure_options
@further_options
@old_options
@map_result_options
@run_options
def evaluate(**options: Any) -> None:
    """Measure localization on annotated images: OUT gets metrics.json, per_image.csv, curve.csv and its plot.

    A map in --maps is of the image's own class, under the image's name: a/cat.jpg has a/cat.jpg.npy or a/cat.npy.

    \b
    Examples:
      camkit evaluate --model resnet50 --dataset ilsvrc --root imagenet/ --split val --out measured
      camkit evaluate --model resnet50 --dataset cub --root CUB_200_2011/ --out measured --settings settings.json
      camkit evaluate --maps maps/ --dataset wsol --root metadata/ --split test --out measured --protocol wsol
      camkit evaluate --boxes psol.csv --classifier resnet50 --dataset ilsvrc --root imagenet/ --out measured
    """
    prepare(options)
    if options["boxes"] is not None:
        finish(_of_boxes(options))
        return
    del options["boxes"], options["box_of"]
    settings, source, save_maps = pop_settings(options), pop_source(options), options.pop("save_maps")
    from camkit.runs.evaluate import run_evaluate

    note_other_source(settings, source)
    more = pop_further(options)
    classifier = _pop_second(options)
    finish(run_evaluate(source, settings.recipe, _run_options(options), chosen_on=settings.chosen_on, other=classifier,
                        save_maps=save_maps, **more))  # fmt: skip


@command(short_help="Hold CAM, NWC, PaS and both against each other.")
@model_options
@tap_options
@grid_options
@data_options
@measure_options
@further_options
@old_options
@map_result_options
@run_options
def ablate(**options: Any) -> None:
    """Hold CAM, +NWC, +PaS and both against each other on annotated images, from one forward pass of each model.

    Of the maps in --maps, which have no class weights, CAM and +PaS. With --weightings or --thresholds, each weighting
    with each threshold instead, all from that one pass.

    \b
    Examples:
      camkit ablate --model tiny --dataset tiny-imagenet --root tiny-imagenet/ --out ablated
      camkit ablate --model tiny --dataset tiny-imagenet --root tiny-imagenet/ --out grid --weightings all \\
        --thresholds all --against signed+minmax
      camkit ablate --model gap/best.safetensors --tap tap/best.safetensors --dataset cub --root CUB/ --out ablated
    """
    prepare(options)
    tap, weights = options.pop("tap"), options.pop("tap_weights")
    grid, source, save_maps = pop_grid(options), pop_source(options), options.pop("save_maps")
    from camkit.runs.evaluate import run_ablate

    other = None if tap is None else _second_model(tap, weights)
    recipes = {} if grid is None else {"recipes": grid}
    more = pop_further(options)
    finish(run_ablate(source, _run_options(options), tap=other, save_maps=save_maps, **recipes, **more))


@command(short_help="Choose a threshold on one split, and say what it gains on another.")
@model_options
@source_options
@calibrate_data_options
@supervision_options
@choice_options
@recipe_options
@measure_options
@result_options
@run_options
def calibrate(**options: Any) -> None:
    """Choose fit, weighting and threshold by GT-known Loc on --split; say what they gain on --test-split.

    With --pseudo-boxes no box of --split is looked at for the choice, and none has to be there.

    OUT gets settings.json, which localize and evaluate take with --settings, calibration.json, and surface.csv with its
    picture. The gain is over the recipe that --nwc, --pas, --theta and --percentile name, on stretched images. Every
    fit is tried, unless --fit names one, which is then that of both; of weightings signed and positive, unless
    --weightings names others.

    \b
    Examples:
      camkit calibrate --model resnet50 --dataset cub --root CUB_200_2011/ --split val --test-split test --out chosen
      camkit localize --model resnet50 --images photos/ --out found --settings chosen/settings.json
      camkit calibrate --maps maps/ --dataset wsol --root metadata/ --split val --test-split test --out chosen
    """
    prepare(options)
    fits = (options["fit"],) if given_options(["fit"]) else None
    weightings, thresholds = pop_weightings(options, ["signed", "positive"]), names_in(options.pop("thresholds"))
    pseudo = options.pop("pseudo_boxes")
    settings, test_split, source = pop_settings(options), options.pop("test_split"), pop_source(options)
    from camkit.runs.calibrate import run_calibrate

    finish(run_calibrate(source, settings.recipe, _run_options(options), test_split=test_split, fits=fits,
                         weightings=weightings, thresholds=None if thresholds == ["all"] else thresholds,
                         pseudo=pseudo))  # fmt: skip


def pop_source(options: dict[str, Any]) -> Any:
    """The classifier that makes the maps, or the folder of maps."""
    maps = options.pop("maps")
    if maps is None:
        return pop_classifier(options)
    for name in MODEL_OPTIONS:
        del options[name]
    return maps


def pop_further(options: dict[str, Any]) -> dict[str, Any]:
    """What is measured besides, as the runs take it."""
    from camkit.boxes import RegionChoice
    from camkit.evaluation.further import Further

    steps, ranked = options.pop("insertion_deletion"), options.pop("ranked_boxes")
    most, min_area = options.pop("regions"), options.pop("min_area")
    chosen = RegionChoice(most, min_area) if given_options(["regions"]) else None
    named = {name: options.pop(name) for name in FURTHER}
    further = Further(**named, ranked_boxes=ranked or 0, regions=chosen)
    further.check(options["protocol"], options["fit"])
    return {"further": further, "steps": steps or 0}


def _of_boxes(options: dict[str, Any]) -> Any:
    """Measure a file of boxes; whatever has a say in maps alone was refused."""
    from camkit.runs.evaluate_boxes import run_evaluate_boxes

    boxes, box_of = options.pop("boxes"), options.pop("box_of")
    further, classifier = pop_further(options)["further"], _pop_second(options)
    for name in (*OF_MAPS, *MODEL_OPTIONS, "maps"):
        options.pop(name, None)
    return run_evaluate_boxes(boxes, _run_options(options), box_of=box_of, other=classifier, further=further)


def _pop_second(options: dict[str, Any]) -> Any:
    """The classifier that names the classes beside the source; None without one."""
    other, weights = options.pop("classifier"), options.pop("classifier_weights")
    return None if other is None else _second_model(other, weights)


def _run_options(options: dict[str, Any]) -> Any:
    from camkit.runs.options import RunOptions

    return RunOptions(**options, show_progress=shows_progress())


def _second_model(model: str, weights: str) -> Any:
    """A second model, as it comes."""
    return load_model(model=model, weights=weights)
