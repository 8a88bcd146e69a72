"""A training run's folder: one run at a time, nothing of a user's removed, and of an earlier run not too soon."""

import resource
from dataclasses import replace

import pytest

from camkit.errors import CamkitError
from camkit.output import locked
from camkit.training import TrainSettings, train
from camkit.training.loop import Loop

SETTINGS = TrainSettings(
    dataset="shapes", root="n=6,size=32,classes=3", backbone="vgg-small", weights="none",
    size=(24,), resize=28, epochs=1, batch_size=3, lr=0.05,
)  # fmt: skip


@pytest.fixture
def out(tmp_path):
    train(SETTINGS, tmp_path / "out")
    return tmp_path / "out"


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_best_weights_stay_until_a_new_run_can_write(out):
    before = contents(out)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # no file can grow larger, as on a full disk
    try:
        with pytest.raises(CamkitError, match=r"cannot be written \(File too large\)"):
            train(SETTINGS, out, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(out) == before
    train(replace(SETTINGS, seed=1), out, overwrite=True)
    assert set(contents(out)) == set(before)
    assert (out / "best.safetensors").read_bytes() != before[(out / "best.safetensors").relative_to(out)]


def test_a_setting_that_is_wrong_removes_nothing(out):
    before = contents(out)
    for wrong in ({"root": "n=0"}, {"weights": "nowhere.safetensors"}, {"device": "meta"}, {"best": "x"}):
        with pytest.raises(CamkitError):
            train(replace(SETTINGS, **wrong), out, overwrite=True)
    assert contents(out) == before


@pytest.mark.parametrize("name", ["best.safetensors", "log.csv", "state.pt", "run.json"])
def test_a_file_that_no_run_wrote_stays(tmp_path, name):
    (tmp_path / name).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(CamkitError, match=rf"holds {name}, which no run of camkit wrote"):
            train(SETTINGS, tmp_path, overwrite=overwrite)
    assert contents(tmp_path) == {(tmp_path / name).relative_to(tmp_path): b"mine"}


def test_files_beside_a_run_stay(out):
    (out / "notes.txt").write_text("mine")
    (out / "tensorboard").mkdir()
    (out / "tensorboard/notes.txt").write_text("mine")
    train(SETTINGS, out, overwrite=True)
    assert (out / "notes.txt").read_text() == (out / "tensorboard/notes.txt").read_text() == "mine"


def test_another_run_is_told_to_wait(out):
    for options in ({"resume": True}, {"overwrite": True}):
        with locked(out), pytest.raises(CamkitError, match=r"process \d+ on .* writes to it: wait for its end"):
            train(SETTINGS, out, **options)


def test_ctrl_c_says_how_it_goes_on(tmp_path, monkeypatch):
    def interrupted(self, number, parts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "step", interrupted)
        with pytest.raises(KeyboardInterrupt, match=r"nothing was saved yet .*: go on with camkit train --resume"):
            train(SETTINGS, tmp_path / "out")
    train(SETTINGS, tmp_path / "out", resume=True)
