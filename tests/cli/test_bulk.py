"""Results of long runs: overlays of some images, and maps that share files, whoever made them, killed or not."""

import csv
import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from commands import arguments, call, make_place, run
from PIL import Image

from camkit.cli import elsewhere
from camkit.data import MapFolder, Record, find_images
from camkit.data.map_shards import MapShards
from camkit.output.map_shards import write_shard
from camkit.report.maps import RunMaps
from camkit.report.runs import read_run

OPTIONS = ("--topk", "2", "--batch-size", "2", "--device", "cpu", "--save-maps", "--maps-per-file", "4",
           "--overlays", "3", "--formats", "csv,parquet")  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Twelve images, one of them damaged; a run over them, and one with a file of maps for each."""
    place = make_place(tmp_path_factory.mktemp("place"))
    rng = np.random.default_rng(1)
    for number in range(7):
        pixels = rng.integers(0, 255, (int(rng.integers(20, 60)), 50, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"photos/{number}.png")
    (place / "photos/3x.png").write_text("no picture")
    for name, more in (("one-by-one", ("--maps-per-file", "1", "--overlays", "all")), ("alone", ())):
        status, _, error = call(place, *OPTIONS, *more)
        assert status == 1, error
        (place / "out").rename(place / name)
    return place


def contents(folder):
    """Everything but what tells times, and names of files that start with a point."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "run.json"]
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if path.name[0] != "." or path.name.startswith(".pile")
    }


def test_shards_hold_what_files_of_their_own_hold(place):
    held = sorted(path.name for path in (place / "alone/maps").iterdir())
    assert held == ["shard-000000.npz", "shard-000001.npz", "shard-000002.npz"]
    kept = {}
    for name in held:
        with np.load(place / "alone/maps" / name) as archive:
            kept |= {image: archive[image] for image in archive.files}
    of_table = list(dict.fromkeys(row["image"] for row in table(place / "alone")))
    assert list(kept) == of_table
    for image in of_table:
        plain = image.removeprefix("./")
        np.testing.assert_array_equal(kept[image], np.load(place / f"one-by-one/maps/{plain}.npy"))
        assert kept[image].dtype == np.float32
        assert kept[image].shape[0] == 2
    assert len(np.load(place / "alone/maps/shard-000001.npz").files) == 3  # one of its four has failed


def table(out):
    """The rows of a run's boxes.csv."""
    return list(csv.DictReader((out / "boxes.csv").open(newline="")))


