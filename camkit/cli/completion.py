"""What Tab offers for models, data sets, formats and presets; none of it loads torch."""

import click
from click.shell_completion import CompletionItem

DATASETS = ("coco", "csv", "cub", "ilsvrc", "openimages", "shapes", "tiny-imagenet", "voc", "wsol")


def complete_dataset(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of data set formats."""
    return [CompletionItem(name) for name in DATASETS if name.startswith(incomplete)]


def complete_model(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of models, or the shell's own file names."""
    del incomplete
    return []


def complete_preset(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of presets."""
    from camkit.training.presets import presets

    return [CompletionItem(name) for name in presets() if name.startswith(incomplete)]
