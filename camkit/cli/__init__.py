"""The command line: one thin file a command, which parses, calls the library and prints."""

import click

from camkit.cli.allocator import keep_freed_memory
from camkit.cli.analyze import analyze
from camkit.cli.codetect import codetect
from camkit.cli.compare import compare
from camkit.cli.datasets import datasets
from camkit.cli.demo import demo
from camkit.cli.ending import run
from camkit.cli.env import env, version
from camkit.cli.evaluate import ablate, calibrate, evaluate
from camkit.cli.finetune import finetune_fc
from camkit.cli.groups import Group
from camkit.cli.inspect import inspect
from camkit.cli.localize import localize
from camkit.cli.merge import merge
from camkit.cli.models import models
from camkit.cli.report import report
from camkit.cli.reproduce import reproduce
from camkit.cli.train import train

SECTIONS = {
    "Find objects": (localize, merge, codetect, compare, demo),
    "Measure": (evaluate, ablate, calibrate, analyze),
    "Look at results": (report,),
    "Train": (train, finetune_fc),
    "Look up": (inspect, models, datasets, reproduce, env),
}


@click.group(
    cls=Group,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=version,
              help="Show the version, torch's, the device and the extras, and exit.")  # fmt: skip
def cli() -> None:
    """Where in the picture is the class? Class activation maps and boxes from any classifier.

    \b
    Examples:
      camkit demo
      camkit localize --model resnet50 --images photos/
      camkit analyze ioa zipf --model resnet50 --dataset cub --root CUB_200_2011/
    """


def main() -> None:
    """Run the command line; `camkit.cli.ending` has the exit statuses."""
    keep_freed_memory()
    run(cli)
