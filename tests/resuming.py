"""A run that is broken off, and what must be the same once it has gone on."""

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from camkit.training import train
from camkit.training.loop import Loop
from camkit.training.state import read_state

TIMES = ["seconds", "images_per_s", "waiting"]


def assert_same(folder, alone):
    for name in ("last.safetensors", "best.safetensors"):
        weights, expected = load_file(folder / name), load_file(alone / name)
        assert all(torch.equal(weights[key], expected[key]) for key in expected)
    logs = [pd.read_csv(path / "log.csv").drop(columns=TIMES) for path in (folder, alone)]
    pd.testing.assert_frame_equal(*logs)
    assert not list(folder.glob(".*.part"))
    assert same(*(vars(read_state(path)) for path in (folder, alone)))


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


def same(one, other):
    """Whether two states, of nested dicts, lists and tensors, are the same but for the time that they took."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one if key not in TIMES)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
