"""Runs the commands that README.md, the tutorials and the how-tos show, as they stand, each page in a fresh clone.

python .ci/pages.py [PAGE...]

Of a page every ```sh and ```python block is run, in order, each in a process of its own. Three things differ from what
a reader does: what the page takes for granted is laid beside it in small (stand_ins.py), trainings are cut (CUTS), and
a block that begins with "# not run: REASON" is passed over. Blocks after <!-- test --> and <!-- demo --> are run by
.ci/run itself.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stand_ins import PREAMBLES, STAND_INS

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/tutorials/*.md", "docs/how-to/*.md")
ELSEWHERE = ("test", "demo")  # markers of blocks that .ci/run runs itself
CUTS = {
    r"camkit train .*--root CUB_200_2011": "--epochs 1 --batch-size 4 --size 64 --resize 64 --weights none",
    r"camkit train .*--dataset shapes": "--epochs 1",
    r"camkit finetune-fc .*--root imagenet": "--epochs 1 --steps 1 --sets 2 --crr 1 --frr 1 --size 64",
    r"camkit finetune-fc ": "--epochs 1",
}
BLOCK = re.compile(r"^(?:<!-- ([a-z ]+) -->\n)?```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    code: str
    marker: str | None = None

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def reason(self) -> str | None:
        """Why it is not run here, where it is not."""
        if self.marker in ELSEWHERE:
            return f"{self.marker}: by .ci/run"
        found = re.match(r"# not run: (.+)\n", self.code)
        return found and found[1]

    @property
    def installs(self) -> bool:
        return self.code.startswith("pip install")

    def run(self, folder: Path, env: dict[str, str]) -> tuple[int, str]:
        """Exit status, and what it printed."""
        if self.language == "sh":
            command = ["bash", "-euo", "pipefail", "-c", shortened(self.code)]
        else:
            command = [sys.executable, "-c", PREAMBLES.get(self.page, "") + self.code]
        done = subprocess.run(
            command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout


def blocks(page: str, text: str) -> list[Block]:
    """The blocks of a page that hold commands."""
    found = BLOCK.finditer(text)
    return [Block(page, text.count("\n", 0, m.start(3)) + 1, m[2], m[3], m[1]) for m in found]


def shortened(code: str) -> str:
    """Commands with what CUTS adds to them; an option that comes twice counts as it stands last."""
    lines = re.sub(r" *\\\n *", " ", code).splitlines()
    added = (next((more for cut, more in CUTS.items() if re.match(cut, line)), "") for line in lines)
    return "\n".join(f"{line} {more}".rstrip() for line, more in zip(lines, added, strict=True))


def run_page(page: str, work: Path) -> list[str]:
    """Run a page in a clone of its own; the names of the blocks that failed."""
    folder = work / page.replace("/", "-").removesuffix(".md")
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    env = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_HOME": str(work / "torch"), "PYTHONPATH": str(folder)}
    for make in STAND_INS.get(page, ()):
        make(folder)
    failed: list[str] = []
    for block in blocks(page, (folder / page).read_text("utf-8")):
        if block.installs:
            continue
        if block.reason:
            print(f"  --    {block.name}: not run: {block.reason}", flush=True)
            continue
        began = time.perf_counter()
        status, said = block.run(folder, env)
        print(f"{time.perf_counter() - began:5.1f} s {block.name}{': FAILED' if status else ''}", flush=True)
        if status:
            print(f"{block.code}\n{said[-3000:]}", flush=True)
            failed.append(block.name)
    return failed


def install(pages: list[str], work: Path) -> None:
    """What the pages install, from a clone; first of all and one after the other, as they share one environment."""
    folder = work / "install"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(folder)], check=True)
    for page in pages:
        for block in blocks(page, (ROOT / page).read_text("utf-8")):
            if block.installs and not block.reason:
                began = time.perf_counter()
                subprocess.run(["bash", "-euc", block.code], cwd=folder, check=True, stdout=subprocess.DEVNULL)
                print(f"{time.perf_counter() - began:5.1f} s {block.name}", flush=True)


def main(wanted: list[str]) -> int:
    pages = wanted or [str(path.relative_to(ROOT)) for glob in PAGES for path in sorted(ROOT.glob(glob))]
    with tempfile.TemporaryDirectory() as place:
        install(pages, Path(place))
        with ThreadPoolExecutor(2) as pool:
            failed = [name for names in pool.map(lambda page: run_page(page, Path(place)), pages) for name in names]
    total = sum(not block.reason for page in pages for block in blocks(page, (ROOT / page).read_text("utf-8")))
    print(f"{total - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
