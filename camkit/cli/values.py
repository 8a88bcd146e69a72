"""Values that options take: how they are read, and what is refused before torch is loaded."""

import math
import re
from collections.abc import Callable
from typing import Any

import click

from camkit.errors import CamkitError

LARGEST = 4096  # pixels along a side of the input: more fill any memory in the first layers
SCALES = r"scales=[0-9]*\.?[0-9]+(:[0-9]*\.?[0-9]+)*"
VIEWS = re.compile(rf"(flip|{SCALES})(,(flip|{SCALES}))*")


class FloatRange(click.FloatRange):
    """Click's, without NaN, which is in every range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class GivenPath(click.Path):
    """Click's, without the empty text that an unset variable of the shell leaves: it would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' names nothing; is a variable of the shell unset? write . for the current folder", param, ctx)
        return super().convert(value, param, ctx)


def device(value: str) -> str:
    """A kind of device that can compute, and which one."""
    if not re.fullmatch(r"(auto|cpu|mps|(cuda|xpu)(:[0-9]{1,3})?)", value):
        raise click.BadParameter(f"{value!r} is no device to compute on: take auto, cpu, cuda or cuda:0")
    return value


def size(value: str) -> tuple[int, int]:
    """An integer, or HEIGHTxWIDTH."""
    parts = value.lower().split("x")
    if len(parts) > 2 or not all(re.fullmatch("[0-9]{1,9}", part) and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r:.60} is no size: give one number or HEIGHTxWIDTH, such as 224 or 224x320")
    if max(map(int, parts)) > LARGEST:
        raise click.BadParameter(f"{value!r} is too large for a network's input: give up to {LARGEST} pixels a side")
    return int(parts[0]), int(parts[-1])


def triple(value: str) -> tuple[float, float, float]:
    """Three numbers with commas between them, or one for all three."""
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise click.BadParameter(f"{value!r}: give three numbers such as 0.485,0.456,0.406, or one for all")
    return numbers[0], numbers[len(numbers) // 2], numbers[-1]


def channels(name: str) -> Callable[[str], tuple[float, float, float]]:
    """The mean or the standard deviation of an `InputSpec`."""

    def read(value: str) -> tuple[float, float, float]:
        from camkit.input_spec import InputSpec

        try:
            return getattr(InputSpec(**{name: triple(value)}), name)  # type: ignore[arg-type, no-any-return]
        except CamkitError as error:
            raise click.BadParameter(str(error)) from None

    return read


def comma_separated(number: type[float] | type[int]) -> Callable[[str], tuple[float, ...]]:
    """One number, or several with commas between them."""
    kind = "whole number" if number is int else "number"

    def read(value: str) -> tuple[float, ...]:
        try:
            return tuple(number(part) for part in value.split(","))
        except ValueError:
            raise click.BadParameter(f"{value!r}: give one {kind}, or several such as 2,3,5") from None

    return read


def shard(value: Any) -> tuple[int, int]:
    """``I/N``: the I-th of N parts, counted from 1."""
    parts = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", value)
    if parts is None or not 1 <= int(parts[1]) <= int(parts[2]):
        raise click.BadParameter(f"{value!r}: give I/N, from 1/N to N/N")
    return int(parts[1]), int(parts[2])


def blocks(value: str) -> int | str:
    """A number of blocks, or all."""
    if value != "all" and not re.fullmatch("[1-9][0-9]{0,3}", value):
        raise click.BadParameter(f"{value!r}: give a number of blocks, 1 or more, or all")
    return value if value == "all" else int(value)


def regions(value: str) -> int | None:
    """How many regions, None for all."""
    if not re.fullmatch("largest|all|[1-9][0-9]{0,5}", value):
        raise click.BadParameter(f"{value!r:.60}: give largest, all, or a number of regions, 1 or more")
    return {"largest": 1, "all": None}[value] if value.isalpha() else int(value)


def overlays(value: str) -> int | bool:
    """Of how many images pictures are drawn, True for all."""
    if not re.fullmatch("all|[1-9][0-9]{0,8}", value):
        raise click.BadParameter(f"{value!r:.60}: give all, or a number of images, 1 or more")
    return True if value == "all" else int(value)


def views(value: str) -> str:
    """Test-time views in words, as `camkit.cam.Views` reads them, which loads torch."""
    if not VIEWS.fullmatch(value.replace(" ", "")):
        raise click.BadParameter(f"{value!r:.80}: write flip, scales=0.75:1:1.25, or both with a comma between them")
    return value


def head_names(value: str) -> dict[str, str]:
    """``features=MODULE,classifier=MODULE``."""
    pairs = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
    if set(pairs) != {"features", "classifier"}:
        raise click.BadParameter(f"{value!r}: write features=MODULE,classifier=MODULE")
    return pairs
