"""Options that several commands take, and how their values are read."""

import math
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import click

from camkit.cli.catalog import DATASETS, Model, Name
from camkit.cli.checks import MODEL_OPTIONS, check_call, processes
from camkit.cli.groups import DEMO, Decorator, option, option_group
from camkit.cli.screen import note, screen_options
from camkit.data.formats.registry import AUTO
from camkit.errors import CamkitError

FITS = {
    "stretch": "stretch: the whole image at the input size",
    "crop": "crop: resize and centre crop",
    "keep": "keep: aspect kept",
}

LARGEST = 4096  # pixels along a side of the input: more fill any memory in the first layers
MOST_IMAGES, MOST_PROCESSES = 65_536, 512


class FloatRange(click.FloatRange):
    """Click's, without NaN, which is in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class GivenPath(click.Path):
    """Click's, without the empty text that an unset variable of the shell leaves: it would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' names nothing; is a variable of the shell unset? write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


def device(value: str) -> str:
    """A kind of device that can compute, and which one."""
    if not re.fullmatch(r"(auto|cpu|mps|(cuda|xpu)(:[0-9]{1,3})?)", value):
        raise click.BadParameter(f"{value!r} is no device to compute on: take auto, cpu, cuda or cuda:0")
    return value


def size(value: str) -> tuple[int, int]:
    """An integer, or HEIGHTxWIDTH."""
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch("[0-9]{1,9}", part) and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r:.60} is no size: give one number or HEIGHTxWIDTH, such as 224 or 224x320")
    if max(map(int, parts)) > LARGEST:
        raise click.BadParameter(f"{value!r} is too large for a network's input: give up to {LARGEST} pixels a side")
    return int(parts[0]), int(parts[-1])


def triple(value: str) -> tuple[float, float, float]:
    """Three numbers with commas between them, or one for all three."""
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise click.BadParameter(f"{value!r}: give three numbers such as 0.485,0.456,0.406, or one for all")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def channels(name: str) -> Callable[[str], tuple[float, float, float]]:
    """The mean or the standard deviation of an `InputSpec`."""

    def read(value: str) -> tuple[float, float, float]:
        from camkit.input_spec import InputSpec

        try:
            return getattr(InputSpec(**{name: triple(value)}), name)  # type: ignore[arg-type, no-any-return]
        except CamkitError as error:
            raise click.BadParameter(str(error)) from None

    return read


def comma_separated(number: type[float] | type[int]) -> Callable[[str], tuple[float, ...]]:
    """One number, or several with commas between them."""
    kind = "whole number" if number is int else "number"

    def read(value: str) -> tuple[float, ...]:
        try:
            return tuple(number(part) for part in value.split(","))
        except ValueError:
            raise click.BadParameter(f"{value!r}: give one {kind}, or several such as 2,3,5") from None

    return read


def shard(value: Any) -> tuple[int, int]:
    """``I/N``: the I-th of N parts, counted from 1."""
    parts = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
    if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
        raise click.BadParameter(f"{value!r}: give I/N, from 1/N to N/N")
    return int(parts[1]), int(parts[2])


def blocks(value: str) -> int | str:
    """A number of blocks, or all."""
    if value != "all" and not re.fullmatch("[1-9][0-9]{0,3}", value):
        raise click.BadParameter(f"{value!r}: give a number of blocks, 1 or more, or all")
    return value if value == "all" else int(value)


def regions(value: str) -> int | None:
    """How many regions, None for all."""
    if not re.fullmatch("largest|all|[1-9][0-9]{0,5}", value):
        raise click.BadParameter(f"{value!r:.60}: give largest, all, or a number of regions, 1 or more")
    return {"largest": 1, "all": None}[value] if value.isalpha() else int(value)


def overlays(value: str) -> int | bool:
    """Of how many images pictures are drawn, True for all."""
    if not re.fullmatch("all|[1-9][0-9]{0,8}", value):
        raise click.BadParameter(f"{value!r:.60}: give all, or a number of images, 1 or more")
    return True if value == "all" else int(value)


def views(value: str) -> Any:
    """Test-time views; `CamkitError` of what is none."""
    from camkit.cam.views import Views

    try:
        return Views.parse(value)
    except CamkitError as error:
        raise click.BadParameter(str(error)) from None


def head_names(value: str) -> dict[str, str]:
    """``features=MODULE,classifier=MODULE``."""
    pairs = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    if set(pairs) != {"features", "classifier"}:
        raise click.BadParameter(f"{value!r}: write features=MODULE,classifier=MODULE")
    return pairs


