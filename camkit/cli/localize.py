"""camkit localize: boxes, pictures and tables from a classifier and a folder of photographs."""

import sys
from pathlib import Path
from typing import Any

import click

from camkit.cli.options import load, model_options


@click.command(short_help="Find the objects in photographs.")
@model_options
@click.option("--images", required=True, help="A folder (searched recursively), a file, a glob, or @list.txt.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the results.")
@click.option(
    "--labels",
    type=click.Path(dir_okay=False, path_type=Path),
    help="CSV with the columns image,label (number or name): the class to find. Default: the predicted one.",
)
@click.option("--topk", type=click.IntRange(1), default=1, show_default=True, help="Predicted classes for each image.")
@click.option("--nwc/--no-nwc", default=True, show_default=True, help="Negative weight clamping.")
@click.option("--pas/--no-pas", default=True, show_default=True, help="Percentile as a standard for thresholding.")
@click.option("--percentile", type=click.FloatRange(80, 100), default=90.0, show_default=True, help="Of PaS.")
@click.option(
    "--theta",
    type=click.FloatRange(0, 1),
    help="Share of the percentile or maximum.  [default: 0.35 with PaS, 0.2 without]",
)
@click.option("--normalize", type=click.Choice(["minmax", "none"]), default="minmax", show_default=True)
@click.option("--interpolation", type=click.Choice(["bilinear", "bicubic"]), default="bilinear", show_default=True)
@click.option(
    "--fit",
    type=click.Choice(["stretch", "crop", "keep"]),
    default="stretch",
    show_default=True,
    help="stretch: the whole image at the input size; crop: resize and centre crop; keep: aspect kept.",
)
@click.option("--batch-size", type=click.IntRange(1), default=16, show_default=True)
@click.option(
    "--workers", type=click.IntRange(0), help="Processes that read images.  [default: 0 on the CPU, 4 beside a GPU]"
)
@click.option("--device", default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option(
    "--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True, help="Larger images are refused."
)
@click.option("--overlays/--no-overlays", default=True, show_default=True, help="A picture for each result.")
@click.option("--save-maps", is_flag=True, help="Each score map as float32 .npy, at the image's size.")
@click.option("--formats", default="csv,coco", show_default=True, help="Any of csv, coco, jsonl.")
@click.option("--resume", is_flag=True, help="Go on where a run of the same settings stopped.")
@click.option("--overwrite", is_flag=True, help="Remove what an earlier run left in --out.")
@click.option(
    "--on-error",
    type=click.Choice(["skip", "fail"]),
    default="skip",
    show_default=True,
    help="skip: report an image that fails and go on; fail: stop there.",
)
def localize(**options: Any) -> None:
    """Find the objects in photographs: OUT gets boxes.csv, coco.json, overlays/, failures.csv and run.json.

    \b
    Examples:
      camkit localize --model tiny --images photos/ --out found
      camkit localize --model resnet50 --images 'photos/*.jpg' --out found --topk 5
      camkit localize --model my_net.py:build --weights my.safetensors --images @list.txt --out found --fit keep
    """  # fmt: skip
    from camkit.run import run_localize

    classifier = load(**{name: options.pop(name) for name in ("model", "weights", "names", "size", "mean", "std")})
    report = run_localize(classifier, show_progress=sys.stderr.isatty(), **options)
    click.echo("\n".join(report.lines))
    if report.failed:
        sys.exit(1)
