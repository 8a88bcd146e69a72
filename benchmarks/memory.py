"""What a run keeps in memory for each image, with a network of one convolution.

    python benchmarks/memory.py --images 20000
    python benchmarks/memory.py --images 1000000 --tar
    python benchmarks/memory.py --command evaluate --images 20000

Thumbnails, all of the same bytes, as files or, of `localize`, in one tar archive. Resident memory is read from the
system while the command runs, and set against the images that its journal has. The slope is that of a line through all
moments after the first tenth. What a run needs once its images are done, for its tables and figures, is told apart.
"""

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

NETWORK = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.0,) * 3, (1.0,) * 3
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
"""
JOURNAL = ".camkit-journal.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", choices=("localize", "evaluate"), default="localize")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--tar", action="store_true", help="In one archive, instead of a folder for each thousand.")
    parser.add_argument("--every", type=float, default=0.5, help="Seconds between two looks at the memory.")
    options, more = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "net.py").write_text(NETWORK)
        if options.tar and options.command == "evaluate":
            parser.error("--tar is of localize: annotations name files in folders")
        images = in_tar(folder, options.images) if options.tar else in_folders(folder, options.images)
        shown = ["--images", str(images), "--no-overlays"]
        if options.command == "evaluate":
            shown = ["--dataset", "csv", "--root", str(annotated(images)), "--split", "all"]
        call = [sys.executable, "-m", "camkit", options.command, "--model", f"{folder}/net.py:build", *shown,
                "--out", f"{folder}/out", *more]  # fmt: skip
        started = time.perf_counter()
        run = subprocess.Popen(call, stdout=subprocess.DEVNULL)
        looks, peak = watched(run, folder / "out" / JOURNAL, options.every)
        report(looks, peak, options.images, time.perf_counter() - started)


def thumbnail() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (4, 4, 3), np.uint8)
    Image.fromarray(pixels).resize((32, 32)).save(file, "JPEG")
    return file.getvalue()


def in_folders(folder: Path, count: int) -> Path:
    (folder / "one.jpg").write_bytes(thumbnail())
    for number in range(count):
        file = folder / "photos" / f"{number // 1000:06d}" / f"{number:09d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        os.link(folder / "one.jpg", file) if number % 30_000 else file.write_bytes(thumbnail())
        if number % 30_000 == 0:  # a file system allows so many links to one file
            os.replace(file, folder / "one.jpg")
            os.link(folder / "one.jpg", file)
    return folder / "photos"


def annotated(images: Path) -> Path:
    """The folder, with a CSV file in it: one box an image, three classes."""
    with (images / "all.csv").open("w") as file:
        file.write("image,label,x0,y0,x1,y1\n")
        for number, path in enumerate(sorted(images.rglob("*.jpg"))):
            file.write(f"{path.relative_to(images).as_posix()},{number % 3},4,4,28,28\n")
    return images


def in_tar(folder: Path, count: int) -> Path:
    content = thumbnail()
    with tarfile.open(folder / "photos.tar", "w") as tar:
        for number in range(count):
            member = tarfile.TarInfo(f"{number:09d}.jpg")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
            tar.members = []
    return folder / "photos.tar"


def watched(run: "subprocess.Popen[bytes]", journal: Path, every: float) -> tuple[list[tuple[int, int]], int]:
    """Images in the journal and bytes resident, moment by moment, and the most of all."""
    looks, done, read, peak = [], 0, 0, 0
    while run.poll() is None:
        if journal.exists():
            with journal.open("rb") as file:
                file.seek(read)
                new = file.read()
            read += len(new)
            done += new.count(b"\n")
        try:
            status = Path(f"/proc/{run.pid}/status").read_text()
        except OSError:
            break
        fields = dict(line.split(":", 1) for line in status.splitlines())
        if "VmRSS" in fields:
            looks.append((done, int(fields["VmRSS"].split()[0]) * 1024))
            peak = int(fields["VmHWM"].split()[0]) * 1024
        time.sleep(every)
    if run.returncode:
        sys.exit(f"camkit ended with {run.returncode}")
    return looks, peak


def report(looks: list[tuple[int, int]], peak: int, images: int, seconds: float) -> None:
    seen = np.array(looks)
    middle = seen[(seen[:, 0] >= images / 10) & (seen[:, 0] < images)]
    if len(middle) < 2:
        sys.exit(f"{len(looks)} looks at the memory are too few: more --images, or a lower --every")
    slope, _ = np.polyfit(middle[:, 0], middle[:, 1], 1)
    parts = [seen[(seen[:, 0] > images * low) & (seen[:, 0] < images * high), 1].mean() / 2**20
             for low, high in ((0, 0.1), (0.1, 0.2), (0.9, 1))]  # fmt: skip
    after = seen[seen[:, 0] >= images, 1]
    print(f"{images} images in {seconds:.0f} s: {slope:.0f} bytes an image; resident {parts[0]:.0f} MiB in the first "
          f"tenth, {parts[1]:.0f} in the second, {parts[2]:.0f} in the last ({parts[2] / parts[0] - 1:+.1%}), "
          f"{after.max(initial=0) / 2**20:.0f} once all are in the journal, {peak / 2**20:.0f} at most")  # fmt: skip


if __name__ == "__main__":
    main()
