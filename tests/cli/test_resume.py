"""A run that goes on: only where its finished images would come out the same, and then to the same bytes.

CAMKIT_KILLS=7 kills a run that often.
"""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from commands import arguments, call, make_place, process, rows
from PIL import Image
from safetensors.torch import load_file, save_file

KILLS = int(os.environ.get("CAMKIT_KILLS", "2"))
TABLES = ("boxes.csv", "boxes.jsonl", "coco.json", "failures.csv")
FORMATS = ("--formats", "csv,coco,jsonl")


@pytest.fixture
def place(tmp_path):
    make_place(tmp_path)
    (tmp_path / "labels.csv").write_text('image,label\na.png,2\n"b, with comma.png",1\nbelow/c.jpg,1\nbelow/=d.png,0\n')
    (tmp_path / "names.txt").write_text("one\ntwo\nthree")
    (tmp_path / "layers.py").write_text("POOLED = 1\n")
    (tmp_path / "half.py").write_text("def half(maps):\n    return maps.numpy().max((-2, -1)) / 2\n")
    (tmp_path / "settings.json").write_text(json.dumps(SETTINGS))
    text = (tmp_path / "net.py").read_text()
    (tmp_path / "net.py").write_text(text + "\nfrom layers import POOLED\nother = build\n")
    return tmp_path


SETTINGS = {"recipe": {"weighting": "signed", "threshold": {"rule": "MaxThreshold", "theta": 0.2},
                       "normalization": "minmax", "interpolation": "bilinear"},
            "chosen_on": "val", "model": "net"}  # fmt: skip


STATE = {"0.weight": torch.rand(8, 3, 3, 3), "0.bias": torch.rand(8), "4.weight": torch.rand(3, 8),
         "4.bias": torch.rand(3)}  # fmt: skip


def replaced(name, old, new):
    return lambda place: (place / name).write_text((place / name).read_text().replace(old, new))


def other_weights(place):
    state = load_file(place / "w.safetensors")
    save_file({key: value + 0.01 for key, value in state.items()}, place / "w.safetensors")


def other_pixels(place):
    file = place / "photos/a.png"
    Image.fromarray(255 - np.asarray(Image.open(file))).save(file)


def other_bytes_of_one_size_and_time(place):
    file = place / "photos/a.png"
    content, found = file.read_bytes(), file.stat()
    file.write_bytes(content[:-20] + bytes(20))
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


def other_bytes_and_all_times_set_back(place):
    file = place / "photos/a.png"
    content, found = file.read_bytes(), file.stat()
    file.write_bytes(content[:-20] + bytes(20))
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def other_folder(place):
    shutil.copytree(place / "photos", place / "others")
    shutil.copy(place / "photos/a.png", place / "others/below/c.jpg")


def fewer_images(place):
    (place / "photos/a.png").unlink()


