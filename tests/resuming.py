"""A run that is broken off, and what must be the same once it has gone on."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from camkit.training import train
from camkit.training.loop import Loop

TIMES = ["seconds", "images_per_s", "waiting"]


def assert_same(folder, alone):
    for name in ("last.safetensors", "best.safetensors"):
        weights, expected = load_file(folder / name), load_file(alone / name)
        assert all(torch.equal(weights[key], expected[key]) for key in expected)
    logs = [pd.read_csv(path / "log.csv").drop(columns=TIMES) for path in (folder, alone)]
    pd.testing.assert_frame_equal(*logs)
    assert not list(folder.glob(".*.part"))


def begin_and_stop(monkeypatch, folder, step, settings):
    """A run that is broken off before this step, as by Ctrl-C."""
    done = Loop.step

    def step_or_stop(self, number, parts):
        if number == step:
            raise KeyboardInterrupt
        return done(self, number, parts)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "step", step_or_stop)
        with pytest.raises(KeyboardInterrupt):
            train(settings, folder)


def flat(tree):
    """Every tensor in nested dicts and lists."""
    if isinstance(tree, torch.Tensor):
        yield tree
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from flat(item)
