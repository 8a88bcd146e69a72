"""What the runs of tests/report are made of: a small network, drawn pictures and hostile names."""

import numpy as np
from click.testing import CliRunner
from PIL import Image

from camkit.cli import cli

MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD, LABELS = 64, (0.0,) * 3, (1.0,) * 3, ["warm</script><script>alert(1)</script>", "=cold<b>"]
def build():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 12, 9, 6, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 2))
    net[0].weight.data.abs_()
    net[4].weight.data.abs_()
    net[4].weight.data[:, ::4] *= -0.3
    return net
"""
NAMES = ['"><script>alert(1)<.png', "</script><img src=x onerror=alert(1)>.png", "a{{ 7*7 }}.png", "-dash.png"]
IMAGES = 14


def draw(rng):
    """A bright blob on noise, and its box."""
    height, width = int(rng.integers(60, 100)), int(rng.integers(70, 130))
    x, y, radius = rng.integers(20, width - 20), rng.integers(20, height - 20), rng.integers(8, 18)
    v, u = np.mgrid[:height, :width]
    blob = np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * radius**2))
    pixels = 60 * rng.random((height, width, 3)) + 180 * blob[..., None] * rng.random(3)
    box = max(x - radius, 0), max(y - radius, 0), min(x + radius, width), min(y + radius, height)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), box


def call(*arguments, expect=(0,)):
    """A command's output."""
    done = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    crashed = done.exception is not None and not isinstance(done.exception, SystemExit)
    assert not crashed, done.exception
    assert done.exit_code in expect, done.output
    return done.output