# What the run begins with beside the usual, what happens then, what it is resumed with, what is said.
CHANGES = {
    "weights file": (["--weights", "w.safetensors"], other_weights, None, r"weights_sha256 \w+... -> \w+..."),
    "weights by name": (["--weights", "w.safetensors"], None, ["--weights", "w2.safetensors"], "weights 'file"),
    "factory's file": ([], replaced("net.py", "nn.ReLU()", "nn.ReLU6()"), None, r"code_sha256.*net.py"),
    "file beside it": ([], replaced("layers.py", "1", "2"), None, r"code_sha256.layers"),
    "factory's seed": ([], replaced("net.py", "manual_seed(0)", "manual_seed(1)"), None, "weights_sha256"),
    "factory's name": ([], None, ["--model", "net.py:other"], "model .*other"),
    "input size": ([], None, ["--size", "48"], "input.size"),
    "mean": ([], None, ["--mean", "0.5"], "input.mean"),
    "names": ([], None, ["--class-names", "names.txt"], "names_sha256"),
    "names file": (["--class-names", "names.txt"], replaced("names.txt", "two", "zwei"), None, "names_sha256"),
    "label": (["--labels", "labels.csv"], replaced("labels.csv", "a.png,2", "a.png,1"), None, "a.png 2 -> 1"),
    "a label less": (["--labels", "labels.csv"], replaced("labels.csv", "a.png,2\n", ""), None, "a.png 2 -> None"),
    "labels where none were": ([], None, ["--labels", "labels.csv"], "labels 'predicted' -> 'given'"),
    "image": ([], other_pixels, None, "--images: a.png holds other bytes"),
    "image of one size and time": ([], other_bytes_and_all_times_set_back, None, "--images: a.png holds other bytes"),
    "image of one size": ([], other_bytes_of_one_size_and_time, None, "--images: a.png holds other bytes"),
    "image folder": ([], other_folder, ["--images", "others"], "--images: below/c.jpg holds other bytes"),
    "image gone": ([], fewer_images, None, "--images: a.png, which is finished, is no longer among them"),
    "recipe": ([], None, ["--no-nwc"], "recipe.weighting 'positive' -> 'signed'"),
    "theta": ([], None, ["--theta", "0.5"], "recipe.threshold.theta 0.35 -> 0.5"),
    "settings file": (["--settings", "settings.json"], replaced("settings.json", "0.2", "0.3"), None, "theta 0.2"),
    "threshold's file": (["--threshold", "half.py:half"], replaced("half.py", "/ 2", "/ 3"), None, "half.py"),
    "topk": ([], None, ["--topk", "2"], "topk 1 -> 2"),
    "fit": ([], None, ["--fit", "crop"], "fit 'keep' -> 'crop'"),
    "precision": ([], None, ["--precision", "bf16"], "precision 'fp32' -> 'bf16'"),
    "max pixels": ([], None, ["--max-pixels", "2000"], "--max-pixels 2000 refuses a.png"),
    "maps": ([], None, ["--save-maps"], "save_maps False -> True"),
    "overlays": ([], None, ["--no-overlays"], "overlays True -> False"),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_refused_and_named(place, monkeypatch, change):
    begun, happens, resumed, says = CHANGES[change]
    monkeypatch.chdir(place)
    monkeypatch.delitem(sys.modules, "layers", raising=False)  # another test's
    for name in ("w.safetensors", "w2.safetensors"):
        save_file(STATE, name)
    assert call(place, *begun)[0] == 0
    before = {path: path.read_bytes() for path in (place / "out").rglob("*") if path.is_file()}
    if happens:
        happens(place)
    status, out, error = call(place, *begun, *(resumed or []), "--resume")
    assert (status, out) == (2, "")
    assert re.search(says, error), error
    assert "--overwrite or another --out" in error
    assert {path: path.read_bytes() for path in before} == before


def more_images(place):
    shutil.copy(place / "photos/a.png", place / "photos/z.png")


def touched(place):
    os.utime(place / "photos/a.png")


def moved(place):
    shutil.copytree(place / "photos", place / "others", copy_function=shutil.copy)


ALLOWED = {
    "nothing": ([], None, []),
    "other times": ([], touched, []),
    "another place": ([], moved, ["--images", "others"]),
    "more images": ([], more_images, []),
    "another batch": ([], None, ["--batch-size", "3", "--workers", "1"]),
    "other formats": ([], None, FORMATS),
    "more pixels": ([], None, ["--max-pixels", "200000000"]),
    "a comment in labels": (["--labels", "labels.csv"], replaced("labels.csv", "a.png,2", "a.png, 2.0"), []),
}  # fmt: skip


@pytest.mark.parametrize("change", ALLOWED)
def test_what_changes_no_finished_image_is_no_other_run(place, monkeypatch, change):
    begun, happens, resumed = ALLOWED[change]
    monkeypatch.chdir(place)
    assert call(place, *begun)[0] == 0
    before = (place / "out/boxes.csv").read_text()
    if happens:
        happens(place)
    status, out, error = call(place, *begun, *resumed, "--resume")
    assert (status, error) == (0, ""), error
    assert "4 from the run before" in out
    assert (place / "out/boxes.csv").read_text().startswith(before)
    if change == "another batch":
        assert "parts of this run had batch_size 16 and 3" in out


def test_failures_are_tried_again_and_may_be_mended(place, monkeypatch):
    monkeypatch.chdir(place)
    (place / "labels.csv").write_text("image,label\na.png,2\nbelow/c.jpg,1\nbelow/=d.png,0\n")
    (place / "photos/below/c.jpg").write_text("no picture")
    assert call(place, "--labels", "labels.csv")[0] == 1
    assert len(rows(place, "failures.csv")) == 2
    Image.new("RGB", (30, 20)).save(place / "photos/below/c.jpg")
    with (place / "labels.csv").open("a") as file:
        file.write('"b, with comma.png",1\n')
    status, out, _ = call(place, "--labels", "labels.csv", "--resume")
    assert (status, "2 from the run before: 4 boxes" in out) == (0, True)
    assert not rows(place, "failures.csv")
    assert [row["image"] for row in rows(place)] == ["a.png", "b, with comma.png", "below/=d.png", "below/c.jpg"]


def contents(folder):
    """Everything but what tells times."""
    files = [folder / name for name in TABLES] + [*(folder / "overlays").rglob("*"), *(folder / "maps").rglob("*")]
    return {file.relative_to(folder): file.read_bytes() for file in files if file.is_file()}


def test_killed_at_random_moments_and_resumed(tmp_path):
    """Killed, killed again while it goes on, and so on: the bytes of a run left alone."""
    make_place(tmp_path)
    rng = np.random.default_rng(1)
    for number in range(40):
        side = int(rng.integers(20, 60))
        Image.fromarray(rng.integers(0, 255, (side, 50, 3), np.uint8)).save(tmp_path / f"photos/{number}.png")
    (tmp_path / "photos/broken.png").write_text("no picture")
    options = ["--topk", "2", "--save-maps", "--batch-size", "5", *FORMATS]
    assert process(tmp_path, *options).returncode == 1
    alone = contents(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "alone")
    journal, moments = tmp_path / "out/.camkit-journal.jsonl", random.Random(0)
    for _ in range(KILLS):
        run = subprocess.Popen(
            arguments(tmp_path, *options, "--resume"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        begun = journal.stat().st_size if journal.exists() else 0
        while run.poll() is None and not (journal.exists() and journal.stat().st_size > begun):
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.25))
        run.kill()
        run.communicate()
    done = process(tmp_path, *options, "--resume")
    assert done.returncode == 1, done.stderr
    assert contents(tmp_path / "out") == alone
    assert not list((tmp_path / "out").rglob(".*.part"))
