"""Chains of kills: a command killed by SIGKILL and resumed, over and over, against a run left alone.

    python benchmarks/kills.py --model tiny --images photos/ --chains 7
    python benchmarks/kills.py evaluate --model net.py:build --dataset shapes --root n=60,size=64,classes=3 --chains 9
    python benchmarks/kills.py "analyze zipf channels overlap" --model net.py:build --dataset shapes --root n=60,size=64

Each chain begins anew, and is killed `--kills` times: a moment after so many more images are finished as a draw says,
be it while Python starts, while the network is loaded, between two images, inside a picture or a table. Then it is
left to end. All that tells no time must be the same bytes.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TIMES = ("run.json", ".camkit-journal.jsonl", ".camkit-files.json")
LOCALIZE = "localize --topk 2 --save-maps --formats csv,coco,jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", help=f"By default {LOCALIZE!r}.")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--chains", type=int, default=7)
    parser.add_argument("--kills", type=int, default=4, help="In each chain.")
    parser.add_argument("--workers", default="0,2", help="Taken in turn, one a chain.")
    parser.add_argument("--seed", type=int, default=0)
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        arguments.insert(0, LOCALIZE)  # else what follows an option of camkit's would be taken for the command
    options, more = parser.parse_known_args(arguments)
    call = [sys.executable, "-m", "camkit", *options.command.split(), "--model", options.model, *more]
    moments, wrong = random.Random(options.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        left(call, alone)
        images, expected = finished(alone), contents(alone)
        print(f"a run left alone: {images} images, {len(expected)} files", flush=True)
        for chain in range(options.chains):
            out = Path(folder) / f"chain-{chain}"
            workers = options.workers.split(",")[chain % len(options.workers.split(","))]
            deaths = killed([*call, "--workers", workers], out, options.kills, images, moments)
            left([*call, "--resume"], out)
            found = contents(out)
            differ = sorted(str(name) for name in {*found, *expected} if found.get(name) != expected.get(name))
            wrong += bool(differ)
            told = f"{len(differ)} FILES DIFFER, such as {differ[0]}" if differ else "the same bytes"
            print(f"chain {chain + 1}: workers {workers}, killed after {', '.join(deaths)} images: {told}", flush=True)
    print(f"{options.chains - wrong} of {options.chains} chains left the bytes of a run left alone")
    sys.exit(bool(wrong))


def killed(call: list[str], out: Path, kills: int, images: int, moments: random.Random) -> list[str]:
    """Run and kill; how many images were finished at each death."""
    deaths = []
    for _ in range(kills):
        enough = finished(out) + moments.randrange(1 + images // kills)
        run = subprocess.Popen([*call, "--out", str(out), "--resume"], stdout=subprocess.DEVNULL)
        while run.poll() is None and finished(out) < enough:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.3))
        if run.poll() is None:
            deaths.append(str(finished(out)))
        run.kill()
        run.wait()
    return deaths or ["no"]


def finished(out: Path) -> int:
    """Images in the journal."""
    journal = out / ".camkit-journal.jsonl"
    lines = journal.read_bytes() if journal.exists() else b""
    return lines.count(b'"rows"') + lines.count(b'"measured"')


def left(call: list[str], out: Path) -> None:
    """A run to its end; images may have failed in it."""
    done = subprocess.run([*call, "--out", str(out)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{' '.join(call)}: {done.stderr}")


def contents(out: Path) -> dict[Path, bytes]:
    """Everything but what tells times."""
    files = [file for file in out.rglob("*") if file.is_file() and file.name not in TIMES]
    return {file.relative_to(out): file.read_bytes() for file in files}


if __name__ == "__main__":
    main()
