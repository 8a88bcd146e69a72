"""camkit models: what --model takes."""

import click


@click.command(short_help="List what --model takes.")
@click.argument("contains", default="")
def models(contains: str) -> None:
    """List what --model takes, or those names that contain CONTAINS.

    \b
    Examples:
      camkit models
      camkit models resnet
    """
    from camkit.models import model_names

    for source, name in model_names():
        if contains.lower() in name.lower():
            click.echo(f"{name:<24} {source}")
    click.echo("\nalso: timm:NAME (with the extra camkit[timm]); FILE.safetensors, a checkpoint of camkit's; and")
    click.echo("path/to/file.py:factory, a function of yours that returns a network; beside it the file may define")
    click.echo("MEAN, STD, SIZE and LABELS")
