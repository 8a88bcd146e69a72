"""What a hundred million images take in memory and on disk, from slopes that are measured here.

    python benchmarks/scale.py --images 200000 --pace 1000

Names as of shards in a tar, one row an image. Every figure is measured over half of the images and over all of them;
the difference is the slope, which is then carried on to 10^8. `--pace` is what one GPU does, images a second, as
`camkit localize` prints it: hours are that much arithmetic.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow

from camkit.data import ImageFile
from camkit.data.image_list import ImageList
from camkit.output.entries import Entries
from camkit.output.parquet_folder import ParquetFolder, schema
from camkit.runs.localize_on_ray import pickled

ALL = 10**8
BATCH, BLOCK = 16, 64
SOURCE = {"bytes": 110_000, "mtime_ns": 1_760_000_000_000_000_000, "ctime_ns": 1_760_000_000_000_000_000,
          "sha256": "0" * 64}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--pace", type=float, default=1000.0, help="Images a second of one GPU.")
    options = parser.parse_args()
    print(f"| | bytes an image | microseconds an image | at 10^8: GB | hours |\n{'|---' * 5}|")
    for what, measure in MEASURES.items():
        half, whole = (measured(measure, count) for count in (options.images // 2, options.images))
        size, seconds = ((b - a) / (options.images - options.images // 2) for a, b in zip(half, whole, strict=True))
        told = f"{size:.0f} | {1e6 * seconds:.1f} | {ALL * size / 1e9:.1f} | {ALL * seconds / 3600:.1f}"
        print(f"| {what} | {told} |")
    print(f"most that this process held: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")
    for gpus in (1, 8, 64):
        hours = ALL / options.pace / gpus / 3600
        print(f"{gpus} GPUs at {options.pace:g} images/s each: {hours:.1f} hours")


def measured(measure: Callable[[int], int], count: int) -> tuple[float, float]:
    """Bytes, and seconds of this process."""
    start = time.process_time()
    return measure(count), time.process_time() - start


def files(count: int) -> list[tuple[str, str, str, int]]:
    """Images of shards, a thousand in each, as `ImageList.add` takes them."""
    return [(f"/data/shards/shard-{n // 1000:06d}.tar", f"tar:{n % 1000 * 110_592 + 512}:110000",
             f"{n // 1000:06d}/{n:09d}.jpg", 1) for n in range(count)]  # fmt: skip


def images_listed(count: int) -> int:
    images = ImageList()
    images.add(iter(files(count)))
    return bytes_of(images.finish()._db)


def images_finished(count: int) -> int:
    entries = Entries()
    for _, _, name, _ in files(count):
        entries.note(name, 0, done=True)
    return bytes_of(entries._db)


def bytes_of(database: object) -> int:
    pages, size = (database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))  # type: ignore[attr-defined]
    return int(pages * size)


def batches_sent(count: int) -> int:
    """What Ray's object store holds of the list."""
    images = [ImageFile(Path(path), name, inside) for path, inside, name, _ in files(count)]
    batches = [images[at : at + BATCH] for at in range(0, count, BATCH)]
    return sum(pickled(batches[at : at + BLOCK]).nbytes for at in range(0, len(batches), BLOCK))


def rows_written(count: int) -> int:
    """A folder of Parquet files, written as `camkit localize --engine ray` writes it."""
    with tempfile.TemporaryDirectory() as place, ParquetFolder(Path(place, "found"), {}, seconds=1e9) as folder:
        rows = [row(name, number) for number, (_, _, name, _) in enumerate(files(count))]
        for at in range(0, count, BATCH):
            folder.add(pyarrow.Table.from_pylist(rows[at : at + BATCH], schema()))
        folder.finish({})
        return sum(file.stat().st_size for file in folder.path.glob("*.parquet"))


def journal_lines(count: int) -> int:
    """The journal of a run without Ray, and boxes.csv."""
    found = 0
    for number, (_, _, name, _) in enumerate(files(count)):
        one = row(name, number)
        found += len(json.dumps({"image": name, "rows": [one], "source": SOURCE}))
        found += len(",".join(map(str, one.values())))
    return found


def row(name: str, number: int) -> dict[str, object]:
    """As found in a photograph, drawn at random: figures that nothing can be guessed from."""
    draw = random.Random(number)
    x0, y0, label = draw.randrange(200), draw.randrange(150), draw.randrange(1000)
    return {"image": name, "width": 500, "height": 375, "rank": 1, "label": label, "name": f"class {label}",
            "score": round(draw.random(), 3), "x0": x0, "y0": y0, "x1": draw.randrange(x0 + 50, 500),
            "y1": draw.randrange(y0 + 50, 375), "tau": round(draw.random(), 4), "error": ""}  # fmt: skip


MEASURES = {
    "names and places, a temporary file": images_listed,
    "which images are finished, the same": images_finished,
    "the list in Ray's object store": batches_sent,
    "rows as Parquet": rows_written,
    "without Ray: the journal and boxes.csv": journal_lines,
}

if __name__ == "__main__":
    main()
