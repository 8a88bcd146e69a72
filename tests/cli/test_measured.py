"""Runs that measure go on where they stopped, to the bytes of a run left alone; their tables are the library's."""

import json
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import make_place, run
from PIL import Image

from camkit.data import read_dataset
from camkit.evaluation import Further, evaluate
from camkit.inference import Inference
from camkit.models import load_classifier
from camkit.output.measured_folder import MeasuredFolder
from camkit.recipe import Recipe
from camkit.runs import per_image
from camkit.runs.measured import write_table

TIMES = ("run.json", ".camkit-journal.jsonl")
MORE = ("--by-size", "--by-class", "--macro", "--strict", "--max-box-acc-v3", "--pointing-game", "--ranked-boxes", "2")
CALLS = {
    "evaluate": ("evaluate", "--save-maps", "--insertion-deletion", "2", "--classifier", "MODEL", *MORE),
    "ablate": ("ablate", "--tap", "MODEL", "--save-maps", "--pointing-game"),
    "analyze": ("analyze", "zipf", "channels", "overlap"),
    "small": ("analyze", "intensity", "--intensities", "0.5"),
}
COMMANDS = ("evaluate", "ablate", "analyze")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Fourteen squares in noise, of three classes; one image is damaged, and one is listed and not there."""
    place = make_place(tmp_path_factory.mktemp("place"))
    rng = np.random.default_rng(3)
    lines = ["image,label,x0,y0,x1,y1"]
    for number in range(14):
        width, height = (int(side) for side in rng.integers(30, 60, 2))
        pixels = rng.integers(0, 100, (height, width, 3), np.uint8)
        x, y, side = (int(one) for one in rng.integers(4, 14, 3))
        pixels[y : y + side, x : x + side, number % 3] = 255
        Image.fromarray(pixels).save(place / f"{number}.png")
        lines.append(f"{number}.png,{number % 3},{x},{y},{x + side},{y + side}")
    (place / "5.png").write_text("no picture")
    lines.append("gone.png,1,0,0,9,9")
    (place / "val.csv").write_text("\n".join(lines) + "\n")
    return place


def call(place, name, *more, out="out"):
    model = f"{place}/net.py:build"
    words = [model if word == "MODEL" else word for word in CALLS[name]]
    step = () if words[0] == "analyze" else ("--step", "0.05")
    return run(*words, "--model", model, "--dataset", "csv", "--root", str(place), "--batch-size", "4",
               "--device", "cpu", "--class-map", str(place / "map.csv"), *step, "--out", str(place / out),
               *more)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _class_map(place):
    (place / "map.csv").write_text("dataset,model\n0,first\n1,second\n2,third\n")


def contents(folder):
    """Everything but what tells times."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in TIMES}


