"""Names that options take, known without loading torch; `tests/cli/test_catalog.py` holds them against the library."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    Kind = click.ParamType[str]
else:
    Kind = click.ParamType  # no generic before Click 8.5

DATASETS = ("coco", "csv", "cub", "ilsvrc", "openimages", "shapes", "tiny-imagenet", "voc", "wsol")
DRAWN = ("shapes",)  # their root is no folder
FORMATS = ("csv", "coco", "coco-results", "jsonl", "yolo")
BACKBONES = ("vgg16", "vgg16-acol", "resnet50", "resnet50-se", "mobilenet-v1", "mobilenet-v2", "googlenet", "inception-v3",
             "vgg-small", "vgg-small-bn", "resnet-small")  # fmt: skip
LITES = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
REGISTERED = re.compile(r'^@register_model\((?:name="([^"]+)")?.*\)\n(?:@.*\n|    .*\n|\)\n)*def (\w+)\(', re.MULTILINE)
OTHERS = re.compile(r"(?!wsol:)\w+:")  # names of other libraries, which are looked up there
FILES = re.compile(r"\.py(:.*)?$|\.safetensors$", re.IGNORECASE)


@cache
def torchvision_names() -> tuple[str, ...]:
    """The classifiers that the installed torchvision registers, read from its sources; none without them."""
    found = find_spec("torchvision")
    folders = (found.submodule_search_locations if found else None) or ()
    files = (file for folder in folders for file in sorted((Path(folder) / "models").glob("*.py")))
    matches = (match for file in files for match in REGISTERED.findall(file.read_text(encoding="utf-8")))
    return tuple(name or function for name, function in matches)


def model_names() -> tuple[str, ...]:
    """Every name that --model takes as it stands."""
    return ("tiny", *LITES, *(f"wsol:{name}" for name in BACKBONES), *torchvision_names())


def near(name: str, known: Sequence[str]) -> str:
    """``; did you mean ...?``, or nothing."""
    plain = {one.lower().replace("-", "_"): one for one in known}
    found = [plain[one] for one in get_close_matches(name.lower().replace("-", "_"), plain)]
    return f"; did you mean {', '.join(found)}?" if found else ""


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

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        begun, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        return [CompletionItem(f"{begun}{comma}{name}") for name in self.known if name.startswith(last)]


class Model(Kind):
    """What --model takes: an unknown name and a file that is not there are refused before torch is loaded."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if FILES.search(value):
            file = re.sub(r"(\.py):.*$", r"\1", value)
            if not Path(file).exists():
                self.fail(f"{file}: there is no such file", param, ctx)
        elif torchvision_names() and not OTHERS.match(value) and value not in model_names():
            self.fail(f"no model {value!r}{near(value, model_names())}; `camkit models` lists the names, "
                      "path/to/file.py:factory is your own", param, ctx)  # fmt: skip
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        names = [CompletionItem(name) for name in model_names() if name.startswith(incomplete)]
        return names or [CompletionItem(incomplete, type="file")]


class Preset(Kind):
    """A preset of `camkit train`."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        from camkit.training.presets import presets

        return [CompletionItem(name) for name in presets() if name.startswith(incomplete)]