def make_model_options(*unless: str) -> Decorator:
    """What names a classifier; a command that can do without one names the parameters that stand for it."""
    return option_group(
        "Model",
        option("--model", needed="resnet50", unless=unless, type=Model(),
               help="A torchvision name, timm:NAME, hf:NAME, open_clip:NAME@WEIGHTS, wsol:NAME, "
                    "path/to/file.py:factory, FILE.safetensors, or tiny; camkit models lists them."),
        option("--weights", default="DEFAULT", show_default=True,
               help="DEFAULT, none, or a file of weights, FILE or FILE:KEY (read without running code)."),
        option("--fc", type=click.Path(dir_okay=False, path_type=Path),
               help="File of a fine-tuned fc, to lay over the model."),
        option("--classes-from", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
               help="Text embeddings of class names: the classes of a CLIP or SigLIP."),
        option("--class-names", type=click.Path(dir_okay=False, path_type=Path),
               help="Text file with the class names, one a line, or imagenet.  [default: the model's own]"),
        option("--head", type=head_names, metavar="features=...,classifier=...",
               help="Name the head's modules instead of searching them."),
        option("--token-blocks", type=blocks, metavar="N|all",
               help="Of networks with a class token: through how many of the last blocks maps follow what it takes "
                    "from the patches.  [default: 1; all of those where it alone asks]"),
        option("--maps-by", metavar="SOURCE",
               help="Class maps by another tool instead of the network's own head: torchcam:NAME, grad-cam:NAME, "
                    "captum:NAME (torchcam: alone lists them; NAME@LAYER names the layer), or FILE.py:NAME, a function "
                    "of yours whose NAME(network) gives (images, classes) -> maps (N, K, h, w)."),
        option("--views", type=views, metavar="flip,scales=A:1:B",
               help="Average class maps over the image flipped and at several sizes, a forward pass each; they are no "
                    "longer the logit's own."),
        option("--output-stride", type=click.Choice(["16", "8"]),
               help="Pixels to one map position: the last strided layers at stride 1.  [default: the model's own]"),
        option("--dilation/--no-dilation", default=True, show_default=True,
               help="With --output-stride: dilate what follows, as pretrained weights need it."),
        option("--size", type=size, metavar="HxW", help="Input size.  [default: the model's own]"),
        option("--mean", type=channels("mean"), metavar="R,G,B", help="Of RGB in [0, 1].  [default: the model's own]"),
        option("--std", type=channels("std"), metavar="R,G,B", help="Of RGB in [0, 1].  [default: the model's own]"),
    )  # fmt: skip


demo_option = option_group(
    "Try it",
    option("--demo", is_flag=True,
           help="On images that camkit draws, with a small network that is first trained on others of them."),
)  # fmt: skip


def make_data_options(*more: Decorator, unless: Sequence[str] = (), split: str = "val") -> Decorator:
    """What names a split of an annotated data set, and what else a command asks of its data."""
    return option_group(
        "Data set",
        option("--dataset", needed="cub", unless=unless, metavar="FORMAT", type=Name("data set", DATASETS),
               help="cub, coco, yolo or another that camkit datasets shows; auto: the one that fits --root."),
        option("--root", needed="CUB_200_2011/", unless=unless, type=GivenPath(path_type=Path),
               help="Where the data set lies: its folder, a zip archive of it, or its annotation file where there is "
                    "one; for shapes, which camkit draws, its settings, such as n=200."),
        option("--split", default=split, show_default=True, help="The part of the data set."),
        *more,
        option("--class-map", type=click.Path(dir_okay=False, path_type=Path),
               help="CSV, dataset,model: the data set's classes that do not meet the model's by name; - leaves a class "
                    "out."),
    )  # fmt: skip


limit_option = option("--limit", type=click.IntRange(1), help="So many of its images, evenly spaced.  [default: all]")


def make_result_options(*more: Decorator) -> Decorator:
    """Where results go, and what is said of them."""
    return option_group(
        "Results",
        option("--out", type=GivenPath(file_okay=False, path_type=Path),
               help="Folder for the results.  [default: camkit-COMMAND, or the next name that is free]"),
        *more,
        option("--overwrite", is_flag=True, help="Replace what an earlier run left in --out."),
        *screen_options,
    )  # fmt: skip


def make_run_options(
    *more: Decorator, fits: Sequence[str] = tuple(FITS), fit: str | None = "stretch", lean: bool = False
) -> Decorator:
    """How images are read and computed; `lean` without what belongs to forward passes alone.

    Parameters
    ----------
    *more : decorator
        Further options of the group.
    fits : sequence of str
        What --fit may be; of none there is no such option.
    fit : str or None
        Its default; None: what the network takes decides.
    lean : bool
    """
    ways = "; ".join(FITS[one] for one in fits) + "."
    by_network = "" if fit else "  [default: keep, or stretch where the network takes one input size]"
    forward = () if lean else (
        option("--batch-size", type=click.IntRange(1, MOST_IMAGES), default=16, show_default=True,
               help="Images in one forward pass."),
        option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True,
               help="Of the forward pass."),
    )  # fmt: skip
    way = (option("--fit", type=click.Choice(fits), default=fit, show_default=True, help=ways + by_network),)
    return option_group(
        "Running",
        *(way if fits else ()),
        *forward,
        option("--workers", type=click.IntRange(0, MOST_PROCESSES),
               help="Processes that read images.  [default: 0 on the CPU, 4 beside a GPU]"),
        option("--device", type=device, default="auto", show_default=True, help="auto, cpu, mps, cuda or cuda:0."),
        option("--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True,
               help="Larger images are refused."),
        option("--truncated", type=click.Choice(["fail", "fill"]), default="fail", show_default=True,
               help="Damaged images: failures, or read as image viewers show them, and counted."),
        *more,
    )  # fmt: skip


