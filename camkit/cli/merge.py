"""camkit merge: the shards of a run as one."""

from pathlib import Path
from typing import Any

import click

from camkit.cli.catalog import FORMATS, Name
from camkit.cli.groups import command, option
from camkit.cli.options import make_result_options
from camkit.cli.prepare import prepare
from camkit.cli.screen import finish
from camkit.cli.values import GivenPath

result_options = make_result_options(
    option("--formats", type=Name("format", [name for name in FORMATS if name != "yolo"], several=True),
           default="csv,coco", show_default=True, metavar="A,...", help="Of the tables, as of camkit localize."),
)  # fmt: skip


@command(short_help="Put the shards of a run of localize together.")
@click.argument("shards", nargs=-1, required=True, metavar="OUT...", type=GivenPath(file_okay=False, path_type=Path))
@result_options
def merge(shards: tuple[Path, ...], **options: Any) -> None:
    """Put the shards of a run of localize together: OUT gets what one run over all images would have left.

    \b
    Examples:
      camkit localize --model resnet50 --images photos/ --shard 1/2 --out part-1
      camkit localize --model resnet50 --images photos/ --shard 2/2 --out part-2
      camkit merge part-1 part-2 --out found
      camkit merge parts/1 parts/2 parts/3 --out found --formats csv,jsonl --overwrite
    """
    prepare(options)
    from camkit.runs.merge import run_merge

    finish(run_merge(shards, **options))
