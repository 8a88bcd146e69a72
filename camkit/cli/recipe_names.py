"""Names of weightings, thresholds and recipes: what is wrong with one is told before torch is loaded.

`tests/cli/test_recipe_names.py` holds them against the library.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from camkit.cli.catalog import Kind, completions
from camkit.cli.elsewhere import near
from camkit.errors import CamkitError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

GAMMAS = ("t1b1", "linear", "quadratic", "top20")
WEIGHTINGS = ("signed", "positive", "negative", "gradcam++", "ablation", "finer",
              *(f"{family}:{gamma}" for family in ("ccam", "ccam-agnostic") for gamma in GAMMAS))  # fmt: skip
# Families whose parameters stand in the name, with one of each to write.
PARAMETERS = {
    "finer": (r"(\d+\.?\d*|\.\d+)(e[+-]?\d+)?(:0*[1-9]\d*)?", "finer:0.6:3, finer:ALPHA:CLASSES"),
    "ccam": (r"top[1-9]\d{0,8}", "ccam:t1b1, linear, quadratic or topN"),
    "ccam-agnostic": (r"top[1-9]\d{0,8}", "ccam-agnostic:t1b1, linear, quadratic or topN"),
}
THRESHOLDS = ("max", "minmax", "pas", "ivr")
RECIPES = ("cam", "nwc", "pas", "nwc+pas")
SHORT = ("cam", "nwc")  # the papers' words for weightings
OWN = re.compile(r"\.py(:|$)")  # a function of the user's
ALL = "all"
LIBRARIES = {"torchcam": "torchcam", "grad-cam": "pytorch_grad_cam", "captum": "captum"}  # what they import
RELU_MAPS = "relu-maps"  # camkit's own


def why_no_weighting(name: str) -> str:
    """What is wrong with the name of a weighting, or nothing."""
    family, _, parameters = name.partition(":")
    if OWN.search(name):
        return why_no_file(name)
    if name in WEIGHTINGS:
        return ""
    if family in PARAMETERS:
        pattern, example = PARAMETERS[family]
        return "" if re.fullmatch(pattern, parameters) else f"weighting {name!r}: write {example}"
    return f"weighting {name!r} is unknown{near(name, WEIGHTINGS)}; known are {', '.join(WEIGHTINGS)}"


def why_no_threshold(name: str) -> str:
    """What is wrong with the name of a threshold, or nothing."""
    if OWN.search(name):
        return why_no_file(name)
    lo, colon, hi = name.partition(":")
    if name in THRESHOLDS:
        return ""
    if not colon:
        return (f"threshold {name!r} is unknown{near(name, THRESHOLDS)}; give {', '.join(THRESHOLDS)}, LO:HI such as "
                "p30:max, or FILE.py:NAME")  # fmt: skip
    from camkit.boxes.thresholds import Threshold, level

    try:
        Threshold(lo=level(lo), hi=level(hi))
    except CamkitError as error:
        return str(error)
    return ""


def why_no_published_threshold(name: str) -> str:
    """Of those alone that have a name."""
    return "" if name in THRESHOLDS else f"no threshold is called {name!r}: choose from {', '.join(THRESHOLDS)}"


def why_no_recipe(name: str) -> str:
    """What is wrong with the name of a recipe, or nothing."""
    if name in RECIPES:
        return ""
    weighting, _, threshold = name.rpartition("+")
    if not (weighting and threshold):
        return (f"recipe {name!r} is unknown{near(name, RECIPES)}; give {', '.join(RECIPES)}, or WEIGHTING+THRESHOLD, "
                "such as positive+ivr")  # fmt: skip
    return ("" if weighting in SHORT else why_no_weighting(weighting)) or why_no_threshold(threshold)


def why_no_source(spec: str) -> str:
    """What is wrong with what shall make the maps, or nothing; which extractors a library has, it says itself."""
    library, colon, _ = spec.partition(":")
    if OWN.search(spec):
        return why_no_file(spec)
    if spec == RELU_MAPS or (colon and library in LIBRARIES):
        return ""
    named = ", ".join(f"{name}:NAME" for name in LIBRARIES)
    return (f"{spec!r} makes no maps: give {named}, {RELU_MAPS} or path/to/file.py:name; {next(iter(LIBRARIES))}: "
            "alone lists what a library has")  # fmt: skip


def why_no_file(spec: str) -> str:
    """That the file of ``FILE.py:NAME`` is not there, or nothing."""
    file = Path(re.sub(r"(\.py):.*$", r"\1", spec))
    return "" if file.is_file() else f"{file}: there is no such file; give path/to/file.py:name"


def names_in(text: str) -> list[str]:
    """Names with commas between them, each once."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in names or (ALL in names and len(names) > 1):
        raise CamkitError(f"{text!r} is no list of names: put single commas between them, or write all")
    return names


class Named(Kind):
    """A name, or several with commas between them.

    Parameters
    ----------
    why_not : callable
        What is wrong with a name, or nothing.
    offered : sequence of str
        By completion.
    several : bool
    """

    name = "name"

    def __init__(self, why_not: Callable[[str], str], offered: Sequence[str], *, several: bool = False) -> None:
        self.why_not, self.offered, self.several = why_not, offered, several

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            names = names_in(value) if self.several else [value]
        except CamkitError as error:
            self.fail(str(error), param, ctx)
        for name in names:
            taken = self.several and name == ALL and ALL in self.offered
            if not taken and (why := self.why_not(name)):
                self.fail(why, param, ctx)
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG002
        begun, comma, last = incomplete.rpartition(",") if self.several else ("", "", incomplete)
        return completions(f"{begun}{comma}{name}" for name in self.offered if name.startswith(last))


SOURCE = Named(why_no_source, (*(f"{name}:" for name in LIBRARIES), RELU_MAPS))
WEIGHTING = Named(why_no_weighting, WEIGHTINGS)
SEVERAL_WEIGHTINGS = Named(why_no_weighting, (ALL, *WEIGHTINGS), several=True)
THRESHOLD = Named(why_no_threshold, THRESHOLDS)
SEVERAL_THRESHOLDS = Named(why_no_threshold, (ALL, *THRESHOLDS), several=True)
PUBLISHED_THRESHOLDS = Named(why_no_published_threshold, (ALL, *THRESHOLDS), several=True)
SEVERAL_RECIPES = Named(why_no_recipe, RECIPES, several=True)