def prepare(options: dict[str, Any]) -> None:
    """Find a folder for the results where none is named, and refuse what can be refused before torch is loaded."""
    if options["out"] is None:
        if processes() > 1:
            raise click.UsageError("several processes share one folder: name it with --out")
        if options.get("resume"):
            raise click.UsageError("--resume goes on with a run: name its folder with --out")
        options["out"] = free_folder(f"camkit-{click.get_current_context().info_name}", anew=options["overwrite"])
        note(f"results go to {options['out']}/")
    check_call(options)
    if options.get("dataset"):
        options["dataset"] = found_format(options["dataset"], options["root"], options["split"])


def found_format(dataset: str, root: Any, split: str) -> str:
    """The name of a format: of auto, the one that fits, and that is said."""
    if dataset != AUTO:
        return dataset
    from camkit.data import find_format

    found = find_format(root, split)
    note(f"{root} is {found}")
    return found.name


def free_folder(base: str, *, anew: bool) -> Path:
    """The next of `base`, `base-2`, ... that is free; `base` itself where an earlier run in it shall be replaced."""
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    return Path(base if anew else next(name for name in names if not os.path.lexists(name)))


def note_other_source(settings: Any, source: Any) -> None:
    """Say that a threshold was chosen for another model or folder of maps; it is used all the same."""
    name = str(source) if isinstance(source, Path) else source.name
    if settings.model not in (None, name):
        note(f"these settings were chosen for {settings.model}, not for {name}")


def pop_classifier(options: dict[str, Any]) -> Any:
    """The classifier that the options name, with what they override."""
    return load_model(**{name: options.pop(name) for name in MODEL_OPTIONS})


def pop_classifier_or_demo(options: dict[str, Any]) -> Any:
    """The classifier that the options name; with --demo the drawn images' own, and the options are of these."""
    if not options.pop(DEMO):
        return pop_classifier(options)
    from camkit.runs.drawn import DATASET, IMAGES, drawn_classifier

    for name in MODEL_OPTIONS:
        del options[name]
    options["dataset"], options["root"] = DATASET, Path(IMAGES)
    note("a small network is trained on drawn images first")
    return drawn_classifier()


def load_model(
    *,
    model: str,
    weights: str = "DEFAULT",
    class_names: Path | None = None,
    size: Any = None,
    mean: Any = None,
    std: Any = None,
    fc: Path | None = None,
    maps_by: str | None = None,
    token_blocks: Any = None,
    views: Any = None,
    classes_from: Path | None = None,
    output_stride: str | None = None,
    dilation: bool = True,
) -> Any:
    """The classifier that the options name, with what they override."""
    from camkit.models import load_classifier, set_output_stride, with_fc
    from camkit.models.class_names import read_class_names

    classifier = load_classifier(model, weights, classes_from)
    if fc is not None:
        classifier = with_fc(classifier, fc)
    changes: dict[str, Any] = {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    if class_names is not None:
        classifier = replace(classifier, class_names=read_class_names(class_names), class_names_assumed=False)
    if maps_by is not None:
        classifier = replace(classifier, maps_by=maps_by_named(maps_by))
    shown = classifier.input if size is None else classifier.input.at(size)
    classifier = replace(classifier, input=replace(shown, **changes), token_blocks=token_blocks, views=views)
    if output_stride is None or int(output_stride) == classifier.output_stride:
        return classifier
    if classifier.output_stride is not None:
        raise CamkitError(f"{model} was trained at output stride {classifier.output_stride}: leave --output-stride out")
    fine = set_output_stride(classifier.model, int(output_stride), dilation, classifier.input.size)
    return replace(classifier, model=fine, output_stride=int(output_stride), dilate=dilation)


RELU_MAPS = "relu-maps"  # camkit's own


def maps_by_named(spec: str) -> Any:
    """What makes the class maps, by an extractor's name or from a file."""
    from camkit.adapters import LIBRARIES, peer_named
    from camkit.cam import MapsByFunction, relu_maps
    from camkit.models.python_file import function_from

    if spec == RELU_MAPS:
        return MapsByFunction(spec, relu_maps)
    peer = peer_named(spec)
    if peer is not None:
        return peer
    if not re.search(r"\.py(:|$)", spec):
        names = [f"{name}:NAME{'' if one.installed else ' (not installed)'}" for name, one in LIBRARIES.items()]
        listed = f"{next(iter(LIBRARIES))}: alone lists what a library has"
        raise CamkitError(f"--maps-by {spec}: give {', '.join(names)}, {RELU_MAPS} or path/to/file.py:name; {listed}")
    return MapsByFunction(spec, function_from(spec, "--maps-by takes path/to/file.py:name"))
