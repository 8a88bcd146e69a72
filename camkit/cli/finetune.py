"""camkit finetune-fc: another last linear layer for a classifier, so that its class maps cover the object."""

import sys
from itertools import product
from pathlib import Path
from typing import Any

import click

from camkit.cli.ending import finish
from camkit.cli.options import (
    MOST_PROCESSES,
    FloatRange,
    GivenPath,
    class_map_option,
    comma_separated,
    device,
    model_options,
    option_group,
    pop_classifier,
    truncated_option,
)

BATCH = 60  # images, as the paper has them whatever the size of its sets


minmax_options = option_group(
    click.option("--crr", type=comma_separated(float), default="1", metavar="A,...", show_default=True,
                 help="Weight of CRR, which narrows maps, 0 or more; several are tried on --val-split."),
    click.option("--frr", type=comma_separated(float), default="1", metavar="A,...", show_default=True,
                 help="Weight of FRR, which widens maps, 0 or more; several are tried on --val-split."),
    click.option("--set-size", type=comma_separated(int), default="5", metavar="A,...", show_default=True,
                 help="Images of one class in a set, 2 or more; several are tried on --val-split."),
    click.option("--sets", type=int, help="Sets in a mini-batch, over all processes.  [default: 60 images' worth]"),
    click.option("--norm", type=click.Choice(["mean", "sum"]), default="mean", show_default=True,
                 help="Over channels: mean, as the published loss weights are meant, or sum, as the paper prints it."),
    click.option("--mask", type=click.Choice(["input", "features"]), default="input", show_default=True,
                 help="What the map multiplies."),
)  # fmt: skip

training_options = option_group(
    click.option("--epochs", default=10, show_default=True),
    click.option("--steps", type=int, help="At most so many mini-batches."),
    click.option("--val-every", type=int, help="Mini-batches from one validation to the next.  [default: an epoch's]"),
    click.option("--patience", default=5, show_default=True, help="Validations without a gain after which to stop."),
    click.option("--lr", type=float, default=1e-3, show_default=True, help="Learning rate of fc."),
    click.option("--momentum", type=FloatRange(0, 1, max_open=True), default=0.9, show_default=True),
    click.option("--weight-decay", type=FloatRange(0), default=5e-4, show_default=True),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the sets."),
    click.option("--memory", type=FloatRange(0), default=4.0, show_default=True,
                 help="GiB of feature maps kept in memory; more are kept on disk, in TMPDIR."),
)  # fmt: skip


@click.command("finetune-fc", short_help="Retrain a classifier's last layer for better class maps.")
@click.option("--minmax", is_flag=True, help="With MinMaxCAM's losses, CRR and FRR.")
@model_options
@click.option("--dataset", required=True, metavar="FORMAT", help="As `camkit evaluate` takes it.")
@click.option("--root", required=True, type=GivenPath(path_type=Path), help="Where the data set lies.")
@click.option("--split", default="train", show_default=True, help="To train on; only its classes are used.")
@class_map_option
@click.option("--val-split", help="Images with boxes to choose on: a split, or holdout:N images a class of --split.")
@click.option("--out", required=True, type=GivenPath(file_okay=False, path_type=Path), help="Folder for the results.")
@minmax_options
@training_options
@click.option("--fit", type=click.Choice(["stretch", "crop"]), default="stretch", show_default=True,
              help="stretch: the whole image at the input size; crop: resize and centre crop.")  # fmt: skip
@click.option(
    "--workers",
    type=click.IntRange(0, MOST_PROCESSES),
    help="Processes that read images.  [default: 0, beside a GPU 4]",
)
@click.option("--device", type=device, default="auto", show_default=True)
@click.option("--max-pixels", type=click.IntRange(1), default=100_000_000, show_default=True,
              help="Larger images are refused.")  # fmt: skip
@truncated_option
@click.option("--overwrite", is_flag=True, help="Replace what an earlier run left in --out.")
def finetune_fc(minmax: bool, **options: Any) -> None:
    """Retrain a classifier's last layer for better class maps: OUT gets model.safetensors, fc.safetensors and figures.

    \b
    Examples:
      camkit finetune-fc --minmax --model tiny --dataset cub --root cub/ --split train --crr 1 --frr 5 --out tuned
      camkit finetune-fc --minmax --model tiny --dataset tiny-imagenet --root tiny-imagenet/ \\
        --val-split holdout:10 --crr 0,1,5 --frr 0,1,5 --out tuned
      camkit finetune-fc --minmax --model tiny --dataset tiny-imagenet --root tiny-imagenet/ \\
        --val-split holdout:10 --crr 5 --frr 0 --set-size 2,3,4,5 --out tuned
      torchrun --nproc-per-node 4 -m camkit finetune-fc --minmax --model tiny --dataset cub --root cub/ --out tuned
      camkit localize --model tiny --fc tuned/fc.safetensors --images photos/ --out found
    """
    from camkit.training import Descent, MinMax, Schedule

    if not minmax:
        raise click.UsageError("say how to fine-tune: --minmax")
    tried = product(*(options.pop(name) for name in ("set_size", "crr", "frr")))
    sets, fixed = options.pop("sets"), {name: options.pop(name) for name in ("norm", "mask")}
    grid = [MinMax(crr, frr, max(1, BATCH // max(1, size)) if sets is None else sets, size, **fixed)
            for size, crr, frr in tried]  # fmt: skip
    descent = Descent(**{name: options.pop(name) for name in ("lr", "momentum", "weight_decay")})
    schedule = Schedule(**{name: options.pop(name) for name in ("epochs", "steps", "val_every", "patience", "seed")})

    from camkit.runs.finetune import run_finetune  # loads torch: a wrong value above is told before
    from camkit.runs.options import RunOptions

    own = {name: options.pop(name) for name in ("val_split", "memory")}
    classifier = pop_classifier(options)
    run_options = RunOptions(step=0.01, show_progress=sys.stderr.isatty(), **options)
    report = run_finetune(classifier, grid, run_options, descent=descent, schedule=schedule, **own)
    finish(report)
