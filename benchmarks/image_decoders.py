"""Time and memory of reading images: decoders of JPEG on a folder of photographs, and bytes a pixel of large files.

    python benchmarks/image_decoders.py --images photographs/

Decoders that are not installed are left out. Times are of this process on one core, the least of several rounds. Peak
memory is of a process of its own for each kind of file, less what it took before, for reading and for reading and
preprocessing.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from camkit.data import Preprocess, find_images, read_image
from camkit.errors import UnreadableImage
from camkit.input_spec import InputSpec

ROUNDS = 5
SIDE = 4000
LARGE: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG": ("JPEG", {}),
    "JPEG, progressive": ("JPEG", {"progressive": True}),
    "JPEG, turned": ("JPEG", {"turned": True}),
    "JPEG, CMYK": ("JPEG", {"mode": "CMYK"}),
    "PNG": ("PNG", {"compress_level": 1}),
    "PNG, transparent": ("PNG", {"mode": "RGBA", "compress_level": 1}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "BMP": ("BMP", {}),
    "WebP": ("WEBP", {}),
}


def torch_decoder(module: str, encoded: bytes) -> Any:
    """The decoder of torchvision or TorchCodec, whose calls are alike."""
    return import_module(module).decode_jpeg(torch.frombuffer(bytearray(encoded), dtype=torch.uint8), mode="RGB")


def by_pillow(encoded: bytes) -> Any:
    return torch.from_numpy(np.array(Image.open(io.BytesIO(encoded)).convert("RGB"))).permute(2, 0, 1)


def by_simplejpeg(encoded: bytes) -> Any:
    return torch.from_numpy(import_module("simplejpeg").decode_jpeg(encoded)).permute(2, 0, 1)


DECODERS: dict[str, Callable[[bytes], Any]] = {
    "simplejpeg": by_simplejpeg,
    "torchvision": partial(torch_decoder, "torchvision.io"),
    "TorchCodec": partial(torch_decoder, "torchcodec.decoders"),
    "Pillow": by_pillow,
    "camkit.data.read_image": read_image,
}


def times(folder: str) -> None:
    """Milliseconds an image of every decoder, and whether its pixels are simplejpeg's."""
    whole = []
    for file in find_images(folder):
        content = file.path.read_bytes()
        try:
            read_image(content)
        except UnreadableImage as error:
            print(f"left out: {error}")
        else:
            whole.append(content)
    sizes = [read_image(content).shape[1:].numel() for content in whole]
    print(f"{len(whole)} images, {sum(sizes) / len(sizes) / 1e6:.2f} megapixels each")
    usable = {}
    for name, decode in DECODERS.items():
        try:
            decode(whole[0])
        except (ImportError, RuntimeError, AttributeError) as error:
            print(f"{name} cannot be used: {str(error).splitlines()[0]:.80}")
        else:
            usable[name] = decode
    spent: dict[str, list[float]] = {name: [] for name in usable}
    for _ in range(ROUNDS):
        for name, decode in usable.items():
            begun = time.process_time()
            for content in whole:
                decode(content)
            spent[name].append(time.process_time() - begun)
    for name, decode in usable.items():
        same = sum(torch.equal(decode(content), by_simplejpeg(content)) for content in whole)
        print(f"{name:24} {1000 * min(spent[name]) / len(whole):6.2f} ms an image, {same} of {len(whole)} the same")


def large_file(kind: str, path: Path) -> None:
    """A file of SIDE x SIDE pixels."""
    format_, options = LARGE[kind]
    options = dict(options)
    blocks = np.random.default_rng(0).integers(0, 256, (SIDE // 40, SIDE // 40, 3), np.uint8)
    image = Image.fromarray(blocks).resize((SIDE, SIDE), Image.Resampling.NEAREST).convert(options.pop("mode", "RGB"))
    if options.pop("turned", False):
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    image.save(path, format_, **options)


def peak() -> int:
    """Bytes that this process has taken at most (Linux)."""
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return 1024 * int(status["VmHWM"].split()[0])


def memory_of(path: str) -> None:
    """Bytes a pixel of reading one file, and with preprocessing."""
    before = peak()
    image = read_image(path)
    read = peak() - before
    Preprocess(InputSpec())(image)
    print(f"{read / SIDE**2:5.1f} bytes a pixel to read, {(peak() - before) / SIDE**2:5.1f} with preprocessing")


def main() -> None:
    """Time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", help="A folder of JPEG files.")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # torchvision's, that it is deprecated
    torch.set_num_threads(1)
    if options.memory_of:
        memory_of(options.memory_of)
        return
    if options.images:
        times(options.images)
    with tempfile.TemporaryDirectory() as folder:
        for kind in LARGE:
            path = Path(folder, "large")
            large_file(kind, path)
            done = subprocess.run([sys.executable, __file__, "--memory-of", path], capture_output=True, text=True,
                                  check=True)  # fmt: skip
            print(f"{kind:20} {done.stdout.strip()}")


if __name__ == "__main__":
    main()
