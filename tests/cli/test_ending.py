"""How commands end: one line and the exit status that belongs to it; files that are there are whole."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import click
import pytest
import torch
from click.testing import CliRunner
from commands import arguments, call, make_place, process, rows, run
from PIL import Image

from camkit.cli import cli
from camkit.cli.ending import Terminated, end
from camkit.errors import CamkitError

SLOW = """
import time
import torch
from torch import nn
SIZE = 32
class Slow(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc, self.calls = nn.Conv2d(3, 8, 3, 4, 1), nn.Linear(8, 3), 0
    def forward(self, x):
        self.calls += len(x)
        time.sleep(0.2 if len(x) == 1 else 0)
        return self.fc(self.conv(x).mean((-2, -1)))
def build():
    torch.manual_seed(0)
    return Slow()
"""


@pytest.fixture
def place(tmp_path):
    return make_place(tmp_path)


def said(capsys, error):
    status = end(error)
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    return status, line


def test_exit_statuses(capsys):
    assert said(capsys, CamkitError("wrong\nfile")) == (2, "camkit: wrong file")
    assert said(capsys, OSError(28, "No space left on device", "a.csv")) == (
        2,
        "camkit: a.csv: No space left on device",
    )
    assert said(capsys, click.UsageError("give --x"))[0] == 2
    assert said(capsys, MemoryError())[0] == 2
    assert said(capsys, RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 3 bytes"))[0] == 2
    assert said(capsys, KeyboardInterrupt()) == (130, "camkit: interrupted: nothing was written")
    assert said(capsys, Terminated("2 of 3 are kept")) == (143, "camkit: terminated: 2 of 3 are kept")
    assert end(click.exceptions.Exit(0)) == 0


def test_a_bug_asks_for_a_report_and_keeps_its_traceback(capsys, monkeypatch):
    try:
        {}["a key"]
    except KeyError as error:
        bug = error
    status, line = said(capsys, bug)
    assert status == 3
    assert "a bug in camkit: KeyError: 'a key' in test_ending.py" in line
    file = line.rsplit(" ", 1)[1]
    with open(file, encoding="utf-8") as traceback:
        assert '{}["a key"]' in traceback.read()
    os.unlink(file)
    monkeypatch.setenv("CAMKIT_TRACEBACK", "1")
    assert end(bug) == 3
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_says_what_is_kept_and_how_it_goes_on(place, how, status, workers):
    (place / "net.py").write_text(SLOW)
    for number in range(30):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(place / f"photos/{number}.png")
    options = ["--batch-size", "1", "--workers", workers]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it, and so would ours
    running = subprocess.Popen(arguments(place, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = place / "out/.camkit-journal.jsonl"
    while not (journal.exists() and journal.read_text().count('"rows"') >= 2):
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    children = children_of(running.pid)
    assert len(children) >= int(workers)
    running.send_signal(how)
    out, error = running.communicate(timeout=60)
    assert (running.returncode, out) == (status, "")
    assert len(error.strip().splitlines()) == 1, error
    line = error.strip()
    kept = journal.read_text().count('"rows"')
    assert f"{kept} of 34 images are finished and kept in {place}/out: go on with the same call and --resume" in line
    assert not (place / "out/.camkit-lock").exists()
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{child}") for child in children):
            break
        time.sleep(0.1)
    else:
        pytest.fail("processes that read images are still there")


def children_of(pid):
    return open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read().split()


def limited(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # no file grows larger, as on a full disk


def test_a_full_disk_in_the_journal(place):
    assert call(place, "--no-overlays")[0] == 0
    tables = {name: (place / "out" / name).read_bytes() for name in ("boxes.csv", "coco.json")}
    lines = (place / "out/.camkit-journal.jsonl").read_bytes().splitlines(keepends=True)
    second = [number for number, line in enumerate(lines) if b'"rows"' in line][1]
    shutil.rmtree(place / "out")
    done = process(place, "--no-overlays", preexec_fn=limited(sum(map(len, lines[:second])) + 9))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.strip().splitlines()
    journal = place / "out/.camkit-journal.jsonl"
    assert f"camkit: {journal}: cannot be written (File too large); 1 of 4 images are finished and kept in" in line
    assert files_in(place / "out") == [".camkit-files.json", ".camkit-journal.jsonl"]
    assert call(place, "--no-overlays", "--resume")[0] == 0
    assert {name: (place / "out" / name).read_bytes() for name in tables} == tables


def test_a_full_disk_under_a_picture(place):
    assert call(place)[0] == 0
    Image.new("RGB", (40, 30)).save(place / "photos/z.png")
    (place / "out/overlays/.z.png.part").symlink_to("/dev/full")
    before = files_in(place / "out")
    status, out, error = call(place, "--resume")
    assert (status, out) == (2, "")
    picture = place / "out/overlays/z.png"
    assert f"camkit: {picture}: cannot be written (No space left on device); 4 of 5 images are finished" in error
    assert files_in(place / "out") == [name for name in before if not name.endswith(".part")]
    assert call(place, "--resume")[0] == 0


def test_a_full_disk_under_a_table(place):
    assert call(place)[0] == 0
    table = (place / "out/coco.json").read_bytes()
    for option in ("--overwrite", "--resume"):
        (place / "out/.coco.json.part").symlink_to("/dev/full")
        status, _, error = call(place, option)
        assert status == 2
        assert f"{place}/out/coco.json: cannot be written (No space left on device); 4 of 4 images are" in error
        assert not list((place / "out").glob("*coco.json*"))
    assert call(place, "--resume")[0] == 0
    assert (place / "out/coco.json").read_bytes() == table


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_screen_that_takes_nothing():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [sys.executable, "-m", "camkit", "models"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert b"No space left on device" in done.stderr


def test_an_image_too_large_for_memory_is_its_own_failure(place, monkeypatch):
    """An allocation that fails, at each place where an image's size decides how much is allocated."""
    from camkit.localization import Localization
    from camkit.recipe import Recipe

    def score_maps(self, class_maps, size, window=None):
        if size == (80, 90):
            torch.empty(2**55)
        return plain(self, class_maps, size, window)

    def overlay(self, side=None):
        if self.size == (81, 90):
            raise MemoryError
        return drawn(self, side)

    plain, drawn = Recipe.score_maps, Localization.overlay
    monkeypatch.setattr(Recipe, "score_maps", score_maps)
    monkeypatch.setattr(Localization, "overlay", overlay)
    Image.new("RGB", (90, 80)).save(place / "photos/large.png")
    Image.new("RGB", (90, 81)).save(place / "photos/larger.png")
    assert call(place)[0] == 1
    reasons = {row["image"]: row["reason"] for row in rows(place, "failures.csv")}
    assert set(reasons) == {"large.png", "larger.png"}
    assert all("not enough memory for" in reason for reason in reasons.values())
    assert len(rows(place)) == 4


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"recipe": 3}', "[" * 100_000, '{"recipe": {"threshold": %s}}' % ("1" * 5000), "\xff"],
)
def test_a_broken_settings_file_is_named(place, text):
    (place / "settings.json").write_bytes(text.encode("latin-1"))
    status, _, error = call(place, "--settings", place / "settings.json")
    assert status == 2
    assert error.startswith(f"camkit: {place}/settings.json: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"image,label\na.png," + b"1" * 5000 + b"\n", "line 2: there is no class 1111"),
        (b"label,image\n3\n4,zz.jpg\n", "line 2"),
        (b"image,label\na.png,1,2,3\n", "line 2"),
        (b"image,label\na.png,\xff\n", "line 2: it holds bytes that are not UTF-8"),
        (b"image,label\na.png,inf\n", "line 2: none of the model's 3 classes is called 'inf'"),
        (b'image,label\n"a.png,1\n', "line 2: cannot be read as CSV"),
        ("image,label\na.png,²\n".encode(), "line 2: none of the model's 3 classes is called '²'"),
    ],
)
def test_broken_labels_are_named(place, text, says):
    (place / "labels.csv").write_bytes(text)
    status, _, error = call(place, "--labels", place / "labels.csv")
    assert (status, says in error) == (2, True), error


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--size", "100000"], "4096"),
        (["--size", "1" * 5000], "--size"),
        (["--device", "meta"], "cuda"),
        (["--device", "cuda:-1"], "cuda"),
        (["--batch-size", "1000000000"], "--batch-size"),
        (["--workers", "1000000"], "--workers"),
        (["--theta", "nan"], "nan"),
        (["--percentile", "nan"], "nan"),
        (["--mean", "inf"], "--mean"),
        (["--std", "0"], "above 0"),
        (["--topk", "0"], "--topk"),
    ],
)
def test_absurd_values_end_in_one_line_before_anything_is_loaded(place, options, says):
    (place / "net.py").write_text("raise RuntimeError('loaded')")
    status, out, error = call(place, *options)
    assert (status, out) == (2, "")
    assert says in error
    assert "loaded" not in error


