"""Images that are broken behind their headers, and those that only look so."""

import io
import os
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from camkit.data import load_image
from camkit.data.jpeg import MAX_SCANS
from camkit.data.pillow import one_at_a_time
from camkit.errors import UnreadableImage

ROWS, COLUMNS = np.mgrid[:96, :128]
PICTURE = np.stack([ROWS * 2, COLUMNS, 127 + 100 * np.sin(ROWS / 9) * np.cos(COLUMNS / 7)], 2).astype(np.uint8)
END = b"\xff\xd9"
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "damaged_images.py"


@pytest.fixture(autouse=True)
def nothing_on_the_screen(capfd):
    """No test here may print, whatever decoder is at work, nor warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr() == ("", "")


def encoded(kind="JPEG", image=None, **options):
    stream = io.BytesIO()
    (image or Image.fromarray(PICTURE)).save(stream, kind, **options)
    return stream.getvalue()


def pixels(data, **options):
    return load_image(data, **options).pixels.permute(1, 2, 0).numpy()


def leniently(data):
    """As Pillow reads what is cut, when it is told to."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        return np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def refused(data, words="damaged", **options):
    with pytest.raises(UnreadableImage, match=words) as error:
        load_image(data, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def declaring(data, width, height):
    """A JPEG whose header speaks of another size."""
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]


def test_a_small_jpeg_that_declares_100_megapixels_and_holds_none_of_them():
    data = declaring(encoded(image=Image.new("RGB", (16, 16), "red")), 10_000, 10_000)
    assert len(data) < 2000
    begun = time.perf_counter()
    assert "--truncated fill" in refused(data, r"damaged: \d+ bytes cannot hold the 100000000 pixels")
    refused(data, r"10000 x 10000 pixels are more.*--max-pixels 100000000", max_pixels=10**8 - 1)
    assert time.perf_counter() - begun < 2
    small = declaring(encoded(image=Image.new("RGB", (16, 16), "red")), 160, 160)
    refused(small, "damaged: .*premature end")
    filled = load_image(small, truncated="fill")
    assert filled.pixels.shape == (3, 160, 160)
    assert "premature end" in filled.damage


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_whose_end_is_in_the_wrong_place(mode, options):
    data = encoded(image=Image.fromarray(PICTURE).convert(mode), **options)
    for share in (0.4, 0.7, 0.95):
        cut = data[: int(len(data) * share)]
        for damaged in (cut, cut + END):
            refused(damaged)
            filled = load_image(damaged, truncated="fill")
            assert filled.damage
            np.testing.assert_array_equal(filled.pixels.permute(1, 2, 0), leniently(damaged))


