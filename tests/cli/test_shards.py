"""Shards put together, and processes that share a run, leave the bytes of one run over all images; Ray its rows."""

import csv
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import arguments, call, make_place, run
from PIL import Image

TABLES = ("boxes.csv", "boxes.jsonl", "boxes.parquet", "coco.json", "coco-results.json", "failures.csv")
FORMATS = ("--formats", "csv,coco,coco-results,jsonl,parquet")
OPTIONS = ("--topk", "2", "--batch-size", "3", "--save-maps", "--device", "cpu", *FORMATS)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Twenty images of several sizes, one of them damaged, and a run over them."""
    place = make_place(tmp_path_factory.mktemp("place"))
    rng = np.random.default_rng(1)
    for number in range(15):
        pixels = rng.integers(0, 255, (int(rng.integers(20, 60)), 50, 3), np.uint8)
        Image.fromarray(pixels).save(place / f"photos/{number}.png")
    (place / "photos/broken.png").write_text("no picture")
    status, _, error = call(place, *OPTIONS)
    assert status == 1, error
    (place / "out").rename(place / "alone")
    return place


def contents(folder):
    """Everything but what tells times."""
    files = [folder / name for name in TABLES] + [*(folder / "overlays").rglob("*"), *(folder / "maps").rglob("*")]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files if file.is_file()}


def of_shard(place, which, *more):
    out = place / f"part-{which.replace('/', '-')}"
    status, _, error = call(place, *OPTIONS, "--shard", which, *more, "--out", str(out))
    assert status in (0, 1), error
    return out


def merged(place, parts, *more):
    return run("merge", *parts, "--out", place / "merged", "--overwrite", *FORMATS, *more)


@pytest.fixture(scope="module")
def parts(place):
    return [of_shard(place, f"{index}/3") for index in (1, 2, 3)]


def test_merged_shards_are_one_run(place, parts):
    held = {part: contents(part) for part in parts}
    status, out, _ = merged(place, [parts[2], parts[0], parts[1]])
    assert (status, out.splitlines()[1]) == (1, "3 shards, 20 images: 38 boxes, 1 failed")
    assert contents(place / "merged") == contents(place / "alone")
    assert len(contents(place / "merged")) == 6 + 38 + 19
    assert {part: contents(part) for part in parts} == held
    record = json.loads((place / "merged/run.json").read_text())
    assert [shard["images"] for shard in record["shards"]] == [6, 6, 8]  # 7 batches of 3, the last of 2
    assert record["images_root"] == str(place / "photos")
    alone = json.loads((place / "alone/run.json").read_text())
    assert record["settings"] == alone["settings"]
    assert call(place, *OPTIONS, "--out", str(place / "merged"), "--resume")[0] == 1  # it is a run as others are
    assert contents(place / "merged") == contents(place / "alone")


def test_a_shard_that_goes_on_with_more_images_stays_in_order(place, tmp_path):
    """The journal of such a run is not in the order of its images."""
    shutil.copytree(place / "photos", tmp_path / "photos")
    shutil.copy(place / "net.py", tmp_path / "net.py")
    held = tmp_path / "0.png"
    (tmp_path / "photos/0.png").rename(held)
    of_shard(tmp_path, "1/1")
    first = tmp_path / "part-1-2"
    status, _, error = call(tmp_path, *OPTIONS, "--shard", "1/2", "--out", str(first))
    assert status == 0, error
    held.rename(tmp_path / "photos/0.png")
    (first / "run.json").unlink()
    status, _, error = call(tmp_path, *OPTIONS, "--shard", "1/2", "--resume", "--out", str(first))
    if status == 2:  # an image that was finished is in the other shard now
        assert "is no longer among them" in error
        return
    second = of_shard(tmp_path, "2/2")
    assert merged(tmp_path, [first, second])[0] == 1
    assert contents(tmp_path / "merged") == contents(place / "alone")


def test_more_shards_than_batches(place):
    parts = [of_shard(place, f"{index}/9") for index in range(1, 10)]
    assert merged(place, parts)[0] == 1
    assert contents(place / "merged") == contents(place / "alone")


def test_what_is_no_whole_run_is_refused(place, parts, tmp_path):
    def says(*folders):
        status, _, error = merged(place, folders)
        assert status == 2
        return error

    assert "shards are missing: 2/3" in says(parts[0], parts[2])
    copy = shutil.copytree(parts[1], tmp_path / "copy")
    assert f"shard 2/3 is there twice: {parts[1]}, {copy}" in says(*parts, copy)
    assert "is no shard but a whole run" in says(place / "alone")
    assert "holds no run" in says(tmp_path)
    other = of_shard(place, "1/3", "--theta", "0.5", "--overwrite")
    assert "are not of one run: recipe.threshold.theta 0.5 -> 0.35" in says(other, *parts[1:])
    other = of_shard(place, "1/3", "--batch-size", "4", "--overwrite")
    assert "batch_size 4 -> 3" in says(other, *parts[1:])
    of_shard(place, "1/3", "--overwrite")
    journal = copy / ".camkit-journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-30])
    assert "shard 2/3 is not finished: give its call again with --resume" in says(parts[0], copy, parts[2])
    for wrong in ("0/3", "4/3", "3", "a/b"):
        status, _, error = call(place, "--shard", wrong)
        assert (status, "from 1/N to N/N" in error) == (2, True)


def environment(rank, port):
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1",
           "MASTER_PORT": port, "OMP_NUM_THREADS": 1}  # fmt: skip
    return os.environ | {name: str(value) for name, value in own.items()}


def test_a_process_that_dies_ends_the_run_with_its_name(place):
    """And another number of processes goes on from there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = place / "killed"
    line = [*arguments(place, *OPTIONS), "--out", str(out)]
    first, second = (
        subprocess.Popen(line, env=environment(rank, port), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for rank in (0, 1)
    )
    part = out / ".camkit-journal-1.jsonl"
    while first.poll() is None and second.poll() is None and not (part.exists() and b'"rows"' in part.read_bytes()):
        time.sleep(0.005)
    second.kill()
    second.communicate()
    _, said = first.communicate(timeout=120)
    assert first.returncode == 2, said
    assert "rank 1 of 2 processes has died: " in said
    assert f"of 20 images are finished and kept in {out}: go on with the same call and --resume" in said
    assert not (out / "boxes.csv").exists()
    status, told, error = call(place, *OPTIONS, "--resume", "--out", str(out))
    assert (status, "from the run before" in told) == (1, True), error
    assert contents(out) == contents(place / "alone")
    assert not list(out.glob(".camkit-journal-*"))


def test_processes_of_torchrun_share_a_run(place):
    """They go on with what one process began."""
    out = shutil.copytree(place / "alone", place / "shared")
    journal = out / ".camkit-journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:17]))
    for name in TABLES:
        (out / name).unlink()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "camkit"]
    line = [*launcher, *arguments(place, *OPTIONS, "--resume")[3:], "--out", str(out)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 1, done.stderr  # torchrun's own, as one image has failed
    assert done.stdout.count("20 images") == 1, done.stdout
    assert contents(out) == contents(place / "alone")
    record = json.loads((out / "run.json").read_text())
    assert [session.get("processes") for session in record["sessions"]] == [None, 2]
    assert not list(out.glob(".camkit-journal-*"))


def test_the_slurm_array_of_the_documentation(place, tmp_path):
    """Its command, as it stands there, task by task; given again, it passes over what is finished."""
    page = Path(__file__).parents[2] / "docs/scale.md"
    (script,) = re.findall(r"    srun (camkit localize .*?)\n\n", page.read_text(encoding="utf-8"), re.DOTALL)
    script = script.replace("\\\n", " ").replace("'/data/shard-{000..999}.tar'", f"{place}/photos")
    script = script.replace("resnet50", f"{place}/net.py:build").replace("/100", "/3").replace("parts/", f"{tmp_path}/")
    for task in (1, 2, 3, 2):
        _, *line = shlex.split(script.replace("$SLURM_ARRAY_TASK_ID", str(task)))
        assert line[0] == "localize"
        status, told, error = run(*line)
        assert status in (0, 1), error
    assert re.search(r"(\d+) images, \1 from the run before", told)
    assert run("merge", *(tmp_path / str(task) for task in (1, 2, 3)), "--out", tmp_path / "found")[0] == 1
    status, _, error = call(place, "--no-overlays", "--out", str(tmp_path / "alone"))
    assert status == 1, error
    assert contents(tmp_path / "found") == contents(tmp_path / "alone")


MORTAL = """
import os
from pathlib import Path
exec(Path(__file__).with_name("net.py").read_text())
PLACE = Path(__file__).parent
plain = build
class Mortal(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = plain()
    def forward(self, images):
        if images.shape[-2:] == (32, 48) and os.getpid() != int((PLACE / "caller").read_text()):  # of 40 x 60 pixels
            if (PLACE / "armed").exists():
                (PLACE / "armed").unlink()
                os.kill(os.getpid(), 9)
        return self.net(images)
def build():
    with (PLACE / "loads").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    return Mortal()
"""


@pytest.fixture(scope="module")
def cluster():
    """A Ray cluster of three CPUs in processes of its own: two networks, and one that decodes."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    pytest.importorskip("pyarrow", reason="needs the extra ray")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
    ray.init(address="local", num_cpus=3, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
    yield
    ray.shutdown()


def on_ray(place, *more):
    options = ("--topk", "2", "--batch-size", "3", "--device", "cpu", "--actors", "2", "--save-every", "0")
    return run("localize", "--engine", "ray", "--model", f"{place}/mortal.py:build", "--images", f"{place}/photos",
               "--out", f"{place}/results.parquet", *options, *more)  # fmt: skip


def rows_as_text(folder):
    """Rows of a Parquet folder as boxes.csv and failures.csv have them."""
    from pyarrow import parquet

    def text(value):
        return str(np.float32(value)) if isinstance(value, float) else str(value)

    rows = parquet.read_table(folder).to_pylist()
    found = [{name: text(value) for name, value in row.items() if name != "error"} for row in rows if not row["error"]]
    return found, [{"image": row["image"], "reason": row["error"]} for row in rows if row["error"]]


def table(path):
    return list(csv.DictReader(path.open(newline="")))


def test_ray_gives_the_same_rows_though_a_worker_is_killed(place, cluster):
    """And goes on by images where it is stopped itself."""
    (place / "mortal.py").write_text(MORTAL)
    (place / "caller").write_text(str(os.getpid()))
    (place / "armed").touch()
    status, out, error = on_ray(place)
    assert status == 1, error
    assert "20 images: 38 boxes, 1 failed" in out
    assert not (place / "armed").exists()
    loads = [one for one in (place / "loads").read_text().split() if one != str(os.getpid())]
    assert len(loads) == len(set(loads)) in (2, 3)  # once in each actor, and in the new one where it comes in time
    expected = table(place / "alone/boxes.csv"), table(place / "alone/failures.csv")
    folder = place / "results.parquet"
    assert rows_as_text(folder) == expected
    parts = sorted(folder.glob("*.parquet"))
    assert len(parts) > 3
    for part in (folder / "_run.json", *parts[2:]):
        part.unlink()
    held = [part.read_bytes() for part in parts[:2]]
    status, out, error = on_ray(place, "--resume")
    assert status == 1, error
    assert "from the run before: 38 boxes, 1 failed" in out
    assert rows_as_text(folder) == expected
    assert [part.read_bytes() for part in parts[:2]] == held
    assert (folder / "_run.json").exists()
