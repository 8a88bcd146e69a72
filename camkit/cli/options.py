"""Options that several commands take, and how their values are read."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from camkit.errors import CamkitError

MODEL_OPTIONS = ("model", "weights", "names", "size", "mean", "std", "output_stride", "dilation")  # what `load` takes


def size(value: str) -> tuple[int, int]:
    """An integer, or HEIGHTxWIDTH."""
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r} is no size: give one number or HEIGHTxWIDTH, such as 224 or 224x320")
    return int(parts[0]), int(parts[-1])


def triple(value: str) -> tuple[float, float, float]:
    """Three numbers with commas between them, or one for all three."""
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise click.BadParameter(f"{value!r}: give three numbers such as 0.485,0.456,0.406, or one for all")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def head_names(value: str) -> dict[str, str]:
    """``features=MODULE,classifier=MODULE``."""
    pairs = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    if set(pairs) != {"features", "classifier"}:
        raise click.BadParameter(f"{value!r}: write features=MODULE,classifier=MODULE")
    return pairs


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--model, --weights and what overrides the model's own preprocessing."""
    for option in reversed((
        click.option("--model", required=True, help="A torchvision name, timm:NAME, path/to/file.py:factory, or tiny."),
        click.option("--weights", default="DEFAULT", show_default=True,
                     help="DEFAULT, none, or a .pt, .pth or .safetensors file (read without running code)."),
        click.option("--head", type=head_names, metavar="features=...,classifier=...",
                     help="Name the head's modules instead of searching them."),
        click.option("--names", type=click.Path(dir_okay=False, path_type=Path),
                     help="Text file with the class names, one a line. Default: the model's own."),
        click.option("--size", type=size, metavar="HxW", help="Input size. Default: the model's own."),
        click.option("--mean", type=triple, metavar="R,G,B", help="Of RGB in [0, 1]. Default: the model's own."),
        click.option("--std", type=triple, metavar="R,G,B", help="Of RGB in [0, 1]. Default: the model's own."),
        click.option("--output-stride", type=click.Choice(["16", "8"]),
                     help="Pixels to one map position: the last strided layers at stride 1. Default: the model's own."),
        click.option("--dilation/--no-dilation", default=True, show_default=True,
                     help="With --output-stride: dilate what follows, as pretrained weights need it."),
    )):  # fmt: skip
        command = option(command)
    return command


def load(
    *,
    model: str,
    weights: str,
    names: Path | None,
    size: Any,
    mean: Any,
    std: Any,
    output_stride: str | None = None,
    dilation: bool = True,
) -> Any:
    """The classifier that the options name, with what they override."""
    from camkit.models import load_classifier, set_output_stride

    classifier = load_classifier(model, weights)
    changes: dict[str, Any] = {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    if size is not None:
        share = classifier.input.resize / min(classifier.input.size)
        changes |= {"size": size, "resize": round(min(size) * share)}
    labels = classifier.labels if names is None else read_names(names)
    classifier = replace(classifier, input=replace(classifier.input, **changes), labels=labels)
    if output_stride is None:
        return classifier
    fine = set_output_stride(classifier.model, int(output_stride), dilation, classifier.input.size)
    return replace(classifier, model=fine, output_stride=f"{output_stride}, {'' if dilation else 'not '}dilated")


def read_names(path: Path) -> tuple[str, ...]:
    """Class names from a text file, one a line."""
    try:
        return tuple(path.read_text(encoding="utf-8-sig").rstrip("\n").split("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise CamkitError(f"--names {path}: cannot be read as text: {error}") from error