def test_overlays_of_some_images_evenly_spaced(place):
    images = names_in_order(place)
    chosen = [images[number * 12 // 3] for number in range(3)]
    drawn = {path for path in contents(place / "alone") if path.startswith("overlays/")}
    all_of_them = {path: content for path, content in contents(place / "one-by-one").items() if "overlays/" in path}
    stems = [image.removesuffix(".png") for image in chosen]
    assert drawn == {path for path in all_of_them if path.removeprefix("overlays/").rpartition(".")[0][:-2] in stems}
    assert "3x.png" in chosen  # and has none, as it has failed
    assert len(drawn) == 4
    assert {path: contents(place / "alone")[path] for path in drawn} == {path: all_of_them[path] for path in drawn}


def names_in_order(place):
    """As the run lists them."""
    return [file.name for file in find_images(place / "photos")]


def resumed(place, out, *more):
    status, _, error = call(place, *OPTIONS, *more, "--out", str(out), "--resume")
    assert status == 1, error
    return contents(out)


def test_a_run_that_was_cut_anywhere_leaves_the_same(place, tmp_path, monkeypatch):
    """Killed after some images, with a map in its pile that the journal does not know; then between two shards."""
    out, journal = tmp_path / "out", tmp_path / "out/.camkit-journal.jsonl"

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr("camkit.output.folder.shard_maps", killed)
        assert call(place, *OPTIONS, "--out", str(out))[0] == 130
    assert list((out / "maps").glob(".pile-*"))
    kept = journal.read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(kept) if b'"rows"' in line]
    journal.write_bytes(b"".join(kept[: ends[3]]) + kept[ends[3]][:30])
    written = []

    def second_fails(path, members):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        write_shard(path, members)

    with monkeypatch.context() as during:
        during.setattr("camkit.output.map_shards.write_shard", second_fails)
        assert call(place, *OPTIONS, "--out", str(out), "--resume")[0] == 130
    assert [path.name for path in (out / "maps").glob("shard*")] == ["shard-000000.npz"]
    assert resumed(place, out) == contents(place / "alone")
    assert resumed(place, out) == contents(place / "alone")  # nothing is left to do


def test_an_image_that_failed_and_reads_now_is_put_in_its_place(place, tmp_path):
    out, broken = tmp_path / "out", place / "photos/3x.png"
    before = broken.read_bytes()
    resumed(place, out)
    try:
        broken.write_bytes((place / "photos/3.png").read_bytes())
        status, _, error = call(place, *OPTIONS, "--out", str(out), "--resume")
        assert status == 0, error
        status, _, error = call(place, *OPTIONS, "--out", str(tmp_path / "anew"))
        assert status == 0, error
        assert contents(out) == contents(tmp_path / "anew")
        assert "3x.png" in MapShards(out / "maps")
        Image.new("RGB", (20, 20)).save(place / "photos/0a.png")
        status, _, error = call(place, *OPTIONS, "--out", str(out), "--resume")
        assert (status, "overlay_images.names_sha256" in error) == (2, True)
    finally:
        (place / "photos/0a.png").unlink(missing_ok=True)
        broken.write_bytes(before)


def test_more_images_do_not_come_into_shards_that_are_there(place, tmp_path):
    out = tmp_path / "out"
    options = [*OPTIONS, "--no-overlays", "--out", str(out)]
    options = [one for one in options if one not in ("--overlays", "3")]
    assert call(place, *options)[0] == 1
    Image.new("RGB", (20, 20)).save(place / "photos/0a.png")
    try:
        status, _, error = call(place, *options, "--resume")
        assert status == 2
        assert f"--images: have come, gone or moved since {out}/maps/shard-000000.npz was made of them" in error
    finally:
        (place / "photos/0a.png").unlink()


def test_shards_of_a_run_are_put_together(place, tmp_path):
    parts = [tmp_path / f"part-{index}" for index in (1, 2, 3)]
    for index, part in enumerate(parts, 1):
        status, _, error = call(place, *OPTIONS, "--shard", f"{index}/3", "--out", str(part))
        assert status in (0, 1), error
    status, _, error = run("merge", *parts, "--out", tmp_path / "merged", "--formats", "csv,parquet")
    assert status == 1, error
    assert contents(tmp_path / "merged") == contents(place / "alone")
    assert resumed(place, tmp_path / "merged") == contents(place / "alone")


def test_two_processes_leave_the_shards_of_one_and_a_shard_of_a_run_in_its_order(place, tmp_path):
    """Their lines of the journal are not in the images' order: merged shards are, all the same."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "shared"
    line = [*arguments(place, *OPTIONS, "--shard", "1/1"), "--out", str(out)]
    of_both = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    both = []
    for rank in (0, 1):
        own = os.environ | {name: str(value) for name, value in {**of_both, "RANK": rank, "LOCAL_RANK": rank}.items()}
        both.append(subprocess.Popen(line, env=own | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
                                     stdout=subprocess.DEVNULL))  # fmt: skip
    said = [one.communicate(timeout=300)[1] for one in both]
    assert both[0].returncode == 1, said
    assert contents(out) == contents(place / "alone")


def test_maps_in_shards_are_read_by_the_page_and_as_another_tools(place, tmp_path):
    run_, one = read_run(place / "alone"), read_run(place / "one-by-one")
    assert len(run_.columns[0].table) == len(one.columns[0].table) == 22
    maps, others = (RunMaps(each, None, None) for each in (run_, one))
    for row in range(22):
        for kind, other in zip(maps.kinds, others.kinds, strict=True):
            np.testing.assert_array_equal(maps.read(kind, row)[0], others.read(other, row)[0])
    options = ["--batch-size", "2", "--device", "cpu", "--save-maps", "--maps-per-file", "4", "--no-overlays", "--out",
               str(tmp_path / "first")]  # fmt: skip
    status, _, error = call(place, *options)
    assert status == 1, error
    records = [Record(name, bytes) for name in names_in_order(place) if name != "3x.png"]
    folder = MapFolder(tmp_path / "first/maps", records)
    found = {record.image: folder.read(record.image) for record in records}
    assert folder.unread() == 0
    for name, array in found.items():
        np.testing.assert_allclose(array, np.load(place / f"one-by-one/maps/{name}.npy")[0], atol=1e-6)
    (tmp_path / "first/maps/shard-000001.npz").write_bytes(b"PK nothing")
    status, _, error = call(place, *options, "--resume")
    assert (status, "shard-000001.npz: cannot be read as a shard of maps" in error) == (2, True)


def test_another_map_in_a_shard_is_seen_by_a_run_that_goes_on(tmp_path):
    """A map of the same size, in a shard of the same size; and not a shard that is only written again."""
    (tmp_path / "maps").mkdir()
    rows = ["image,label,x0,y0,x1,y1"]
    for name in "ab":
        Image.new("RGB", (40, 30)).save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png,thing,5,5,20,20")
    (tmp_path / "truth.csv").write_text("\n".join(rows) + "\n")
    shard, rng = tmp_path / "maps/shard-000000.npz", np.random.default_rng(0)
    maps = {f"{name}.png": rng.random((4, 5), np.float32) for name in "ab"}
    line = ["evaluate", "--maps", tmp_path / "maps", "--dataset", "csv", "--root", tmp_path / "truth.csv", "--out",
            tmp_path / "out"]  # fmt: skip
    np.savez(shard, **maps)
    assert run(*line)[0] == 0
    np.savez(shard, **maps)
    status, _, error = run(*line, "--resume")
    assert status == 0, error
    np.savez(shard, **maps | {"b.png": 1 - maps["b.png"]})
    command = [sys.executable, "-m", "camkit", *map(str, line), "--resume"]  # a process keeps its archives open
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (again.returncode, "b.png holds other bytes than when it was finished" in again.stderr) == (2, True), again


def test_what_cannot_be_is_told_before_torch(place, monkeypatch):
    for options, says in (
        (["--maps-per-file", "4"], "give --save-maps"),
        (["--overlays", "3", "--no-overlays"], "--overlays and --no-overlays together"),
        (["--overlays", "0"], "give all, or a number of images"),
        (["--overlays", "few"], "give all, or a number of images"),
    ):
        status, _, error = call(place, *options)
        assert (status, says in error) == (2, True), error
    monkeypatch.setattr(elsewhere, "find_spec", lambda _: None)
    for options, images in ((["--formats", "csv,parquet"], None), ([], place / "rows.parquet")):
        status, _, error = call(place, *options, images=images)
        assert (status, "pip install 'camkit[parquet]'" in error) == (2, True), error
    status, _, error = run("merge", place / "alone", "--formats", "parquet", "--out", place / "merged")
    assert (status, "pip install 'camkit[parquet]'" in error) == (2, True), error
