"""Options that several commands take, and how their values are read."""

from collections.abc import Callable
from typing import Any

import click


class Size(click.ParamType):
    """An integer, or HEIGHTxWIDTH."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = [int(part) for part in str(value).lower().split("x")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2) or min(numbers, default=0) < 1:
            self.fail(f"{value!r} is no size: give one number or HEIGHTxWIDTH, such as 224 or 224x320", param, ctx)
        return numbers[0], numbers[-1]


class Triple(click.ParamType):
    """Three numbers with commas between them, or one for all three."""

    name = "r,g,b"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, float]:
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 3):
            self.fail(f"{value!r}: give three numbers such as 0.485,0.456,0.406, or one for all", param, ctx)
        return numbers[0], numbers[len(numbers) // 2], numbers[-1]


class Head(click.ParamType):
    """features=MODULE,classifier=MODULE."""

    name = "features=...,classifier=..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        pairs = dict(part.split("=", 1) for part in str(value).split(",") if "=" in part)
        if set(pairs) != {"features", "classifier"}:
            self.fail(f"{value!r}: write features=MODULE,classifier=MODULE", param, ctx)
        return pairs


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--model, --weights and what overrides the model's own preprocessing."""
    for option in reversed((
        click.option("--model", required=True, help="A torchvision name, timm:NAME, path/to/file.py:factory, or tiny."),
        click.option("--weights", default="DEFAULT", show_default=True,
                     help="DEFAULT, none, or a .pt, .pth or .safetensors file (read without running code)."),
        click.option("--head", type=Head(), help="Name the head's modules instead of searching them."),
        click.option("--size", type=Size(), help="Input size, a number or HEIGHTxWIDTH. Default: the model's own."),
        click.option("--mean", type=Triple(), help="Of RGB in [0, 1]. Default: the model's own."),
        click.option("--std", type=Triple(), help="Of RGB in [0, 1]. Default: the model's own."),
    )):  # fmt: skip
        command = option(command)
    return command


def load(model: str, weights: str, size: Any, mean: Any, std: Any) -> Any:
    """The classifier that the options name, with what they override."""
    from dataclasses import replace  # noqa: PLC0415 - nothing heavy before a command runs

    from camkit.models import load_classifier  # noqa: PLC0415

    classifier = load_classifier(model, weights)
    changes: dict[str, Any] = {key: value for key, value in (("mean", mean), ("std", std)) if value is not None}
    if size is not None:
        share = classifier.input.resize / min(classifier.input.size)
        changes |= {"size": size, "resize": round(min(size) * share)}
    return replace(classifier, input=replace(classifier.input, **changes))
