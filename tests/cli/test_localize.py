"""The command line as a user meets it: files, exit status, one line for each mistake."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from commands import call, make_place, rows, run
from PIL import Image
from safetensors.torch import save_file

from camkit.cli import cli
from camkit.data.names import read_path


@pytest.fixture
def place(tmp_path):
    return make_place(tmp_path)


def test_a_run_leaves_every_file(place):
    status, out, _ = call(place, "--topk", "2", "--formats", "csv,coco,jsonl", "--save-maps")
    assert status == 0
    assert "4 images: 8 boxes, 0 failed" in out
    table = rows(place)
    assert list(table[0]) == [
        "image",
        "width",
        "height",
        "rank",
        "label",
        "name",
        "score",
        "x0",
        "y0",
        "x1",
        "y1",
        "tau",
    ]
    assert [(r["image"], r["rank"]) for r in table[:2]] == [("a.png", "1"), ("a.png", "2")]
    assert {r["image"] for r in table} == {"a.png", "b, with comma.png", "below/c.jpg", "below/=d.png"}
    assert {(r["width"], r["height"]) for r in table} == {("60", "40")}
    lines = [json.loads(line) for line in (place / "out/boxes.jsonl").read_text().splitlines()]
    assert [str(line["x1"]) for line in lines] == [r["x1"] for r in table]
    coco = json.loads((place / "out/coco.json").read_text())
    assert len(coco["images"]) == 4
    first, box = table[0], coco["annotations"][0]["bbox"]
    assert box == [
        int(first["x0"]),
        int(first["y0"]),
        int(first["x1"]) - int(first["x0"]),
        int(first["y1"]) - int(first["y0"]),
    ]
    assert {c["name"] for c in coco["categories"]} == {r["name"] for r in table} <= {"first", "second", "third"}
    maps = np.load(place / "out/maps/below/c.jpg.npy")
    assert (maps.shape, maps.dtype) == ((2, 40, 60), np.float32)
    assert Image.open(place / "out/overlays/below/c.jpg.1.png").width == 60 * 5
    record = json.loads((place / "out/run.json").read_text())
    rule = {"rule": "Threshold", "theta": 0.35, "lo": 0.0, "hi": "p90"}
    assert record["settings"]["recipe"]["threshold"] == rule
    assert record["images"] == 4
    assert not list((place / "out").rglob("*.part"))


def test_failures_are_listed_and_counted(place):
    (place / "photos/broken.jpg").write_text("no picture")
    status, out, _ = call(place)
    assert status == 1
    assert "4 boxes, 1 failed" in out
    (failure,) = rows(place, "failures.csv")
    assert failure["image"] == "broken.jpg"
    assert len(rows(place)) == 4
    status, _, error = call(place, "--on-error", "fail", "--overwrite")
    assert status == 2
    assert "broken.jpg" in error


def test_resume_gives_what_an_uninterrupted_run_gives(place):
    assert call(place)[0] == 0
    whole = (place / "out/boxes.csv").read_text()
    journal = place / "out/.camkit-journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    third = [number for number, line in enumerate(lines) if "rows" in line][2]
    journal.write_text("".join(lines[:third]) + lines[third][:20])  # killed while it wrote the third image
    (place / "out/boxes.csv").unlink()
    assert call(place)[0] == 2
    status, out, _ = call(place, "--resume")
    assert (status, "2 from the run before" in out) == (0, True)
    assert (place / "out/boxes.csv").read_text() == whole
    status, _, error = call(place, "--resume", "--no-nwc")
    assert (status, "recipe" in error) == (2, True)


def test_a_held_out_folder_is_refused_and_overwritten_on_demand(place):
    assert call(place)[0] == 0
    (place / "out/mine.txt").write_text("keep me")
    status, _, error = call(place)
    assert status == 2
    assert "--resume" in error
    assert "--overwrite" in error
    assert call(place, "--overwrite", "--no-overlays")[0] == 0
    assert (place / "out/mine.txt").exists()
    assert not (place / "out/overlays").exists()


def test_labels(place):
    table = place / "labels.csv"
    table.write_text('image,label\na.png,2\n"b, with comma.png",first\nbelow/c.jpg,1\nbelow/=d.png,0\n')
    assert call(place, "--labels", table)[0] == 0
    assert [r["name"] for r in rows(place)] == ["third", "first", "first", "second"]
    for text, says in (
        ("image,label\na.png,3\n", "line 2"),
        ("image,label\na.png,fourth\n", "fourth"),
        ("file,label\na.png,1\n", "the column 'image' is missing; wanted are image,label"),
        ("image,label\nzzz.png,1\n", "zzz.png"),
        ("image,label\na.png,1\na.png,2\n", "line 3"),
    ):
        table.write_text(text)
        status, _, error = call(place, "--labels", table, "--overwrite")
        assert (status, says in error) == (2, True), error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--percentile", "70"], "80"),
        (["--theta", "2"], "theta"),
        (["--formats", "xml"], "csv"),
        (["--size", "big"], "224"),
        (["--mean", "1,2"], "three"),
        (["--device", "warp"], "cpu"),
        (["--batch-size", "0"], "--batch-size"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--head", "features=x,classifier=4"], "no module"),
        (["--head", "0"], "classifier=MODULE"),
        (["--class-names", "nowhere.txt"], "nowhere.txt"),
        (["--resume", "--overwrite"], "together"),
    ],
)
def test_wrong_calls_end_in_one_line_that_helps(place, options, says):
    status, out, error = call(place, *options)
    assert (status, out) == (2, "")
    assert says in error
    assert not (place / "out").exists()


def test_wrong_images(place):
    (place / "empty").mkdir()
    for images in (place / "empty", place / "nowhere", place / "*.bmp", f"@{place}/nowhere.txt"):
        status, _, error = call(place, images=images)
        assert (status, error.startswith("camkit: ")) == (2, True)


def test_wrong_models(place):
    for model, says in (
        ("resnet5", "resnet50"),
        (f"{place}/net.py:built", "build"),
        (f"{place}/nets.py:build", "nets.py"),
    ):
        status, _, error = run("localize", "--model", model, "--images", place / "photos", "--out", place / "out")
        assert (status, says in error) == (2, True), error


def test_wrong_weights(place):
    other = place / "other.safetensors"
    save_file({"0.weight": torch.zeros(4, 3, 3, 3), "extra": torch.zeros(1)}, other)
    status, _, error = call(place, "--weights", other)
    assert status == 2
    assert "extra" in error

    class Bad:
        def __reduce__(self):
            return open, (str(place / "pwned"), "w")

    evil = place / "evil.pth"
    evil.write_bytes(pickle.dumps(Bad()))
    torch.save({"state_dict": Bad()}, place / "evil2.pth")
    for file in (evil, place / "evil2.pth"):
        status, _, error = call(place, "--weights", file)
        assert (status, file.name in error) == (2, True)
    assert not (place / "pwned").exists()


def test_an_out_that_is_a_file_or_cannot_be_made(place):
    (place / "out").write_text("a file")
    assert call(place)[0] == 2
    status, _, error = run(
        "localize", "--model", f"{place}/net.py:build", "--images", place / "photos", "--out", "/proc/nowhere/out"
    )
    assert status == 2
    assert "/proc/nowhere/out" in error


def test_no_progress_bar_in_a_pipe(place):
    code = "from camkit.cli import main; main()"
    arguments = [
        "localize",
        "--model",
        f"{place}/net.py:build",
        "--images",
        str(place / "photos"),
        "--out",
        str(place / "out"),
    ]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "4 images: 4 boxes, 0 failed"
    assert str(place / "out/boxes.csv") in done.stdout.splitlines()[-1]


def test_inspect_and_models(place):
    status, out, _ = run("inspect", "--model", f"{place}/net.py:build")
    assert status == 0
    assert "exact" in out
    assert "8x8 positions" in out
    status, _, error = run("inspect", "--model", "alexnet", "--weights", "none")
    assert (status, "flattens" in error) == (2, True)
    told = json.loads(run("inspect", "--model", f"{place}/net.py:build", "--json")[1])
    assert (told["command"], told["classes"], told["map_size"], told["notes"]) == ("inspect", 3, [8, 8], [])
    assert told["completeness"] < 1e-5
    assert told["lines"] == out.splitlines()
    assert run("inspect", "--model", f"{place}/net.py:build", "--quiet")[:2] == (0, "")
    listed = json.loads(run("models", "lite", "--json")[1])["models"]
    assert [one["name"] for one in listed] == [f"efficientnet-lite{number}" for number in range(3)]
    status, out, _ = run("models", "resnet")
    assert status == 0
    assert "resnet50" in out
    assert "vgg16" not in out


def test_help_has_examples():
    for name in ("localize", "inspect", "models", "demo"):
        assert "Example" in CliRunner().invoke(cli, [name, "--help"]).output


def test_hostile_names(place):
    picture = (place / "photos/a.png").read_bytes()
    names = [
        "x" * 249 + ".png",
        "=cmd|' C'!A0.png",
        "new\nline\x1b[31m.png",
        b"\xff\xfe.png".decode(errors="surrogateescape"),
    ]
    for name in names:
        (place / "photos" / name).write_bytes(picture)
    (place / "photos/bad\x1b[31m.png").write_bytes(b"")
    status, out, _ = call(place)
    assert status == 1
    assert "9 images: 7 boxes, 2 failed" in out
    assert "\x1b" not in out
    failures = {row["image"]: row["reason"] for row in rows(place, "failures.csv")}
    assert "rename it" in failures[names[0]]
    found = {read_path(row["image"]): row["x1"] for row in rows(place)}
    assert {found[name] for name in names[1:]} == {found["a.png"]}
    written = [row["image"] for row in rows(place)]
    assert not [name for name in written if name[0] in "=+-@" or not name.isprintable()]


NORMED = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.0,) * 3, (1.0,) * 3
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
class Particular(nn.Sequential):
    def forward(self, x):
        return super().forward(x) * (1 if isinstance(self[1], nn.BatchNorm2d) else 1.001)
def particular():
    return Particular(*build()).eval()
"""


def test_a_faster_copy_gives_the_same_tables_and_the_run_says_so(place):
    (place / "normed.py").write_text(NORMED)
    tables = {}
    for asked in ("--optimize", "--no-optimize"):
        status, *_ = call(place, "--model", f"{place}/normed.py:build", asked, "--overwrite", "--no-overlays")
        assert status == 0
        tables[asked] = (place / "out/boxes.csv").read_text()
        run = json.loads((place / "out/run.json").read_text())
        assert run["sessions"][0]["optimize"] is (asked == "--optimize")
        if asked == "--optimize":
            assert run["optimized"]["folded"] == 1
            assert 0 <= run["optimized"]["deviation"] <= 1e-5
    assert tables["--optimize"] == tables["--no-optimize"]


def test_a_network_whose_answer_would_change_is_used_as_it_is_and_that_is_said(place):
    (place / "normed.py").write_text(NORMED)
    status, said, _ = call(place, "--model", f"{place}/normed.py:particular", "--no-overlays")
    assert status == 0
    assert "note: the network is used as it is, without --optimize: its logits would change by" in said
