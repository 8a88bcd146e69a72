"""camkit env, and `camkit --version`: what a bug report should say of the machine, without names and paths."""

import os
import platform
import sys
from typing import Any

import click

from camkit._version import __version__
from camkit.cli.groups import command, option_group
from camkit.cli.screen import json_option, wants_json, write_json

LIBRARIES = ("torchvision", "numpy", "scipy", "scikit-image", "pandas", "numba", "pillow", "simplejpeg",
             "matplotlib", "torchmetrics", "safetensors", "click")  # fmt: skip
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")


@command(short_help="Say what a bug report needs: versions, device, threads, extras.")
@option_group("Results", json_option)
def env() -> None:
    """Say what a bug report needs: versions, device, threads, extras. Nothing of it names a person or a folder.

    \b
    Examples:
      camkit env
      camkit env --json
    """
    facts = environment()
    if wants_json():
        write_json(facts)
        return
    for name, value in facts.items():
        told = ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name:<10} {told}")


def environment() -> dict[str, Any]:
    """Versions, device, threads and extras."""
    import torch

    return {
        "camkit": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "libraries": {"torch": torch.__version__, **{name: version_of(name) for name in LIBRARIES}},
        "device": device(),
        "threads": {
            "cores": os.cpu_count(),
            "torch": torch.get_num_threads(),
            **{name: os.environ[name] for name in VARIABLES if name in os.environ},
        },
        "extras": extras(),
        "encoding": {"files": sys.getfilesystemencoding(), "screen": sys.stdout.encoding},
    }


def version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print what `--version` says, and stop."""
    if not wanted or context.resilient_parsing:
        return
    import torch

    click.echo(f"camkit {__version__}")
    click.echo(f"torch {torch.__version__}, torchvision {version_of('torchvision')}, device {device()}")
    click.echo(f"extras: {', '.join(f'{name} {there.split()[0]}' for name, there in extras().items())}")
    context.exit()


def device() -> str:
    """What `--device auto` takes."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return f"cuda ({', '.join(names)}; CUDA {torch.version.cuda})"
    return "cpu" if torch.version.cuda is None else f"cpu (torch is built for CUDA {torch.version.cuda})"


def version_of(name: str) -> str:
    """An installed package's version."""
    from importlib import metadata  # only here: it would lengthen the start of every command

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def extras() -> dict[str, str]:
    """Whether each extra is complete: ``yes``, or ``no`` with what is missing."""
    from importlib import metadata

    from packaging.requirements import Requirement

    try:
        own = metadata.metadata("camkit")
        requirements = [Requirement(line) for line in metadata.requires("camkit") or ()]
    except metadata.PackageNotFoundError:
        return {"unknown": "(camkit runs from its sources, uninstalled)"}
    told = {}
    for extra in own.get_all("Provides-Extra") or ():
        needed = [one for one in requirements if one.marker and not one.marker.evaluate({"extra": ""})
                  and one.marker.evaluate({"extra": extra})]  # fmt: skip
        missing = [one.name for one in needed if version_of(one.name) == "not installed"]
        told[extra] = f"no ({', '.join(missing)})" if missing else "yes"
    return told
