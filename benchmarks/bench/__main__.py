"""Everything side by side: camkit, its peers, and the floor that no way of doing the work can undercut.

    python benchmarks/bench --budget small
    python benchmarks/bench --budget small --only 'JPEGs|boxes' --clock cpu --threads 1

Each round times every side of a piece of work once, in an order that rotates; ratios are made round by round, so that
a slow second of the machine counts for all. Peers that are not installed (``pip install 'camkit[bench]'``) are left
out, and the page says so. Measured rows go into docs/benchmarks.md (--page), as JSON into --json.
"""

import argparse
import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import beside
import boxes
import class_maps
import end_to_end
import gpu
import growth
import measuring
import page
import start_up
import torch
import training
import wsol
from alternate import Measured, Settings, Work, measure

ROOT = Path(__file__).resolve().parents[2]


def works(settings: Settings, folder: Path, wanted: re.Pattern[str]) -> Iterator[tuple[Work, Settings]]:
    """The work of the groups that are wanted, and how each is timed."""
    asked = {
        start_up.GROUP: lambda: start_up.work(settings),
        class_maps.GROUP: lambda: class_maps.work(settings),
        boxes.GROUP: lambda: boxes.work(settings),
        beside.GROUP: lambda: beside.work(settings, folder / "beside"),
        end_to_end.GROUP: lambda: end_to_end.work(settings, folder / "end-to-end"),
        measuring.GROUP: lambda: measuring.work(settings),
        training.GROUP: lambda: training.work(settings),
        wsol.GROUP: lambda: wsol.work(settings),
        gpu.GROUP: lambda: gpu.work(settings),
    }
    for group, make in asked.items():
        if wanted.search(group):
            own = replace(settings, clock="wall") if group in (start_up.GROUP, gpu.GROUP) else settings
            yield from ((one, own) for one in make())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", choices=["small", "full"], default="small", help="small: 10 minutes on two cores")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu: on a machine that others share")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--only", type=re.compile, default=re.compile(""), help="regular expression of groups")
    parser.add_argument("--networks", type=re.compile, default=re.compile(""), help="regular expression of them")
    parser.add_argument("--page", type=Path, help="the page to write into, such as docs/benchmarks.md")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    if asked.page and not asked.page.is_file():
        parser.error(f"{asked.page}: there is no such page to write into")
    settings = Settings(asked.budget == "full", asked.networks, asked.rounds, asked.clock)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    rows: list[Measured] = []
    with tempfile.TemporaryDirectory() as folder:
        for work, own in works(settings, Path(folder), asked.only):
            rows.append(measure(work, own))
            told = {side: f"{rows[-1].ratio(side)[0]:.3g}" for side in work.sides if side != "camkit"}
            print(work.group, work.name, told, flush=True)
        grown = list(growth.growths(settings, Path(folder) / "growth")) if asked.only.search("Growth") else []
    command = shlex.join(["python", "benchmarks/bench", *sys.argv[1:]])
    lines = list(page.lines_of(rows, grown, settings, command))
    print("\n".join(lines))
    if asked.json:
        asked.json.write_text(json.dumps([row.as_dict() for row in rows], indent=1))
    if asked.page:
        page.written(asked.page, lines)
        if grown:
            growth.plot(grown, asked.page.parent / "images" / "bench-growth.png")


if __name__ == "__main__":
    main()
