"""Every kind of pixels as 8-bit RGB, or refused with the reason; TIFF files are made byte by byte."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from camkit.data import pixels as strips
from camkit.data import read_image
from camkit.errors import UnreadableImage

LEVELS = np.array([[0, 257, 32768, 65535]], np.uint16)
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def tiff(values, bits, photometric, sample_format=UNSIGNED, width=None):
    """A grey TIFF, 6.0, of one strip."""
    content = values.tobytes()
    tags = {256: width or values.shape[1], 257: values.shape[0], 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1,
            278: values.shape[0], 279: len(content), 339: sample_format}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II" + struct.pack("<HI", 42, 8 + len(content)) + content + directory


def grey(data):
    image = read_image(data)
    assert (image == image[0]).all()
    return image[0].tolist()


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_grey_of_every_depth_whatever_zero_means():
    eight = np.array([[0, 1, 128, 255]], np.uint8)
    twelve = np.frombuffer(bytes([0x00, 0x05, 0x55, 0xAA, 0xAF, 0xFF]), np.uint8)[None]  # 0, 1365, 2730, 4095
    one = np.array([[0b10100000]], np.uint8)
    assert grey(tiff(LEVELS, 16, 1)) == [[0, 1, 128, 255]]
    assert grey(tiff(LEVELS, 16, 0)) == [[255, 254, 127, 0]]
    assert grey(tiff(eight, 8, 1)) == [[0, 1, 128, 255]]
    assert grey(tiff(eight, 8, 0)) == [[255, 254, 127, 0]]
    assert grey(tiff(twelve, 12, 1, width=4)) == [[0, 85, 170, 255]]
    assert grey(tiff(one, 1, 1, width=4)) == [[255, 0, 255, 0]]
    assert grey(tiff(one, 1, 0, width=4)) == [[0, 255, 0, 255]]


@pytest.mark.parametrize(
    ("values", "bits", "sample_format", "words"),
    [
        (LEVELS.astype(np.uint32), 32, UNSIGNED, "32 bits.*save it as 16-bit"),
        (LEVELS.astype(np.int32), 32, SIGNED, "signed.*save it as 16-bit"),
        (LEVELS, 16, SIGNED, "signed"),
        (LEVELS.astype(np.uint8), 8, SIGNED, "signed"),
        (LEVELS.astype(np.float32), 32, FLOAT, "floating-point.*save it as 16-bit"),
        (LEVELS.astype(np.float64), 64, FLOAT, "TIFF whose kind of pixels"),
    ],
)
def test_values_without_a_white_are_refused(values, bits, sample_format, words):
    with pytest.raises(UnreadableImage, match=words):
        read_image(tiff(values, bits, 1, sample_format))


def test_a_grey_value_that_is_transparent():
    data = encoded(Image.fromarray(LEVELS), "PNG", transparency=257)
    assert grey(data) == [[0, 255, 128, 255]]


def test_large_images_are_converted_in_strips_to_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 256, (23, 17, 4), np.uint8))
    sixteen = Image.fromarray(rng.integers(0, 65536, (23, 17), np.uint16))
    palette = rgba.convert("RGB").quantize(16)
    files = [encoded(rgba, "PNG"), encoded(sixteen, "PNG"), encoded(palette, "GIF", transparency=2),
             encoded(rgba.convert("CMYK"), "JPEG"), encoded(rgba.convert("CMYK"), "TIFF")]  # fmt: skip
    whole = [read_image(data) for data in files]
    for pixels in (1, 40, 17 * 5):
        monkeypatch.setattr(strips, "STRIP", pixels)
        assert all((read_image(data) == image).all() for data, image in zip(files, whole, strict=True))


def test_inks_are_inverted_as_adobe_has_them():
    """Both with Adobe's marker and without it files hold 255 for no ink, and every viewer takes them so."""
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0] = 255
    data = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    at = data.index(b"\xff\xee")
    without = data[:at] + data[at + 2 + struct.unpack_from(">H", data, at + 2)[0] :]
    for file in (data, without):
        assert np.abs(read_image(file)[:, 8, 8].numpy().astype(int) - [0, 255, 255]).max() <= 3


def test_several_pictures_in_one_file_are_its_first():
    for kind in ("MPO", "TIFF", "PNG"):
        frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.abs(read_image(data)[:, 8, 8].numpy().astype(int) - [255, 0, 0]).max() <= 3