@pytest.fixture(scope="module")
def alone(place):
    found = {}
    for name in COMMANDS:
        status, out, error = call(place, name, out=f"alone-{name}")
        assert (status, "15 images" in out) == (1, True), (out, error)
        found[name] = contents(place / f"alone-{name}")
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_broken_off_killed_and_gone_on_with(place, alone, name, monkeypatch, tmp_path):
    """Ctrl-C says how to go on; a kill leaves some bytes of the journal, anywhere in a line."""
    add, moments = MeasuredFolder.add, random.Random(name)
    out = tmp_path / "out"

    def add_or_stop(self, *args, **kwargs):
        self.left = getattr(self, "left", 7)
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        add(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(MeasuredFolder, "add", add_or_stop)
        status, _, error = call(place, name, "--resume", out=out)
    assert status == 130, error
    assert f"5 of 14 images are finished and kept in {out}: go on with the same call and --resume" in error
    assert not (out / "run.json").exists()
    journal = (out / ".camkit-journal.jsonl").read_bytes()
    first = journal.index(b"\n") + 1
    (out / ".camkit-journal.jsonl").write_bytes(journal[: moments.randrange(first, len(journal))])
    status, told, error = call(place, name, "--resume", out=out)
    assert status == 1, error
    assert contents(out) == alone[name]
    record = json.loads((out / "run.json").read_text())
    assert record["resumed"] <= 5
    assert (f"{record['resumed']} from the run before" in told) == (record["resumed"] > 0)
    assert not [path for path in out.rglob("*") if path.name.endswith(".part") or "new" in path.name]


def test_tables_are_those_of_the_library(place, alone, monkeypatch, tmp_path):
    """From the journal, three images at a time, and from memory; also every figure."""
    monkeypatch.setattr(per_image, "CHUNK", 3)
    options = ("--by-size", "--by-class", "--macro", "--strict", "--max-box-acc-v3", "--pointing-game")
    status, _, error = run("evaluate", "--model", f"{place}/net.py:build", "--dataset", "csv", "--root", str(place),
                           "--batch-size", "4", "--device", "cpu", "--class-map", str(place / "map.csv"), "--step",
                           "0.05", "--out", str(tmp_path / "out"), *options)  # fmt: skip
    assert status == 1, error
    from camkit.data import map_classes

    (dataset,) = map_classes(place / "map.csv", read_dataset("csv", place, "val"))
    further = Further(by_size=True, by_class=True, macro=True, strict=True, max_box_acc_v3=True, pointing_game=True)
    found = evaluate(Inference(load_classifier(f"{place}/net.py:build"), "cpu", "fp32"), dataset,
                     {"recipe": Recipe.named("nwc+pas")}, batch_size=4, step=0.05, further=further)  # fmt: skip
    tables = {"per_image": found.per_image, "by_size": found.by_size, "by_class": found.by_class, "curve": found.curves}
    for name, table in tables.items():
        write_table(tmp_path / f"{name}.csv", table)
        assert (tmp_path / f"out/{name}.csv").read_bytes() == (tmp_path / f"{name}.csv").read_bytes(), name
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    for name, result in (found.classification | found.localization["recipe"]).items():
        assert metrics[name] == json.loads(json.dumps(vars(result))), name
    assert len(found.per_image) == 13


def test_what_changed_is_named(place, tmp_path):
    copy = tmp_path / "place"
    copy.mkdir()
    for file in place.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    assert call(copy, "small")[0] == 1

    def says(name, *more):
        status, _, error = call(copy, name, "--resume", *more)
        assert status == 2
        return error

    assert "this is another run: command 'analyze' -> 'evaluate'" in says("evaluate")
    assert "limit None -> 5" in says("small", "--limit", "5")
    kept = (copy / "3.png").read_bytes()
    (copy / "3.png").write_bytes((copy / "4.png").read_bytes())
    assert "3.png holds other bytes than when it was finished" in says("small")
    (copy / "3.png").write_bytes(kept)  # other times, the same bytes
    status, told, _ = call(copy, "small", "--resume")
    assert (status, "13 from the run before" in told) == (1, True)
    table = (copy / "val.csv").read_text()
    (copy / "val.csv").write_text(table.replace("7.png,1,", "7.png,2,", 1))
    assert "records_sha256" in says("small")
    (copy / "val.csv").write_text(table)
    journal = copy / "out/.camkit-journal.jsonl"
    journal.write_text(journal.read_text().replace('"zlib": "', '"zlib": "!', 3))
    assert "cannot be read; give --overwrite or another --out" in says("small")
    status, _, error = call(copy, "small")
    assert (status, "give --resume, --overwrite or another --out" in error) == (2, True)
    status, _, error = run("evaluate", "--boxes", copy / "val.csv", "--dataset", "csv", "--root", str(copy), "--resume",
                           "--out", str(tmp_path / "boxes"))  # fmt: skip
    assert (status, "leave out --resume" in error) == (2, True)


def test_a_process_that_is_killed_and_one_that_is_asked_to_end(place, alone, tmp_path):
    line = [sys.executable, "-m", "camkit", "evaluate", "--model", f"{place}/net.py:build", *CALLS["evaluate"][1:],
            "--dataset", "csv", "--root", str(place), "--batch-size", "4", "--device", "cpu", "--class-map",
            str(place / "map.csv"), "--step", "0.05", "--out", str(tmp_path / "out"), "--resume"]  # fmt: skip
    line = [f"{place}/net.py:build" if word == "MODEL" else word for word in line]
    journal, ends = tmp_path / "out/.camkit-journal.jsonl", []
    for how, lines in ((signal.SIGKILL, 1), (signal.SIGTERM, 8)):
        running = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while running.poll() is None and not (journal.exists() and journal.read_text().count('"measured"') >= lines):
            time.sleep(0.02)
        running.send_signal(how)
        _, error = running.communicate(timeout=120)
        ends.append(running.returncode)
        if ends[-1] == 143:
            assert len(error.strip().splitlines()) == 1, error
            assert "go on with the same call and --resume" in error
    assert ends[0] == -9
    assert ends[1] in (143, 1)  # 1: it was done before it was asked
    status, _, error = call(place, "evaluate", "--resume", out=tmp_path / "out")
    assert status == 1, error
    assert contents(tmp_path / "out") == alone["evaluate"]


def test_maps_in_their_archive_are_whole(place, alone):
    """As many as there are rows, and the archive tells no time."""
    table = pd.read_csv(place / "alone-evaluate/per_image.csv")
    with zipfile.ZipFile(place / "alone-evaluate/class_maps.npz") as archive:
        with archive.open("0/size.npy") as file:
            assert len(np.lib.format.read_array(file)) == len(table) == 13
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
    assert Path(place / "alone-ablate/tap_class_maps.npz").exists()
