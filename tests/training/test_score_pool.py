"""WILDCAT and WELDON in whole runs: stopped and gone on, in two processes, and what is saved of their maps."""

from dataclasses import replace

import pytest
import torch
from processes import assert_two_are_one
from resuming import assert_same, begin_and_stop
from safetensors.torch import load_file

from camkit import CAM, CamkitError, load_classifier
from camkit.training import TrainSettings, train
from camkit.training.state import read_state

SETTINGS = TrainSettings(
    dataset="shapes", root="n=24,size=32,classes=3", backbone="vgg-small", pool="wildcat:0.2,0.2,0.7,3", weights="none",
    size=(24,), resize=28, epochs=2, batch_size=8, lr=0.02, save_every=1, val_every=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wildcat")
    train(SETTINGS, folder)
    return folder


def test_stopped_in_an_epoch_and_gone_on(alone, tmp_path, monkeypatch):
    begin_and_stop(monkeypatch, tmp_path, 4, SETTINGS)
    train(SETTINGS, tmp_path, resume=True)
    assert_same(tmp_path, alone)


def test_the_run_has_three_maps_a_class_and_what_it_saves_one(alone):
    several = read_state(alone).model["pool.scores.weight"]
    one = load_file(alone / "last.safetensors")["pool.scores.weight"]
    assert (several.shape, one.shape) == ((9, 96, 1, 1), (3, 96, 1, 1))
    torch.testing.assert_close(one, several.reshape(3, 3, 96, 1, 1).mean(1))
    classifier = load_classifier(str(alone / "last.safetensors"))
    assert (CAM(classifier.model, (24, 24)).head.kind, classifier.pool) == ("WILDCAT", "wildcat:0.2,0.2,0.7")


def test_two_processes_are_one(tmp_path):
    wildcat = replace(SETTINGS, size=(28,), resize=32, root="n=40,classes=4")
    assert_two_are_one(tmp_path, [wildcat, replace(wildcat, pool="weldon:4,2")])


def test_a_method_that_looks_at_class_maps_says_that_there_is_no_fc(tmp_path):
    with pytest.raises(CamkitError, match=r"WILDCAT.*scores are pooled") as refusal:
        train(replace(SETTINGS, method="minmax", batch_size=0), tmp_path)
    assert "\n" not in str(refusal.value)
