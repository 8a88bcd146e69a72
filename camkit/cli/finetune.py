"""camkit finetune-fc: another last linear layer for a classifier, so that its class maps cover the object."""

from itertools import product
from typing import Any

import click

from camkit.cli.classifier import pop_classifier_or_demo
from camkit.cli.groups import DEMO, command, option, option_group
from camkit.cli.options import demo_option, make_data_options, make_model_options, make_result_options, make_run_options
from camkit.cli.prepare import prepare
from camkit.cli.screen import finish, shows_progress
from camkit.cli.values import FloatRange, comma_separated

DEMO_STEPS = 10
BATCH = 60  # images, as the paper has them whatever the size of its sets


val_split_option = option(
    "--val-split", help="Images with boxes to choose on: a split, or holdout:N images a class of --split."
)

minmax_options = option_group(
    "MinMaxCAM",
    option("--minmax", is_flag=True, needed="yes", help="Fine-tune with MinMaxCAM's losses, CRR and FRR."),
    option("--crr", type=comma_separated(float), default="1", metavar="A,...", show_default=True,
           help="Weight of CRR, which narrows maps, 0 or more; several are tried on --val-split."),
    option("--frr", type=comma_separated(float), default="1", metavar="A,...", show_default=True,
           help="Weight of FRR, which widens maps, 0 or more; several are tried on --val-split."),
    option("--set-size", type=comma_separated(int), default="5", metavar="A,...", show_default=True,
           help="Images of one class in a set, 2 or more; several are tried on --val-split."),
    option("--sets", type=int, help="Sets in a mini-batch, over all processes.  [default: 60 images' worth]"),
    option("--norm", type=click.Choice(["mean", "sum"]), default="mean", show_default=True,
           help="Over channels: mean, as the published loss weights are meant, or sum, as the paper prints it."),
    option("--mask", type=click.Choice(["input", "features"]), default="input", show_default=True,
           help="What the map multiplies."),
)  # fmt: skip

training_options = option_group(
    "Training",
    option("--epochs", default=10, show_default=True, help="Times through the sets."),
    option("--steps", type=int, help="At most so many mini-batches."),
    option("--val-every", type=int, help="Mini-batches from one validation to the next.  [default: an epoch's]"),
    option("--patience", default=5, show_default=True, help="Validations without a gain after which to stop."),
    option("--lr", type=float, default=1e-3, show_default=True, help="Learning rate of fc."),
    option("--momentum", type=FloatRange(0, 1, max_open=True), default=0.9, show_default=True,
           help="Of SGD."),
    option("--weight-decay", type=FloatRange(0), default=5e-4, show_default=True, help="Of SGD."),
    option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the sets."),
    option("--memory", type=FloatRange(0), default=4.0, show_default=True,
           help="GiB of feature maps kept in memory; more are kept on disk, in TMPDIR."),
)  # fmt: skip


@command("finetune-fc", short_help="Retrain a classifier's last layer for better class maps.")
@minmax_options
@make_model_options(DEMO)
@make_data_options(val_split_option, unless=[DEMO], split="train")
@demo_option
@training_options
@make_result_options()
@make_run_options(fits=("stretch", "crop"), lean=True)
def finetune_fc(minmax: bool, **options: Any) -> None:
    """Retrain a classifier's last layer for better class maps: OUT gets model.safetensors, fc.safetensors and figures.

    \b
    Examples:
      camkit finetune-fc --minmax --model tiny --dataset cub --root cub/ --split train --crr 1 --frr 5 --out tuned
      camkit finetune-fc --minmax --model tiny --dataset tiny-imagenet --root tiny-imagenet/ \\
        --val-split holdout:10 --crr 0,1,5 --frr 0,1,5 --out tuned
      camkit finetune-fc --minmax --model tiny --dataset tiny-imagenet --root tiny-imagenet/ \\
        --val-split holdout:10 --crr 5 --frr 0 --set-size 2,3,4,5 --out tuned
      camkit finetune-fc --minmax --demo
      torchrun --nproc-per-node 4 -m camkit finetune-fc --minmax --model tiny --dataset cub --root cub/ --out tuned
      camkit localize --model tiny --fc tuned/fc.safetensors --images photos/ --out found
    """
    del minmax  # the only way there is
    if options[DEMO]:
        options["val_split"] = options["val_split"] or "val"
        options["steps"] = options["steps"] or DEMO_STEPS
    from camkit.training import Descent, MinMax, Schedule

    tried = product(*(options.pop(name) for name in ("set_size", "crr", "frr")))
    sets, fixed = options.pop("sets"), {name: options.pop(name) for name in ("norm", "mask")}
    grid = [MinMax(crr, frr, max(1, BATCH // max(1, size)) if sets is None else sets, size, **fixed)
            for size, crr, frr in tried]  # fmt: skip
    descent = Descent(**{name: options.pop(name) for name in ("lr", "momentum", "weight_decay")})
    schedule = Schedule(**{name: options.pop(name) for name in ("epochs", "steps", "val_every", "patience", "seed")})

    if len(grid) > 1 and options["val_split"] is None:
        raise click.UsageError("several settings need annotated images to choose on: give --val-split, or one setting")
    prepare(options)

    from camkit.runs.finetune import run_finetune  # loads torch: a wrong value above is told before
    from camkit.runs.options import RunOptions

    own = {name: options.pop(name) for name in ("val_split", "memory")}
    classifier = pop_classifier_or_demo(options)
    run_options = RunOptions(step=0.01, show_progress=shows_progress(), **options)
    report = run_finetune(classifier, grid, run_options, descent=descent, schedule=schedule, **own)
    finish(report)
