"""A run that is stopped, by whatever, and goes on: the weights at the end are those of a run left alone.

CAMKIT_KILLS=10 kills that often.
"""

import multiprocessing
import os
import random
import resource
import time
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.multiprocessing as mp
from processes import training
from resuming import assert_same, begin_and_stop

from camkit import load_classifier
from camkit.errors import CamkitError
from camkit.training import TrainSettings, train
from camkit.training.state import State, read_state, save_state

KILLS = int(os.environ.get("CAMKIT_KILLS", "2"))
SETTINGS = TrainSettings(
    dataset="shapes", root="n=12,size=32,classes=3", backbone="vgg-small", pool="tap:0.1", weights="none",
    size=(24,), resize=28, method="cutmix", epochs=3, batch_size=4, lr=0.05, val_every=2, save_every=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    train(SETTINGS, folder)
    return folder


@pytest.mark.parametrize("step", [0, 4, 8])
def test_stopped_at_a_step(alone, tmp_path, monkeypatch, step):
    begin_and_stop(monkeypatch, tmp_path, step, SETTINGS)
    assert (read_state(tmp_path) is None) == (step == 0)
    assert step == 0 or read_state(tmp_path).step == step
    train(SETTINGS, tmp_path, resume=True)
    assert_same(tmp_path, alone)


def test_with_both_stages_broken_off_in_an_epoch(tmp_path, monkeypatch):
    """Stage II's momentum and the unfinished epoch's CRR and FRR are part of the state."""
    options = {"sets": 2, "set_size": 2, "frr": 5.0}
    both = replace(SETTINGS, method="minmax", method_options=options, size=(24, 28))
    train(both, tmp_path / "alone")
    log = pd.read_csv(tmp_path / "alone" / "log.csv")
    assert (log[["crr", "frr"]] > 0).all(axis=None)
    begin_and_stop(monkeypatch, tmp_path / "stopped", 4, both)
    state = read_state(tmp_path / "stopped")
    assert len(state.losses) == 1
    assert state.method["state"][0]["momentum_buffer"].any()
    train(both, tmp_path / "stopped", resume=True)
    assert_same(tmp_path / "stopped", tmp_path / "alone")


@pytest.mark.parametrize("name", ["Guided", "Averaged"])
def test_with_a_method_s_own_state_broken_off_in_an_epoch(tmp_path, monkeypatch, name):
    """A bank with counters, modules with momentum, averaged weights: tests/own_methods.py."""
    own = replace(SETTINGS, method=f"{Path(__file__).parents[1]}/own_methods.py:{name}", val_every=1)
    own = replace(own, root="n=24,size=32,classes=3", batch_size=8)
    train(own, tmp_path / "alone")
    begin_and_stop(monkeypatch, tmp_path / "stopped", 4, own)
    train(own, tmp_path / "stopped", resume=True)
    assert_same(tmp_path / "stopped", tmp_path / "alone")


def test_a_state_of_0_1_0_goes_on(tmp_path, monkeypatch):
    """It has MinMaxCAM's settings by name, and the momentum of its second stage under another key."""
    options = {"crr": 2.0, "frr": 5.0, "sets": 2, "set_size": 2, "norm": "mean"}
    both = replace(SETTINGS, method="minmax", method_options=options)
    train(both, tmp_path / "alone")
    begin_and_stop(monkeypatch, tmp_path / "old", 4, both)
    held = torch.load(tmp_path / "old" / "state.pt", weights_only=True)
    held["stage_two"] = held.pop("method")
    del held["modules"], held["settings"]["flip_vertical"]
    held["settings"] |= {**options, "method": "none", "method_options": {}, "minmax": True}
    torch.save(held, tmp_path / "old" / "state.pt")
    train(both, tmp_path / "old", resume=True)
    assert_same(tmp_path / "old", tmp_path / "alone")


def test_killed_at_random_moments(alone, tmp_path):
    multiprocessing.set_forkserver_preload(["camkit.training.run"])
    context, rng = mp.get_context("forkserver"), random.Random(0)
    for _ in range(KILLS):
        process = context.Process(target=training, args=(0, "", 1, SETTINGS, tmp_path, torch.get_num_threads()))
        process.start()
        while process.is_alive() and read_state(tmp_path) is None:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.4))
        process.kill()
        process.join()
        last = tmp_path / "last.safetensors"
        assert not last.exists() or load_classifier(str(last)).class_names is not None
    train(SETTINGS, tmp_path, resume=True)
    assert_same(tmp_path, alone)


def test_a_finished_run_is_left_as_it_is(alone):
    before = (alone / "state.pt").read_bytes()
    result = train(SETTINGS, alone, resume=True)
    assert (alone / "state.pt").read_bytes() == before
    assert list(result.log["epoch"]) == [1, 2, 3]


def test_a_disk_that_fills_up_leaves_what_was_saved(alone, tmp_path, monkeypatch):
    begin_and_stop(monkeypatch, tmp_path, 4, SETTINGS)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))  # no file can grow larger, as on a full disk
    try:
        with pytest.raises(CamkitError, match=r"state\.pt: .*what was saved before is still there.*--resume"):
            train(SETTINGS, tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    train(SETTINGS, tmp_path, resume=True)
    assert_same(tmp_path, alone)


def test_other_settings_are_named_and_a_held_folder_is_refused(alone):
    with pytest.raises(CamkitError, match=r"cannot resume .*--backbone vgg-small -> resnet-small, --lr 0.05 -> 0.1"):
        train(replace(SETTINGS, backbone="resnet-small", lr=0.1), alone, resume=True)
    with pytest.raises(CamkitError, match=r"already holds a run .*--resume"):
        train(SETTINGS, alone)
    with pytest.raises(CamkitError, match="together"):
        train(SETTINGS, alone, resume=True, overwrite=True)


def test_a_damaged_state_is_named(tmp_path):
    (tmp_path / "state.pt").write_bytes(b"PK")
    with pytest.raises(CamkitError, match=r"state\.pt: damaged"):
        train(SETTINGS, tmp_path, resume=True)


def test_a_state_of_another_network_is_refused(tmp_path):
    save_state(tmp_path, State(asdict(SETTINGS), 3, {"weight": torch.zeros(1)}, {}))
    with pytest.raises(CamkitError, match=r"state\.pt: the weights do not fit"):
        train(SETTINGS, tmp_path, resume=True)
