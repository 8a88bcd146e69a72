"""Whole runs over damaged images: each must be a box or a reason, and whole images among them must come out as alone.

    python benchmarks/damaged_runs.py --damaged 1000 --seed 0

Small images in all formats, drawn and then damaged as damaged_images.py does, and one in ten a bomb, whose header
tells of more pixels than --max-pixels allows. `camkit localize`, `evaluate` and `analyze` read them all in this
process, so that a crash of a decoder ends this program without its last line; then each reads the whole images alone,
and their rows must be the same bytes, but for columns that depend on the other images: MaxBoxAcc is at the threshold
that is best for all. Batches are of one image, because last digits of a forward pass depend on its company.
"""

import argparse
import contextlib
import csv
import io
import struct
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from damaged_images import damaged_images, whole_images

from camkit.cli import main as camkit

NETWORK = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.0,) * 3, (1.0,) * 3
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
"""
SIDE = 30_000
ENDINGS = {"jpeg": ".jpg", "png": ".png", "tiff": ".tif", "webp": ".webp", "gif": ".gif", "bmp": ".bmp", "ppm": ".ppm"}
RUNS = {"localize": "boxes.csv", "evaluate": "per_image.csv", "analyze": "ioa.csv"}  # and the table of its images


def in_png(content: bytes) -> bytes:
    header = b"IHDR" + struct.pack(">II", SIDE, SIDE) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def in_jpeg(content: bytes) -> bytes:
    at = max(content.find(b"\xff\xc0"), content.find(b"\xff\xc2"))
    return content[: at + 5] + struct.pack(">HH", SIDE, SIDE) + content[at + 9 :]


def in_gif(content: bytes) -> bytes:
    return content[:6] + struct.pack("<HH", SIDE, SIDE) + content[10:]


def in_bmp(content: bytes) -> bytes:
    return content[:18] + struct.pack("<ii", SIDE, SIDE) + content[26:]


def in_ppm(content: bytes) -> bytes:
    return content.replace(b"128 96", f"{SIDE} {SIDE}".encode(), 1)


def in_tiff(content: bytes) -> bytes:
    found = bytearray(content)
    (start,) = struct.unpack_from("<I", found, 4)
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", found, start)[0], 12):
        if struct.unpack_from("<H", found, at)[0] in (256, 257):
            struct.pack_into("<HII", found, at + 2, 4, 1, SIDE)
    return bytes(found)


def in_webp(content: bytes) -> bytes:
    if content[12:16] == b"VP8L":
        return content[:21] + b"\xff\xff\xff\x0f" + content[25:]
    return content[:26] + b"\xff\x3f\xff\x3f" + content[30:]


BOMBS: dict[str, Callable[[bytes], bytes]] = {
    "png": in_png, "jpeg": in_jpeg, "gif": in_gif, "bmp": in_bmp, "ppm": in_ppm, "tiff": in_tiff, "webp": in_webp,
}  # fmt: skip


def files(damaged: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Names and contents, one in ten a bomb."""
    whole = list(whole_images().items())
    for number, (name, content) in enumerate(damaged_images(damaged, seed)):
        kind, intact = whole[number // 10 % len(whole)] if number % 10 == 9 else (name, b"")
        first = kind.split(",")[0].split()[0]
        yield f"damaged/{number:05d}{ENDINGS[first]}", BOMBS[first](intact) if intact else content


def write(folder: Path, images: dict[str, bytes]) -> None:
    """A data set of camkit's CSV."""
    for name, content in images.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with (folder / "val.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "label", "x0", "y0", "x1", "y1"])
        table.writerows([name, zlib.crc32(name.encode()) % 3, 10, 10, 60, 60] for name in images)


def call(run: str, folder: Path) -> tuple[int, str]:
    """Exit status and the last line on the screen of a run over a data set; its folder is `folder` / run."""
    data = ["--images", folder / "images", "--no-overlays"]
    if run != "localize":
        data = ["--dataset", "csv", "--root", folder, "--split", "val"]
    data += ["--model", f"{folder}/net.py:build", "--batch-size", "1", "--device", "cpu", "--fit", "stretch"]
    which = ["ioa"] if run == "analyze" else []
    sys.argv = ["camkit", run, *which, *map(str, data), "--out", str(folder / run)]
    (folder / "net.py").write_text(NETWORK)
    said, status = io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            camkit()
        except SystemExit as leaving:
            status = int(leaving.code or 0)
    return status, (said.getvalue().strip().splitlines() or [""])[-1]


def rows(path: Path) -> dict[str, list[str]]:
    """The lines of a table, by image."""
    found: dict[str, list[str]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            own = [value for column, value in row.items() if not column.startswith("max_box_acc")]
            found.setdefault(row["image"].removeprefix("./"), []).append(",".join(own))
    return found


def tried(folder: Path, damaged: int, good: int, seed: int) -> list[str]:
    """Run all, print a line for each, and give what went wrong."""
    whole = list(whole_images().items())
    intact = {f"whole/{number:04d}{ENDINGS[whole[number % len(whole)][0].split()[0]]}": whole[number % len(whole)][1]
              for number in range(good)}  # fmt: skip
    mixed = dict(scattered(list(intact.items()), files(damaged, seed)))
    write(folder / "alone", intact)
    write(folder / "mixed", mixed)
    wrong: list[str] = []
    for run, table in RUNS.items():
        ends = {where: call(run, folder / where) for where in ("alone", "mixed")}
        if ends["alone"][0] != 0 or ends["mixed"][0] != 1:
            wrong.append(f"{run}: {ends}")
            continue
        found, alone = (rows(folder / where / run / table) for where in ("mixed", "alone"))
        reasons = rows(folder / "mixed" / run / "failures.csv")
        neither = [name for name in mixed if (name in found) == (name in reasons)]
        touched = [name for name in intact if found.get(name) != alone.get(name) or name not in found]
        wrong += [f"{run}: {name} has a box and a reason, or neither" for name in neither]
        wrong += [f"{run}: {name} is another beside damaged images" for name in touched]
        bombs = Counter("pixels are more than the" in reasons[name][0] for name in reasons)[True]
        same = f"{len(intact) - len(touched)} of {len(intact)} whole ones as alone"
        print(f"{run}: {len(found)} of {len(mixed)} images have boxes, {len(reasons)} a reason ({bombs} more pixels "
              f"than allowed); {same}", flush=True)  # fmt: skip
    return wrong


def scattered(intact: list[tuple[str, bytes]], damaged: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """A whole image before each ten damaged ones, and what is left of them at the end."""
    left = intact[::-1]
    for number, one in enumerate(damaged):
        if left and number % 10 == 0:
            yield left.pop()
        yield one
    yield from left[::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--damaged", type=int, default=1000)
    parser.add_argument("--whole", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = tried(Path(folder), options.damaged, options.whole, options.seed)
    print("\n".join(wrong[:20]) or "0 crashes; every image has a box or a reason")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