def test_what_is_there_of_a_cut_jpeg_is_read():
    data = encoded(quality=95)
    whole, filled = pixels(data), pixels(data[: len(data) * 3 // 4], truncated="fill")
    np.testing.assert_array_equal(filled[:48], whole[:48])
    assert (filled[-8:] == filled[-1, -1]).all()


def test_bytes_that_are_left_over_take_nothing_from_a_jpeg():
    data = encoded()
    for around in (data[:-2] + b"left over" + END, data + b"behind the end", data[:-2] + END + data):
        read = load_image(around)
        assert read.damage is None
        np.testing.assert_array_equal(read.pixels.permute(1, 2, 0), pixels(data))


def test_the_emptiest_of_photographs_is_one():
    for options in ({}, {"progressive": True}, {"optimize": True}):
        for mode in ("L", "RGB", "CMYK"):
            data = encoded(image=Image.new(mode, (4096, 4096)), quality=1, **options)
            assert load_image(data).damage is None


def test_a_jpeg_with_more_scans_than_a_photograph():
    data = encoded(progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert "scans" in refused(data[:-2] + scan * MAX_SCANS + END, "more than 500")


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def spoiled(data, at):
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


def test_what_a_png_does_not_need_is_not_looked_at():
    data = encoded("PNG")
    compressed = b"note\0\0" + zlib.compress(bytes(200_000_000))  # more than Pillow takes of a comment
    for extra in (
        chunk(b"tEXt", b"note\0" + b"a" * 2_000_000),
        chunk(b"zTXt", compressed),
        chunk(b"iCCP", b"nonsense"),
        chunk(b"eXIf", b"nonsense"),
        spoiled(chunk(b"tEXt", b"note\0hello"), -1),
        spoiled(chunk(b"gAMA", struct.pack(">I", 45455)), -1),
        chunk(b"acTL", b"nonsense"),
    ):
        read = load_image(data[:33] + extra + data[33:])
        assert read.damage is None
        np.testing.assert_array_equal(read.pixels.permute(1, 2, 0), PICTURE)
    np.testing.assert_array_equal(pixels(spoiled(data, -1)), PICTURE)  # of IEND, which has no content


def test_what_a_png_needs_is_held_against_its_checksum():
    data = encoded("PNG")
    inside = data.index(b"IDAT") + 40
    assert "'IDAT'" in refused(spoiled(data, inside), "checksum")
    assert load_image(spoiled(data, inside), truncated="fill").damage
    assert "'IHDR'" in refused(spoiled(data, 30), "checksum")
    palette = encoded("PNG", Image.fromarray(PICTURE).quantize(16))
    assert "'PLTE'" in refused(spoiled(palette, palette.index(b"PLTE") + 6), "checksum")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "PPM"])
def test_what_is_there_of_other_cut_images_is_read(kind):
    data = encoded(kind, **({"interlace": 0} if kind == "GIF" else {}))
    whole, cut = pixels(data), data[: len(data) * 6 // 10]
    refused(cut)
    filled = load_image(cut, truncated="fill")
    assert filled.damage
    half = slice(-30, None) if kind == "BMP" else slice(0, 30)  # whose last row comes first
    np.testing.assert_array_equal(filled.pixels.permute(1, 2, 0)[half], whole[half])


def test_nothing_is_left_of_some():
    for data in (encoded("WEBP")[:200], encoded("PNG")[:30], encoded()[:300]):
        assert "fill" not in refused(data, "replace the file", truncated="fill")


def test_leniency_is_for_one_thread():
    cut, found = encoded("BMP")[:20_000], []

    def another():
        try:
            found.append(Image.open(io.BytesIO(cut)).load())
        except OSError as error:
            found.append(str(error))

    with one_at_a_time(fill=True):
        thread = threading.Thread(target=another)
        thread.start()
        thread.join()
        Image.open(io.BytesIO(cut)).load()
    assert "truncated" in found[0]
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_what_libtiff_prints_is_the_reason():
    data = bytearray(encoded("TIFF", compression="tiff_lzw"))
    data[100:400] = bytes(300)
    assert "LZWDecode" in refused(bytes(data)) or "code" in refused(bytes(data))


@pytest.mark.skipif(os.environ.get("CAMKIT_REAL") is None, reason="CAMKIT_REAL names no folder of real photographs")
def test_the_photograph_of_cub_that_is_cut():
    (file,) = Path(os.environ["CAMKIT_REAL"], "cub-10", "images").rglob("Red_Winged_Blackbird_0109_4454.jpg")
    refused(file, "Red_Winged_Blackbird_0109_4454.*Premature end")
    filled = load_image(file, truncated="fill")
    assert filled.damage
    np.testing.assert_array_equal(filled.pixels.permute(1, 2, 0), leniently(file.read_bytes()))


def test_hundreds_of_damaged_images():
    done = subprocess.run(
        [sys.executable, BENCHMARK, "--images", "210", "--seed", "7"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {line[:20].strip(): int(line[20:]) for line in done.stdout.splitlines()[:5]}
    assert counts["fail: image"] + counts["fail: refused"] == 210
    assert counts["fail: image"] == counts["fill: image"]
    assert min(counts["fail: image"], counts["fill: filled"]) > 20
