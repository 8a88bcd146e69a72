"""The newcomer's path, timed: docs/tutorials/first-steps.md in a fresh clone and a fresh environment.

python benchmarks/newcomer.py

Prints a row for each step, with the time that passes and the time that processors work, and the machine.
"""

import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / ".ci"))

from pages import BLOCK  # noqa: E402 - how blocks are read out of pages

PAGE = "docs/tutorials/first-steps.md"


def steps(text: str) -> list[tuple[str, str]]:
    """The heading that each block of commands stands under, and the commands; Python as a command."""
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        for _, language, code in BLOCK.findall(body):
            found.append((heading, code if language == "sh" else f"python - <<'END_OF_PYTHON'\n{code}END_OF_PYTHON\n"))
    return found


def timed(name: str, run: Callable[[], object]) -> None:
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    work = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    print(f"| {name} | {time.perf_counter() - began:.0f} s | {work:.0f} s |", flush=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        clone, venv = Path(place, "camkit"), Path(place, "venv")
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env |= {"PATH": f"{venv}/bin:{env['PATH']}", "PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

        def run(*command: str) -> None:
            subprocess.run(command, cwd=clone if clone.exists() else place, env=env, check=True, capture_output=True)

        print("| step | passed | worked |\n|---|---|---|")
        timed("Clone", lambda: run("git", "clone", "-q", str(ROOT), str(clone)))
        timed("An environment", lambda: run(sys.executable, "-m", "venv", str(venv)))
        for heading, code in steps((ROOT / PAGE).read_text("utf-8")):
            timed(heading, lambda code=code: run("bash", "-euo", "pipefail", "-c", code))
        version = subprocess.run(
            [f"{venv}/bin/python", "-c", "import torch, camkit; print(torch.__version__, camkit.__version__)"],
            env=env, cwd=place, check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, torch {version[0]}, "
          f"camkit {version[1]}; load averages {load}")  # fmt: skip


if __name__ == "__main__":
    main()
