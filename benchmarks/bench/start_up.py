"""What it costs to begin: processes of their own, so that nothing is loaded before."""

import subprocess
import sys
from collections.abc import Callable, Iterator

from alternate import Settings, Work

GROUP = "Start-up"
TORCH = "import torch, torchvision"
RUNS = ("localize", "evaluate", "train", "calibrate", "analyze", "compare", "finetune", "report")


def work(settings: Settings) -> Iterator[Work]:
    """These are timed by the clock on the wall: a child's time is its own."""
    nothing = python("pass")
    yield Work(GROUP, "import camkit", {"camkit": python("import camkit"), "floor: python": nothing})
    yield Work(GROUP, "camkit --help", {"camkit": command("--help"), "floor: python": nothing})
    yield Work(GROUP, "a wrong call, to its message",
               {"camkit": command("localize", "--model", "tiny", "--images", "nowhere", status=2),
                "floor: python": nothing})  # fmt: skip
    for run in RUNS if settings.full else RUNS[:3]:
        yield Work(GROUP, f"{run}, to its first work",
                   {"camkit": python(f"import camkit.runs.{run}"), f"floor: {TORCH}": python(TORCH)},
                   targets={f"floor: {TORCH}": 1 / 1.1})  # fmt: skip


def python(line: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", line], check=True, capture_output=True)


def command(*arguments: str, status: int = 0) -> Callable[[], object]:
    def run() -> None:
        done = subprocess.run([sys.executable, "-m", "camkit", *arguments], check=False, capture_output=True)
        if done.returncode != status:
            raise RuntimeError(f"camkit {' '.join(arguments)} ended with {done.returncode}: {done.stderr!r}")

    return run