def test_other_commands_refuse_them_too(tmp_path):
    data = ["--model", "tiny", "--dataset", "shapes", "--root", "n=2", "--out", tmp_path / "out"]
    for command, *options in (
        ["evaluate", "--step", "1e-9"],
        ["evaluate", "--seed", "-1"],
        ["ablate", "--device", "meta"],
        ["analyze", "zipf", "--theta", "nan"],
    ):
        status, _, error = run(command, *options, *data)
        assert (status, options[-2] in error) == (2, True), error
    status, _, error = run(
        "train", "--dataset", "shapes", "--root", "n=2", "--size", "100000", "--out", tmp_path / "out"
    )
    assert (status, "4096" in error) == (2, True), error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("command", "option"), [
    (["localize", "--model", "tiny", "--images", "x"], "--out"),
    (["evaluate", "--model", "tiny", "--dataset", "csv", "--out", "o"], "--root"),
    (["finetune-fc", "--minmax", "--model", "tiny", "--dataset", "csv", "--root", "r"], "--out"),
    (["train", "--dataset", "csv", "--root", "r"], "--out"), (["demo"], "--out"), (["reproduce", "all"], "--out"),
])  # fmt: skip
def test_an_unset_variable_of_the_shell_is_not_the_current_folder(command, option):
    done = CliRunner().invoke(cli, [*command, option, ""])
    assert done.exit_code == 2
    assert "'' names nothing" in done.output
