"""Options that several commands take, in the groups of their --help."""

from collections.abc import Sequence
from pathlib import Path

import click

from camkit.cli.catalog import DATASETS, Model, Name
from camkit.cli.groups import Decorator, option, option_group
from camkit.cli.recipe_names import SOURCE
from camkit.cli.screen import screen_options
from camkit.cli.values import GivenPath, blocks, channels, device, head_names, size, views

FITS = {
    "stretch": "stretch: the whole image at the input size",
    "crop": "crop: resize and centre crop",
    "keep": "keep: aspect kept",
}

MOST_IMAGES, MOST_PROCESSES = 65_536, 512


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
        option("--maps-by", metavar="SOURCE", type=SOURCE,
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


resume_option = option("--resume", is_flag=True, help="Go on where a run of the same settings stopped.")

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
               help="Processes that read images; 0: threads.  [default: 0 on the CPU, 4 beside a GPU]"),
        option("--device", type=device, default="auto", show_default=True, help="auto, cpu, mps, cuda or cuda:0."),
        option("--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True,
               help="Larger images are refused."),
        option("--truncated", type=click.Choice(["fail", "fill"]), default="fail", show_default=True,
               help="Damaged images: failures, or read as image viewers show them, and counted."),
        *more,
    )  # fmt: skip
