"""Maps that other tools left, whatever became of them."""

import io
import os
import pickle
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import Image

from camkit.data import MapFolder, Record, map_files
from camkit.errors import CamkitError

MAP = np.arange(12, dtype=np.float32).reshape(3, 4)


class Runs:
    """Would leave a trace if it were unpickled."""

    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def maps_of(folder, content, suffix=".npy"):
    (folder / f"a{suffix}").write_bytes(content)
    return MapFolder(folder, [Record("a.jpg", bytes)])


def refused(folder, content, words, suffix=".npy"):
    with pytest.raises(CamkitError, match=words) as error:
        maps_of(folder, content, suffix).read("a.jpg")
    assert "\n" not in str(error.value)
    assert f"a{suffix}" in str(error.value)


def saved(array, save=np.save, **options):
    file = io.BytesIO()
    save(file, array, **options)
    return file.getvalue()


def header(shape, kind="<f4"):
    file = io.BytesIO()
    npy.write_array_header_2_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float16", ">f8", "longdouble"])
def test_numbers_of_every_kind(tmp_path, kind):
    array = (MAP > 5) if kind == "bool" else MAP.astype(kind)
    for content, suffix in ((saved(array), ".npy"), (saved(array, np.savez), ".npz"),
                            (saved(np.asfortranarray(array)), ".npy")):  # fmt: skip
        np.testing.assert_array_equal(maps_of(tmp_path, content, suffix).read("a.jpg"), array.astype(float))
        (tmp_path / f"a{suffix}").unlink()


def test_grey_pictures(tmp_path):
    eight, sixteen = MAP.astype(np.uint8) * 20, MAP.astype(np.uint16) * 5000
    for values in (eight, sixteen, MAP > 5):
        content = saved(Image.fromarray(values), lambda file, image: image.save(file, "PNG"))
        read = maps_of(tmp_path, content, ".png").read("a.jpg")
        np.testing.assert_array_equal(read > 0, values > 0)
        np.testing.assert_array_equal(np.diff(read.ravel()) >= 0, True)
    refused(tmp_path, content[:-20], "cannot be read as a map", ".png")
    at = content.index(b"IDAT") + 6
    refused(tmp_path, content[:at] + b"!" + content[at + 1 :], "checksum", ".png")
    refused(tmp_path, b"\xff\xd8\xff\xe0 a photograph", "no PNG", ".png")
    colours = saved(Image.new("RGB", (4, 3)), lambda file, image: image.save(file, "PNG"))
    refused(tmp_path, colours, "RGB, not grey", ".png")


def test_nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.array([[Runs()]], dtype=object)
    refused(tmp_path, saved(objects, allow_pickle=True), "type object; a map is numbers")
    (tmp_path / "a.npy").unlink()
    refused(tmp_path, saved(objects, np.savez, allow_pickle=True), "type object; a map is numbers", ".npz")
    (tmp_path / "a.npz").unlink()
    refused(tmp_path, pickle.dumps(Runs()), "cannot be read as a map")
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (saved(MAP[0]), r"shape \(4,\)"),
        (saved(MAP[None]), r"shape \(1, 3, 4\)"),
        (saved(np.float32(1)), r"shape \(\)"),
        (saved(MAP[:0]), r"shape \(0, 4\)"),
        (saved(MAP.astype(complex)), "type complex"),
        (saved(MAP.astype(str)), "type <U"),
        (saved(MAP.astype([("x", "f4")])), r"type \[\('x'"),
        (saved(np.where(MAP > 3, np.nan, MAP)), "8 of its 12 values are NaN"),
        (saved(MAP / 0.0 if False else np.where(MAP > 10, np.inf, MAP)), "1 of its 12 values"),
        (saved(MAP)[:-7], "cannot be read as a map"),
        (saved(MAP)[:20], "cannot be read as a map"),
        (b"", "cannot be read as a map"),
        (header((1 << 20, 1 << 20)), "1048576 x 1048576 values are more than"),
        (header((10**9, 10**9)) + bytes(99), "more than"),
        (b"\x93NUMPY\x03\0" + saved(MAP)[8:], "format 3.0"),
    ],
)
def test_what_is_no_map(tmp_path, content, words):
    refused(tmp_path, content, words)


def test_archives_that_hold_something_else(tmp_path):
    refused(tmp_path, zipped(a=saved(MAP), b=saved(MAP)), "holds 2 arrays", ".npz")
    refused(tmp_path, zipped(), "holds 0 arrays", ".npz")
    refused(tmp_path, zipped(a=b"text"), "cannot be read as a map", ".npz")
    refused(tmp_path, zipped(a=saved(MAP))[:-30], "cannot be read as a map", ".npz")
    bomb = zipped(a=header((30_000, 30_000), "|u1") + bytes(10**8))
    assert len(bomb) < 200_000
    refused(tmp_path, bomb, "30000 x 30000 values are more than 100000000", ".npz")


def test_litter_links_and_pipes_are_no_maps(tmp_path):
    (tmp_path / "maps").mkdir()
    np.save(tmp_path / "maps" / "a.npy", MAP)
    (tmp_path / "maps" / "._a.npy").write_bytes(b"resource fork")
    (tmp_path / "maps" / "again").symlink_to(tmp_path / "maps")
    os.mkfifo(tmp_path / "maps" / "b.npy")
    folder = MapFolder(tmp_path / "maps", [Record("a.jpg", bytes), Record("b.jpg", bytes)])
    np.testing.assert_array_equal(folder.read("a.jpg"), MAP)
    with pytest.raises(CamkitError, match="no map for it"):
        folder.read("b.jpg")
    assert folder.unread() == 0


def test_headers_are_parsed_one_at_a_time(tmp_path, monkeypatch):
    """Python 3.11's parser fails now and then where two threads parse at once: a whole map would be a failure."""
    inside, most, parse = [], [], map_files.HEADERS[1, 0]

    def slowly(file):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        found = parse(file)
        inside.pop()
        return found

    monkeypatch.setitem(map_files.HEADERS, (1, 0), slowly)
    maps = maps_of(tmp_path, saved(MAP))
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: maps.read("a.jpg"), range(8)))
    assert all(one.tolist() == MAP.tolist() for one in found)
    assert most == [1] * 8
