"""Names that options take, known without loading torch; `tests/cli/test_catalog.py` holds them against the library."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from camkit.cli.elsewhere import EXTRAS, near, refusal, torchvision_names
from camkit.data.formats.registry import AUTO, READERS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Kind = click.ParamType[str]
else:
    Kind = click.ParamType  # no generic before Click 8.5

DATASETS = (*READERS, AUTO)
DRAWN = tuple(name for name, one in READERS.items() if one.drawn)  # their root is no folder
FORMATS = ("csv", "coco", "coco-results", "jsonl", "parquet", "yolo")
BACKBONES = ("vgg16", "vgg16-acol", "resnet50", "resnet50-se", "mobilenet-v1", "mobilenet-v2", "googlenet",
             "inception-v3", "vgg16-nl", "vgg-small", "vgg-small-bn", "resnet-small")  # fmt: skip
METHODS = ("none", "has", "adl", "cutmix", "minmax", "acol", "spg", "eil", "gain", "danet", "i2c")
POOLS = ("gap", "tap", "max", "lse", "wildcat", "weldon", "maps")
LITES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
ELSEWHERE = re.compile(rf"({'|'.join(EXTRAS)}):")  # names of other libraries
FILES = re.compile(r"\.py(:.*)?$|\.safetensors$", re.IGNORECASE)


def model_names() -> tuple[str, ...]:
    """Every name that --model takes as it stands."""
    return ("tiny", *LITES, *(f"wsol:{name}" for name in BACKBONES), *torchvision_names())


def completions(values: Iterable[str], kind: str = "plain") -> "list[CompletionItem]":
    """What the Tab key offers."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(value, type=kind) for value in values]


class Name(Kind):
    """One of some names, or several with commas between them; what is near is offered.

    Parameters
    ----------
    what : str
        What a name is called in messages.
    known : sequence of str
    several : bool
    """

    name = "name"

    def __init__(self, what: str, known: Sequence[str], *, several: bool = False) -> None:
        self.what, self.known, self.several = what, known, several

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        names = [one.strip() for one in value.split(",")] if self.several else [value]
        for one in names:
            if one not in self.known:
                self.fail(f"{self.what} {one!r} is unknown{near(one, self.known)}; known are {', '.join(self.known)}",
                          param, ctx)  # fmt: skip
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG002
        begun, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        return completions(f"{begun}{comma}{name}" for name in self.known if name.startswith(last))


class Model(Kind):
    """What --model takes: an unknown name and a file that is not there are refused before torch is loaded.

    Parameters
    ----------
    several : bool
        Whether commas part several.
    """

    name = "text"

    def __init__(self, *, several: bool = False) -> None:
        self.several = several

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        for one in value.split(",") if self.several else [value]:
            if why := why_no_model(one.strip()):
                self.fail(why, param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG002
        names = completions(name for name in model_names() if name.startswith(incomplete))
        return names or completions([incomplete], "file")


def why_no_model(spec: str) -> str:
    """What is wrong with the name of a model, or nothing."""
    if FILES.search(spec):
        file = re.sub(r"(\.py):.*$", r"\1", spec)
        return "" if Path(file).exists() else f"{file}: there is no such file"
    if ELSEWHERE.match(spec):
        return refusal(spec)
    if not torchvision_names() or spec in model_names():
        return ""
    return (f"no model {spec!r}{near(spec, model_names())}; `camkit models` lists the names, "
            "path/to/file.py:factory is your own")  # fmt: skip


class Preset(Kind):
    """A preset of `camkit train`."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG002
        from camkit.training.presets import presets

        return completions(name for name in presets() if name.startswith(incomplete))
