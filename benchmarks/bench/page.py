"""What was measured, as a part of docs/benchmarks.md."""

import importlib.metadata
import os
import platform
import re
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from alternate import Measured, Settings

import camkit

if TYPE_CHECKING:
    from growth import Growth

BEGIN, END = "<!-- measured by benchmarks/bench -->", "<!-- end of what was measured -->"
PEERS = ("torch", "torchvision", "torchcam", "grad-cam", "captum", "opencv-python-headless", "numpy", "scipy", "numba")


def written(page: Path, lines: Sequence[str]) -> None:
    """Put the lines between the page's two marks."""
    text = page.read_text(encoding="utf-8")
    block = "\n".join([BEGIN, "", *lines, "", END])
    page.write_text(
        re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, text, flags=re.S), encoding="utf-8"
    )


def lines_of(rows: Sequence[Measured], grown: "Sequence[Growth]", settings: Settings, command: str) -> Iterator[str]:
    yield f"    {command}"
    yield ""
    yield (f"{versions()}; {settings.rounds} rounds, {'time on the wall' if settings.clock == 'wall' else 'CPU time'}, "
           "milliseconds an image or map: the median, the least in brackets. Ratios are camkit's throughput over the "
           "other side's, round by round: the median, least to greatest.")  # fmt: skip
    for group in dict.fromkeys(row.group for row in rows):
        yield from ["", f"### {group}", "", "| work | camkit | against | ms | camkit's throughput over it | wanted |",
                    "|---|---|---|---|---|---|"]  # fmt: skip
        for row in rows:
            if row.group == group:
                yield from _lines(row)
    if grown:
        yield from ["", "### Growth", "", "![Time over size](images/bench-growth.png)", "",
                    "| work | sizes | ms | slope of the last step |", "|---|---|---|---|"]  # fmt: skip
        for one in grown:
            sizes, times = ", ".join(f"{size:,}" for size in one.sizes), ", ".join(f"{ms:.2f}" for ms in one.times)
            yield f"| {one.name} | {sizes} | {times} | {one.slope:.2f} |"


def _lines(row: Measured) -> Iterator[str]:
    what, ours = row.name, _ms(row.times["camkit"])
    if len(row.times) == 1:
        yield f"| {what} | {ours} | | | | |"
    for side, times in row.times.items():
        if side == "camkit":
            continue
        median, low, high = row.ratio(side)
        target = row.targets.get(side)
        wanted = "" if target is None else f"{target:.3g}: {'yes' if median >= target else '**missed**'}"
        yield f"| {what} | {ours} | {side} | {_ms(times)} | {median:.3g} ({low:.3g} to {high:.3g}) | {wanted} |"
        what = ours = ""


def _ms(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.3g} ({min(times):.3g})"


def versions() -> str:
    """Of all that took part."""
    found = [f"camkit {camkit.__version__}"]
    for name in PEERS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    cores = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    return ", ".join([f"Python {platform.python_version()}", *found, cores])
