"""The command line on a small network and four photographs, in this process or in one of its own."""

import csv
import subprocess
import sys

import numpy as np
from click.testing import CliRunner
from PIL import Image

from camkit.cli import main

MODEL = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.0,) * 3, (1.0,) * 3
LABELS = ["first", "second", "third"]
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
"""


NAMES = ("a.png", "b, with comma.png", "below/c.jpg", "below/=d.png")


def make_place(folder):
    """net.py and four photographs."""
    (folder / "net.py").write_text(MODEL)
    photos = folder / "photos"
    (photos / "below").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in NAMES:
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).save(photos / name)
    return folder


def call(place, *options, images=None):
    """Exit status, standard output, the last line of standard error."""
    arguments = ["--model", f"{place}/net.py:build", "--out", str(place / "out")]
    if "--images" not in options:
        arguments += ["--images", str(images or place / "photos")]
    return run("localize", *arguments, *options)


def run(*arguments):
    sys.argv = ["camkit", *map(str, arguments)]
    runner = CliRunner()
    with runner.isolation() as streams:
        try:
            main()
            status = 0
        except SystemExit as leaving:
            status = int(leaving.code or 0)
        out, err = streams[0].getvalue().decode(), streams[1].getvalue().decode()
    return status, out, err.strip().splitlines()[-1] if err.strip() else ""


def rows(place, name="boxes.csv"):
    return list(csv.DictReader((place / "out" / name).open(newline="")))


def arguments(place, *options):
    """Of a process that localizes."""
    of_run = ["--model", f"{place}/net.py:build", "--images", f"{place}/photos", "--out", f"{place}/out"]
    return [sys.executable, "-m", "camkit", "localize", *of_run, *map(str, options)]


def process(place, *options, **settings):
    """A run in a process of its own, to its end."""
    return subprocess.run(arguments(place, *options), capture_output=True, text=True, check=False, **settings)
