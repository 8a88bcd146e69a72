"""Read damaged images: each must be an image or a named reason, in time, and without a word on the screen.

    python benchmarks/damaged_images.py --images 2000 --seed 0

Each of small JPEG, PNG, TIFF, WebP, GIF, BMP and PPM files is cut, has bits turned over, blocks of zeros or of noise
written over it, a block taken out or doubled, or the header of another kind put in its place. Beside every one a whole
file is read, which must give its own pixels. The reader is another process, so that a crash or a hang is seen.
"""

import argparse
import io
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from camkit.data import load_image
from camkit.errors import UnreadableImage

Rng = np.random.Generator
Damage = Callable[[bytes, Rng], bytes]

HANGS = 20.0  # seconds for one small image


@lru_cache
def whole_images() -> dict[str, bytes]:
    """A small image in every kind of file, by the name of the kind."""
    rows, columns = np.mgrid[:96, :128]
    picture = np.stack([rows * 2, columns, 127 + 100 * np.sin(rows / 9) * np.cos(columns / 7)], 2).astype(np.uint8)
    colour, exif = Image.fromarray(picture), Image.Exif()
    exif[0x0112] = 6
    kinds: dict[str, tuple[Image.Image, str, dict[str, object]]] = {
        "jpeg": (colour, "JPEG", {"exif": exif}),
        "jpeg progressive": (colour, "JPEG", {"progressive": True}),
        "jpeg restart": (colour.convert("L"), "JPEG", {"restart_marker_rows": 1}),
        "jpeg cmyk": (colour.convert("CMYK"), "JPEG", {}),
        "png": (colour, "PNG", {"exif": exif}),
        "png palette": (colour.quantize(16), "PNG", {"transparency": 3}),
        "tiff": (colour, "TIFF", {"tiffinfo": {0x0112: 6}}),
        "tiff lzw": (colour, "TIFF", {"compression": "tiff_lzw"}),
        "tiff deflate": (colour, "TIFF", {"compression": "tiff_deflate"}),
        "tiff jpeg": (colour, "TIFF", {"compression": "jpeg"}),
        "webp": (colour, "WEBP", {}),
        "webp lossless": (colour, "WEBP", {"lossless": True}),
        "gif": (colour, "GIF", {"save_all": True, "append_images": [colour.rotate(90)]}),
        "bmp": (colour, "BMP", {}),
        "ppm": (colour, "PPM", {}),
    }
    return {name: _encoded(*kind) for name, kind in kinds.items()}


def _encoded(image: Image.Image, kind: str, options: dict[str, object]) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _cut(content: bytes, rng: Rng) -> bytes:
    return content[: rng.integers(len(content))]


def _flip(content: bytes, rng: Rng) -> bytes:
    damaged = np.frombuffer(content, np.uint8).copy()
    damaged[rng.integers(len(damaged), size=rng.integers(1, 20))] ^= np.uint8(1 << rng.integers(8))
    return damaged.tobytes()


def _flip_header(content: bytes, rng: Rng) -> bytes:
    return _flip(content[:200], rng) + content[200:]


def _overwrite(content: bytes, rng: Rng) -> bytes:
    start, length = rng.integers(len(content)), rng.integers(1, 600)
    block = bytes(length) if rng.integers(2) else rng.bytes(length)
    return content[:start] + block + content[start + length :]


def _take_out(content: bytes, rng: Rng) -> bytes:
    start, length = rng.integers(len(content)), rng.integers(1, 600)
    return content[:start] + content[start + length :]


def _double(content: bytes, rng: Rng) -> bytes:
    start, length = rng.integers(len(content)), rng.integers(1, 600)
    return content[: start + length] + content[start:]


def _swap_header(content: bytes, rng: Rng) -> bytes:
    others = list(whole_images().values())
    length = rng.integers(2, 64)
    return others[rng.integers(len(others))][:length] + content[length:]


DAMAGES: tuple[Damage, ...] = (_cut, _flip, _flip_header, _overwrite, _take_out, _double, _swap_header)


def damaged_images(count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """So many damaged files, each with the name of what it was and of what was done to it."""
    rng, sources = np.random.default_rng(seed), list(whole_images().items())
    for index in range(count):
        name, content = sources[index % len(sources)]
        damage = DAMAGES[index // len(sources) % len(DAMAGES)]
        yield f"{name},{damage.__name__.replace('_', ' ')}", damage(content, rng)


def reading(content: bytes, truncated: str) -> str:
    """What reading gives: "image", "filled", or "refused: " and the reason."""
    try:
        pixels, damage = load_image(content, 10**7, truncated=truncated)  # type: ignore[arg-type]
    except UnreadableImage as error:
        return f"refused: {error}"
    assert pixels.dtype == torch.uint8
    assert pixels.shape[0] == 3
    return "filled" if damage else "image"


def _worker(connection: "multiprocessing.connection.Connection", screen: str) -> None:
    file = os.open(screen, os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    warnings.simplefilter("always")
    while (job := connection.recv()) is not None:
        connection.send(reading(*job))


def read_all(count: int, seed: int) -> tuple[Counter[str], list[str], float]:
    """How often each outcome came, what went wrong, and the longest time that one image took."""
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    longest = 0.0
    whole = list(whole_images().values())
    untouched = [load_image(content).pixels for content in whole]
    with tempfile.TemporaryDirectory() as folder:
        screen = Path(folder, "screen")
        screen.touch()
        process, connection = _reader(str(screen))
        for index, (name, content) in enumerate(damaged_images(count, seed)):
            for truncated in ("fail", "fill"):
                begun = time.perf_counter()
                connection.send((content, truncated))
                try:
                    outcome = connection.recv() if connection.poll(HANGS) else "hangs"
                except EOFError:
                    outcome = "crashes"
                longest = max(longest, time.perf_counter() - begun)
                if outcome in ("hangs", "crashes"):
                    wrong.append(f"{name}: {outcome}")
                    process.kill()
                    process, connection = _reader(str(screen))
                if "\n" in outcome:
                    wrong.append(f"{name}: more than one line: {outcome!r}")
                outcomes[f"{truncated}: {outcome.partition(':')[0]}"] += 1
            beside = index % len(whole)
            if not torch.equal(load_image(whole[beside]).pixels, untouched[beside]):
                wrong.append(f"{name}: the whole image beside it has changed")
        connection.send(None)
        process.join()
        if screen.stat().st_size:
            wrong.append(f"on the screen: {screen.read_text(errors='replace')[:500]!r}")
    return outcomes, wrong, longest


def _reader(screen: str) -> tuple[multiprocessing.Process, "multiprocessing.connection.Connection"]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_worker, args=(there, screen), daemon=True)
    process.start()
    there.close()
    return process, here


def main() -> None:
    """Read, count, and say what went wrong; exit status 1 if anything did."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.perf_counter()
    outcomes, wrong, longest = read_all(options.images, options.seed)
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome:20} {count}")
    print(f"{time.perf_counter() - begun:.1f} s, the slowest image {longest:.2f} s; {len(wrong)} went wrong")
    print("\n".join(wrong[:20]))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
