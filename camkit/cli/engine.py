"""Options of runs on more than one machine, and what such a run does not do."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import click

from camkit.cli.groups import given_options, option, option_group
from camkit.cli.options import MOST_PROCESSES
from camkit.cli.recipe import OPTIONS as RECIPE
from camkit.cli.values import FloatRange
from camkit.data.remote import is_uri
from camkit.errors import CamkitError

RAY = "ray"
OWN = ("address", "actors", "save_every")
# All that a run with --engine ray takes.
TAKEN = ("engine", *OWN, "model", "weights", "images", "more_images", "topk", "fit", "batch_size", "device",
         "precision", "max_pixels", "no_overlays", "out", "resume", "overwrite", "settings", *RECIPE)  # fmt: skip
IDLE = ("engine", "no_overlays")  # of those, what has nothing to say
DEVICES = ("auto", "cpu", "cuda")

engine_options = option_group(
    "On more than one machine",
    option("--engine", type=click.Choice([RAY]),
           help="ray: decode on a Ray cluster's CPUs and localize in actors; --out is then a folder of Parquet files "
                "(extra ray).  [default: this process, or those of torchrun]"),
    option("--address", metavar="HOST:PORT|auto",
           help="A Ray cluster that runs.  [default: one on this machine, as long as the run]"),
    option("--actors", type=click.IntRange(1, MOST_PROCESSES),
           help="Networks at once.  [default: one a GPU; without, one a CPU but for those that decode]"),
    option("--save-every", type=FloatRange(0), default=60.0, show_default=True, metavar="SECONDS",
           help="A Parquet file is written that long after its first row, or with 65,536 images."),
)  # fmt: skip


def check_engine(options: Mapping[str, Any]) -> None:
    """Refuse what an engine does not do, and engines that are not installed.

    Raises
    ------
    CamkitError, UsageError
    """
    if options["engine"] is None:
        if far := next(filter(is_uri, options["images"]), None):
            raise click.UsageError(f"--images {far}: is read with --engine ray; give it, or copy the images here")
        if idle := given_options(OWN):
            raise click.UsageError(f"{', '.join(idle)}: for --engine ray alone; give it, or leave them out")
        return
    if idle := given_options(name for name in options if name not in TAKEN):
        raise click.UsageError(
            f"--engine ray writes rows alone, of what --model and --weights name: leave out {', '.join(idle)}"
        )
    if options["device"] not in DEVICES:
        raise click.UsageError(f"--device {options['device']}: Ray says which; give one of {', '.join(DEVICES)}")
    if missing := [name for name in (RAY, "pyarrow") if find_spec(name) is None]:
        raise CamkitError(f"--engine ray needs {' and '.join(missing)}: pip install 'camkit[ray]'")


def taken(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that a run on Ray takes."""
    return {name: value for name, value in options.items() if name in TAKEN and name not in IDLE}
