import ast
import io
import os
import struct
import subprocess
import sys
import time
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from camkit.data import find_images, read_image, read_size
from camkit.errors import CamkitError, UnreadableImage

# Upright, 2 x 3, every pixel different.
PIXELS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[255, 255, 0], [0, 255, 255], [9, 8, 7]]], np.uint8)

# How a camera stores an upright picture for each orientation, spelled out for A B C above D E F.
STORED = {
    1: ["ABC", "DEF"],
    2: ["CBA", "FED"],
    3: ["FED", "CBA"],
    4: ["DEF", "ABC"],
    5: ["AD", "BE", "CF"],
    6: ["CF", "BE", "AD"],
    7: ["FC", "EB", "DA"],
    8: ["DA", "EB", "FC"],
}


def rgb(tensor):
    assert tensor.dtype == torch.uint8
    assert tensor.shape[0] == 3
    return tensor.permute(1, 2, 0).numpy()


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def one_line(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def oriented(orientation):
    letters = dict(zip("ABCDEF", PIXELS.reshape(-1, 3), strict=True))
    stored = np.array([[letters[letter] for letter in row] for row in STORED[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return stored, exif


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_orientation_of_every_kind_of_file(orientation, kind):
    stored, exif = oriented(orientation)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(stored), kind, exif=exif, **options)
    np.testing.assert_array_equal(rgb(read_image(data)), PIXELS)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_deflate", "packbits"])
def test_tiff_upright_and_as_stored(orientation, compression):
    stored, _ = oriented(orientation)
    data = encoded(Image.fromarray(stored), "TIFF", tiffinfo={0x0112: orientation}, compression=compression)
    np.testing.assert_array_equal(rgb(read_image(data)), PIXELS)
    np.testing.assert_array_equal(rgb(read_image(data, upright=False)), stored)
    assert read_size(data, "x") == (2, 3)
    assert read_size(data, "x", upright=False) == stored.shape[:2]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_sizes_are_those_of_the_pixels(orientation, kind):
    stored, exif = oriented(orientation)
    data = encoded(Image.fromarray(stored), kind, exif=exif)
    for upright in (True, False):
        assert read_size(data, "x", upright=upright) == read_image(data, upright=upright).shape[1:]
    assert read_size(data, "x", upright=False) == stored.shape[:2]


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_orientation_of_jpeg_by_both_decoders(orientation, mode):
    stored, exif = oriented(orientation)
    blocks = np.kron(stored, np.ones((16, 16, 1), np.uint8))
    image = Image.fromarray(blocks).convert(mode)
    out = rgb(read_image(encoded(image, "JPEG", quality=100, subsampling=0, exif=exif)))
    assert out.shape == (32, 48, 3)
    assert np.abs(out[8::16, 8::16].astype(int) - PIXELS).max() <= 6


def test_orientation_behind_another_application_block():
    stored, exif = oriented(6)
    data = encoded(Image.fromarray(np.kron(stored, np.ones((16, 16, 1), np.uint8))), "JPEG", exif=exif)
    note = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + data[2:]
    assert read_image(data).shape == (3, 32, 48)


def test_a_broken_exif_block_costs_nothing():
    blocks = np.kron(PIXELS, np.ones((16, 16, 1), np.uint8))
    broken = b"Exif\0\0II*\0\xff\xff\xff\x7f"
    assert read_image(encoded(Image.fromarray(blocks), "JPEG", exif=broken)).shape == (3, 32, 48)
    assert read_image(encoded(Image.fromarray(PIXELS), "PNG", exif=b"Exif\0\0nonsense")).shape == (3, 2, 3)


def test_both_decoders_of_jpeg_agree():
    noise = np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8)
    colour = Image.fromarray(noise)
    for image in (colour, colour.convert("L"), colour.convert("CMYK")):
        for options in ({}, {"progressive": True}, {"subsampling": 2}):
            data = encoded(image, "JPEG", **options)
            slow = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
            np.testing.assert_array_equal(rgb(read_image(data)), slow)


def test_16_bit_grey_is_scaled_not_clipped():
    levels = np.array([[0, 128, 129, 257, 32768, 65535]], np.uint16)
    out = rgb(read_image(encoded(Image.fromarray(levels))))
    np.testing.assert_array_equal(out, np.array([[[v] * 3 for v in (0, 0, 1, 1, 128, 255)]]))
    np.testing.assert_array_equal(rgb(read_image(encoded(Image.fromarray(levels), "TIFF"))), out)
    np.testing.assert_array_equal(rgb(read_image(b"P5 6 1 65535\n" + levels.astype(">u2").tobytes())), out)


def test_grey_values_without_a_white_are_refused():
    for values in (np.array([[0, 70000]], np.int32), np.array([[0.5, 1.0]], np.float32), np.array([[0, 7]], np.int32)):
        with pytest.raises(UnreadableImage, match="save it as 16-bit"):
            read_image(encoded(Image.fromarray(values), "TIFF"))


def test_black_and_white_grey_palette():
    bits = np.array([[True, False, True]])
    np.testing.assert_array_equal(rgb(read_image(encoded(Image.fromarray(bits))))[0, :, 0], [255, 0, 255])
    grey = np.array([[0, 77, 255]], np.uint8)
    np.testing.assert_array_equal(rgb(read_image(encoded(Image.fromarray(grey)))), np.repeat(grey[..., None], 3, 2))
    palette = Image.fromarray(PIXELS).quantize(6)
    np.testing.assert_array_equal(rgb(read_image(encoded(palette))), PIXELS)


def test_transparency_is_composited_over_white():
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    over_white = [[[255, 0, 0], [255, 255, 255], [127, 127, 127]]]
    np.testing.assert_array_equal(rgb(read_image(encoded(Image.fromarray(rgba)))), over_white)
    la = Image.fromarray(np.array([[[0, 255], [0, 0], [0, 128]]], np.uint8))
    np.testing.assert_array_equal(rgb(read_image(encoded(la)))[0, :, 0], [0, 255, 127])
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    for transparency in (1, b"\xff\x00"):
        out = rgb(read_image(encoded(palette, transparency=transparency)))
        np.testing.assert_array_equal(out, [[[10, 20, 30], [255, 255, 255]]])
    keyed = encoded(Image.fromarray(PIXELS), transparency=(9, 8, 7))
    np.testing.assert_array_equal(rgb(read_image(keyed))[1, 2], [255, 255, 255])


def test_cmyk():
    inks = np.zeros((16, 32, 4), np.uint8)
    inks[:, 16:, 1:3] = 255  # magenta and yellow make red; no ink is white
    out = rgb(read_image(encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)))
    assert np.abs(out[8, 8].astype(int) - [255, 255, 255]).max() <= 4
    assert np.abs(out[8, 24].astype(int) - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_the_first_frame_of_an_animation(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    assert (rgb(read_image(data)) == [255, 0, 0]).all()


def test_no_image_is_one_line(tmp_path):
    text = tmp_path / "letter.jpg"
    text.write_text("Dear reader,\nthis is no photograph.\n" * 20)
    empty = tmp_path / "empty\n.png"
    empty.touch()
    with pytest.raises(UnreadableImage) as error:
        read_image(text)
    assert "letter.jpg" in one_line(error)
    assert "JPEG" in one_line(error)
    with pytest.raises(UnreadableImage, match="empty") as error:
        read_image(empty)
    assert "empty\\n.png" in one_line(error)
    with pytest.raises(UnreadableImage, match=r"nowhere.*No such file"):
        read_image(tmp_path / "nowhere.jpg")
    with pytest.raises(UnreadableImage, match="not a file"):
        read_image(tmp_path)
    with pytest.raises(UnreadableImage, match="null"):
        read_image("a\0.jpg")
    with pytest.raises(UnreadableImage, match=r"'n01/7\.JPEG'"):
        read_image(b"", name="n01/7.JPEG")


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UnreadableImage, match="not a file"):
        read_image(tmp_path / "pipe.jpg")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(encoded(Image.fromarray(PIXELS)))
    secret.chmod(0)
    with pytest.raises(UnreadableImage, match=r"secret\.png.*Permission denied"):
        read_image(secret)
    tmp_path.chmod(0)
    try:
        for spec in (tmp_path, secret, f"{tmp_path}/*.png"):
            with pytest.raises(CamkitError, match=r"rights|pattern"):
                find_images(spec)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_a_truncated_jpeg_is_an_error_wherever_it_is_cut(options):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG", **options)
    for length in [*range(1, len(data) - 2, 97), len(data) - 2]:
        with pytest.raises(UnreadableImage):
            read_image(data[:length])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_other_truncated_files_are_errors(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for length in range(1, len(data) * 9 // 10, len(data) // 20):
        with pytest.raises(UnreadableImage):
            read_image(data[:length])


def test_broken_bytes_give_pixels_or_one_line():
    noise = np.random.default_rng(0)
    image = Image.fromarray(noise.integers(0, 256, (24, 24, 3), np.uint8))
    messages = []
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM"):
        whole = np.frombuffer(encoded(image, kind), np.uint8)
        for _ in range(60):
            data = whole.copy()
            where = noise.integers(0, min(len(data), 400), 3)
            data[where] = noise.integers(0, 256, 3)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    pixels = read_image(data.tobytes(), max_pixels=10**6)
                except UnreadableImage as error:
                    messages.append(str(error))
                else:
                    assert pixels.dtype == torch.uint8
    assert messages
    assert not any("\n" in message for message in messages)


def huge_png(side):
    """A header that promises side x side pixels and has none."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + crc + struct.pack(">I", 0) + b"IDAT\x35\xaf\x06\x1e"


@pytest.mark.parametrize("side", [10_001, 12_000, 20_000])
def test_too_many_pixels_are_refused_from_the_header(side):
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImage, match=f"{side} x {side}.*--max-pixels {side * side}"):
            read_image(huge_png(side))
    assert time.perf_counter() - start < 1


def test_max_pixels_is_the_only_limit_and_pil_keeps_its_own(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    data = encoded(Image.fromarray(PIXELS))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(rgb(read_image(data, max_pixels=6)), PIXELS)
    with pytest.raises(UnreadableImage):
        read_image(data, max_pixels=5)
    assert Image.MAX_IMAGE_PIXELS == 4


def test_a_file_that_is_larger_than_any_image(tmp_path):
    with (tmp_path / "large.jpg").open("wb") as file:
        file.write(b"\xff\xd8\xff")
        file.truncate((1 << 26) + 8 * 10**6 + 1)  # sparse
    with pytest.raises(UnreadableImage, match="larger than 71 MiB"):
        read_image(tmp_path / "large.jpg", max_pixels=10**6)


LIMITED = """
import resource, sys
from pathlib import Path
from camkit.data import ImageDataset, Preprocess, find_images
from camkit.input_spec import InputSpec
images = ImageDataset(find_images(sys.argv[1]), Preprocess(InputSpec()))
images[0]
taken = next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmSize" in line)
resource.setrlimit(resource.RLIMIT_AS, (taken * 1024 + 100_000_000, -1))
print([images[index].error for index in range(len(images))])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory are Linux's")
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_an_image_that_memory_does_not_hold_fails_alone(tmp_path, kind):
    for name, size in {"a": (80, 60), "b": (7000, 7000), "c": (80, 60)}.items():
        Image.new("RGB", size).save(tmp_path / f"{name}.{kind.lower()}", kind)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path], capture_output=True, text=True, check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    first, large, last = ast.literal_eval(done.stdout)
    assert (first, last) == (None, None)
    assert "memory" in large
