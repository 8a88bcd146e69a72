"""Recipes named on the command line: every weighting and threshold there is, and one's own of each from a file."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from camkit.boxes import THRESHOLDS
from camkit.cam import WEIGHTINGS
from camkit.cli import cli
from camkit.errors import CamkitError

NETWORK = """
import torch
from camkit.models import TinyResNet
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
"""
OWN = """
import numpy as np
def doubled(weights, classes, logits, pooled):
    return 2 * weights[classes]
def short(weights, classes, logits, pooled):
    return weights[classes][..., :1]
def median(maps):
    return np.median(np.asarray(maps, np.float64), axis=(-2, -1))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("recipes")
    (place / "net.py").write_text(NETWORK)
    (place / "own.py").write_text(OWN)
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(place / "a.png")
    return place


def boxes(place, name, *options):
    call = ["localize", "--model", f"{place}/net.py:build", "--images", str(place / "a.png"), "--no-overlays",
            "--save-maps", "--out", str(place / name), *options]  # fmt: skip
    done = CliRunner().invoke(cli, call)
    assert done.exit_code == 0, done.output
    (row,) = pd.read_csv(place / name / "boxes.csv").to_dict("records")
    score_map = np.load(next((place / name / "maps").glob("*.npy"))).astype(np.float64)
    return row, score_map, json.loads((place / name / "run.json").read_text())["settings"]["recipe"]


@pytest.mark.parametrize("weighting", ["signed", "positive", "negative"])
@pytest.mark.parametrize(("threshold", "lo", "hi", "theta"), [
    ("max", None, 100, 0.2), ("minmax", 0, 100, 0.2), ("pas", 0, 90, 0.35), ("ivr", 60, 100, 0.2),
    ("p10:p95", 10, 95, 0.2),
])  # fmt: skip
def test_every_weighting_and_threshold_by_name(place, weighting, threshold, lo, hi, theta):
    assert set(THRESHOLDS) == {"max", "minmax", "pas", "ivr"}
    assert {"signed", "positive", "negative"} <= set(WEIGHTINGS)
    name = f"{weighting}-{threshold.replace(':', '-')}"
    row, score_map, recipe = boxes(place, name, "--weighting", weighting, "--threshold", threshold)
    low, high = (0.0 if q is None else np.percentile(score_map, q) for q in (lo, hi))
    assert row["tau"] == pytest.approx(low + theta * (high - low), rel=1e-3)
    assert recipe["weighting"] == weighting
    assert recipe["normalization"] == ("none" if threshold == "max" else "minmax")


def test_the_papers_short_names_are_points_of_the_family(place):
    for short, long in ((["--no-nwc", "--no-pas"], ["--weighting", "signed", "--threshold", "minmax"]),
                        (["--nwc", "--pas"], ["--weighting", "positive", "--threshold", "pas"])):  # fmt: skip
        one, other = boxes(place, "-".join(short), *short), boxes(place, "-".join(long), *long)
        assert {k: one[0][k] for k in ("x0", "y0", "x1", "y1", "tau")} == {
            k: other[0][k] for k in ("x0", "y0", "x1", "y1", "tau")
        }
        np.testing.assert_array_equal(one[1], other[1])


def test_ones_own_of_each_from_a_file(place):
    weighting, threshold = f"{place}/own.py:doubled", f"{place}/own.py:median"
    options = ["--weighting", weighting, "--threshold", threshold, "--normalize", "none"]
    row, score_map, recipe = boxes(place, "own", *options)
    _, plain, _ = boxes(place, "plain", "--weighting", "signed", "--normalize", "none")
    np.testing.assert_allclose(score_map, 2 * plain, rtol=1e-6)
    assert row["tau"] == pytest.approx(np.median(score_map), rel=1e-3)
    assert (recipe["weighting"], recipe["threshold"]) == (weighting, {"rule": threshold})
    # A settings file that names it is read where its code is named beside it: no data runs code.
    (place / "s.json").write_text(json.dumps({"recipe": recipe, "chosen_on": "x", "model": "y"}))
    again, _, _ = boxes(place, "again", "--settings", str(place / "s.json"), *options[:4])
    assert again == row


@pytest.mark.parametrize(("wrong", "said"), [
    (["--weighting", "postive"], "weighting 'postive' is unknown"),
    (["--weighting", "positive", "--nwc"], "--weighting and --nwc"),
    (["--threshold", "pas", "--no-pas"], "--threshold and --pas"),
    (["--threshold", "best"], "give max, minmax, pas, ivr"),
    (["--threshold", "p90:p10"], "lo p90 is not below"),
    (["--threshold", "p90:p101"], "'p101' is none"),
    (["--threshold", "max", "--percentile", "90"], "belongs to PaS and IVR"),
    (["--threshold", "pas", "--percentile", "70"], "80 to 100"),
    (["--weighting", "{place}/own.py:nothing"], "it has doubled, short, median"),
    (["--weighting", "{place}/none.py:f"], "no such file"),
    (["--threshold", "{place}/own.py:median", "--theta", "0.3"], "says nothing to"),
])  # fmt: skip
def test_wrong_names_are_refused_in_one_line(place, wrong, said):
    call = ["localize", "--model", f"{place}/net.py:build", "--images", str(place / "a.png"), "--out"]
    done = CliRunner().invoke(cli, [*call, str(place / "wrong"), *(word.format(place=place) for word in wrong)])
    message = str(done.exception) if isinstance(done.exception, CamkitError) else done.output
    assert said in message
    assert done.exit_code
    assert not (place / "wrong").exists()
