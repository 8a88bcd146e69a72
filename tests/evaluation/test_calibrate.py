"""A threshold chosen on one split: the surface against the recipes themselves, and the settings that come of it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from camkit.boxes import MaxThreshold, PercentileThreshold, Threshold
from camkit.cli import cli
from camkit.data import Record, read_dataset
from camkit.errors import CamkitError
from camkit.evaluation import PROTOCOLS, ImagePrediction, calibrate, evaluate
from camkit.evaluation.calibrate import best_of
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.models import Classifier, TinyResNet
from camkit.recipe import Recipe
from camkit.runs.settings import read_settings

MODEL = """
import torch
from camkit.models import TinyResNet
SIZE, MEAN, STD = 64, (0.5,) * 3, (0.25,) * 3
def build():
    torch.manual_seed(0)
    return TinyResNet(3, (8, 16), 1).eval()
"""


def inference():
    torch.manual_seed(0)
    spec = InputSpec((64, 64), 64, (0.5,) * 3, (0.25,) * 3)
    return Inference(Classifier(TinyResNet(3, (8, 16), 1).eval(), "net", spec, None, "random"), "cpu", "fp32")


def test_the_surface_is_what_each_recipe_gives():
    dataset = read_dataset("shapes", "n=24,classes=3", "val")
    found = calibrate(inference(), dataset, Recipe())
    surface = found.surface.set_index(["weighting", "threshold", "percentile", "theta"])["gt_loc"]
    assert len(surface) == 2 * (1 + 1 + 20 + 19) * 99
    assert found.n == 24
    settings = [("signed", "minmax", 100, 0.2), ("positive", "pas", 90, 0.35), ("signed", "pas", 85, 0.8),
                ("positive", "minmax", 100, 0.6), ("signed", "ivr", 60, 0.2), ("positive", "ivr", 30, 0.5),
                ("signed", "max", 100, 0.2), ("positive", "max", 100, 0.7), ("positive", "max", 100, 0.05)]  # fmt: skip
    recipes = {
        str(i): Recipe(
            weighting,
            Threshold(theta, f"p{p}", "max")
            if name == "ivr"
            else Threshold(theta, 0.0, "max" if p == 100 else f"p{p}"),
            "none" if name == "max" else "minmax",
        )
        for i, (weighting, name, p, theta) in enumerate(settings)
    }
    exact = evaluate(inference(), dataset, recipes, step=0.5).localization
    for i, setting in enumerate(settings):
        # On 256 grey levels a threshold is off by up to one of them: a box or two may change.
        assert surface[setting] == pytest.approx(exact[str(i)]["gt_loc"].value, abs=100 * 2 / 24 + 1e-9)
    best = surface.max()
    assert surface[found.setting] == best


def test_of_equals_the_nearest_to_the_paper_is_taken():
    rows = [("signed", "pas", 90, 0.35, 70.0), ("positive", "pas", 90, 0.35, 70.0), ("positive", "pas", 80, 0.35, 70.0)]
    rows += [
        ("positive", "ivr", 90, 0.35, 70.0),
        ("gradcam++", "pas", 90, 0.35, 70.0),
        ("signed", "minmax", 100, 0.9, 60.0),
    ]
    table = pd.DataFrame(rows, columns=["weighting", "threshold", "percentile", "theta", "gt_loc"])
    fits = pd.concat([table.assign(fit=fit) for fit in ("keep", "stretch", "crop")])
    assert best_of(fits, Recipe()) == (Recipe("positive", PercentileThreshold(0.35, 90.0)), "stretch")
    last = table.assign(gt_loc=[0, 0, 0, 0, 0, 1], fit="keep")
    assert best_of(last, Recipe()) == (Recipe("signed", MaxThreshold(0.9)), "keep")
    raw = last.assign(threshold=["pas"] * 5 + ["max"])
    assert best_of(raw, Recipe()) == (Recipe("signed", MaxThreshold(0.9), "none"), "keep")
    level = last.assign(threshold=["pas"] * 5 + ["ivr"], percentile=[90] * 5 + [55])
    assert best_of(level, Recipe()) == (Recipe("signed", Threshold(0.9, "p55", "max")), "keep")


@pytest.fixture
def place(tmp_path):
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def run(place, *options, expect=0):
    arguments = ["calibrate", "--model", f"{place}/net.py:build", "--dataset", "shapes", "--root", "n=20,classes=3"]
    done = CliRunner().invoke(cli, [*arguments, "--out", str(place / "out"), "--step", "0.5", *options])
    assert done.exit_code == expect, done.output
    return done


def test_settings_reach_the_other_commands_with_where_they_were_chosen(place):
    said = run(place, "--split", "train", "--test-split", "val").output
    assert "on train, where it was chosen" in said
    assert "on val, not seen before" in said
    held = json.loads((place / "out/calibration.json").read_text())
    assert held["splits"]["train"]["calibrated"]["gt_loc"]["threshold_split"] == "boxes of the reported split"
    assert held["splits"]["val"]["calibrated"]["gt_loc"]["threshold_split"] == "boxes of shapes train"
    assert held["splits"]["val"]["before"]["gt_loc"]["threshold_split"] == "fixed beforehand"
    settings = place / "out/settings.json"
    for split, label in (("train", "boxes of the reported split"), ("test", "boxes of shapes train")):
        done = CliRunner().invoke(
            cli,
            ["evaluate", "--model", f"{place}/net.py:build", "--dataset", "shapes", "--root", "n=20,classes=3",
             "--split", split, "--settings", str(settings), "--out", str(place / split), "--step", "0.5"],
        )  # fmt: skip
        assert "gt_loc" in done.output
        assert f"threshold: {label}" in done.output
        metrics = json.loads((place / split / "metrics.json").read_text())
        assert metrics["gt_loc"]["threshold_split"] == label
        if split == "train":
            assert metrics["gt_loc"]["value"] == held["splits"]["train"]["calibrated"]["gt_loc"]["value"]
    done = CliRunner().invoke(
        cli,
        ["localize", "--model", "tiny", "--settings", str(settings), "--images", str(place / "out/surface.png"),
         "--out", str(place / "boxes"), "--no-overlays"],
    )  # fmt: skip
    assert done.exit_code == 0
    assert "chosen for" in done.stderr
    record = json.loads((place / "boxes/run.json").read_text())["settings"]
    assert record["recipe"] == held["calibrated"]
    assert record["threshold_split"] == "boxes of shapes train"


def test_wrong_calls(place):
    assert "both 'val'" in run(place, "--test-split", "val", expect=2).output
    (place / "s.json").write_text("{}")
    call = [
        "localize",
        "--model",
        "tiny",
        "--images",
        ".",
        "--out",
        str(place / "x"),
        "--settings",
        str(place / "s.json"),
    ]
    assert "no settings file" in str(CliRunner().invoke(cli, call).exception)
    assert CliRunner().invoke(cli, [*call, "--theta", "0.3"]).exit_code == 2
    (place / "s.json").write_text(json.dumps({"recipe": {**Recipe().to_dict(), "weighting": "x"}}))
    with pytest.raises(CamkitError, match="weighting 'x' is unknown"):
        read_settings(place / "s.json")


def test_a_recipe_survives_its_file():
    for recipe in (Recipe(), Recipe("signed", MaxThreshold(0.123456789), "none", "bicubic")):
        assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert np.isclose(Recipe().threshold.theta, 0.35)


@pytest.mark.parametrize("values", [
    [[-3.0, -2], [-1, -0.5]], [[-2.0, 1], [3, 4]], [[1.0, 1.5], [2, 4]], [[5.0, 5], [5, 5]], [[-5.0, -5], [-5, -5]]
])  # fmt: skip
def test_the_maximum_of_a_map_as_it_is_cuts_at_the_right_grey_level(values):
    """Against the map itself cut at theta times its maximum: below all values, among them, above all."""
    image = ImagePrediction(Record("a", 0), (2, 2), None, {"signed": torch.tensor(values)}, 0, None)
    for theta in (0.05, 0.2, 0.5, 0.9):
        protocol = PROTOCOLS["paper"]
        boxes = np.concatenate([protocol.levels(image, Recipe("signed"))[1], protocol.whole(image)])
        (level,) = protocol.levels_of_maximum(image, Recipe("signed"), np.array([theta]))
        own = protocol.boxes(image, {"it": Recipe("signed", MaxThreshold(theta), "none")})["it"]
        assert boxes[level].tolist() == own.tolist()


def test_a_window_is_whole_where_it_lies():
    image = ImagePrediction(Record("a", 0), (10, 20), (5.0, 0.0, 15.0, 10.0), {"signed": torch.ones(2, 2)}, 0, None)
    assert PROTOCOLS["paper"].whole(image).tolist() == [[5, 0, 15, 10]]


def test_only_what_is_asked_for_is_tried():
    dataset = read_dataset("shapes", "n=6,classes=3", "val")
    found = calibrate(inference(), dataset, Recipe(), weightings=("gradcam++", "finer"), thresholds=("ivr",))
    assert set(found.surface["weighting"]) == {"gradcam++", "finer"}
    assert len(found.surface) == 2 * 19 * 99
    assert (found.setting[0], found.setting[1]) == (found.recipe.weighting, "ivr")
    assert "max" not in set(calibrate(inference(), dataset, Recipe(), protocol="wsol").surface["threshold"])
    for wrong, said in ((("mean",), "'mean' has no thetas"), (("max",), "normalises maps")):
        with pytest.raises(CamkitError, match=said):
            calibrate(inference(), dataset, Recipe(), thresholds=wrong, protocol="wsol")


def test_an_unknown_protocol_is_named():
    dataset = read_dataset("shapes", "n=3,classes=3", "val")
    for work in (lambda: calibrate(inference(), dataset, Recipe(), protocol="coco"),
                 lambda: evaluate(inference(), dataset, {"cam": Recipe()}, protocol="coco")):  # fmt: skip
        with pytest.raises(CamkitError, match="'coco': give one of paper, wsol"):
            work()


@pytest.fixture
def wide(tmp_path):
    """Photographs that are wider than high, one of them so much that crop and keep refuse it, and their boxes."""
    rng = np.random.default_rng(0)
    lines = []
    for split in ("one", "two"):
        lines = ["image,label,x0,y0,x1,y1"]
        for i in range(12):
            width, height = (4040, 10) if i == 5 else (96, 40)
            Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8)).save(tmp_path / f"{split}{i}.png")
            x0 = int(rng.integers(0, width // 2))
            lines.append(f"{split}{i}.png,{i % 3},{x0},0,{x0 + width // 2},{height}")
        (tmp_path / f"{split}.csv").write_text("\n".join(lines))
    (tmp_path / "net.py").write_text(MODEL)
    return tmp_path


def test_every_fit_has_the_surface_that_it_has_alone(wide):
    dataset = read_dataset("csv", wide, "one")
    found = calibrate(inference(), dataset, Recipe(), fits=("stretch", "crop", "keep"))
    assert (found.n, [failure.image for failure in found.failures]) == (11, ["one5.png"])
    rest = replace(dataset, records=[record for record in dataset.records if record.image != "one5.png"])
    for fit, surface in found.surface.groupby("fit"):
        alone = calibrate(inference(), rest, Recipe(), fits=(fit,))
        assert alone.surface["gt_loc"].tolist() == surface["gt_loc"].tolist()
    of_fits = found.surface.groupby("fit")["gt_loc"].max()
    assert of_fits.nunique() > 1
    assert of_fits[found.fit] == of_fits.max()


def test_the_fit_is_chosen_and_goes_with_the_settings(wide):
    arguments = ["--model", f"{wide}/net.py:build", "--dataset", "csv", "--root", str(wide), "--step", "0.5"]
    splits = ["--split", "one", "--test-split", "two"]
    done = CliRunner().invoke(cli, ["calibrate", *arguments, *splits, "--out", str(wide / "out")])
    assert done.exit_code == 1, done.output  # the image that two of the fits refuse, in each split
    settings = wide / "out/settings.json"
    held, record = (json.loads((wide / "out" / name).read_text()) for name in ("settings.json", "calibration.json"))
    surface = pd.read_csv(wide / "out/surface.csv")
    best = surface.loc[surface["gt_loc"] == surface["gt_loc"].max(), "fit"]
    assert held["fit"] == record["calibrated_fit"] in set(best)
    assert held["fit"] != "stretch"
    assert f"fit {held['fit']}; the best of {3 * 2 * 41 * 99}" in done.output
    assert record["splits"]["one"]["gain"]["difference"]["n"] == 11
    assert read_settings(settings).fit == held["fit"]
    localize = ["localize", "--model", f"{wide}/net.py:build", "--images", str(wide / "one1.png"), "--no-overlays"]
    done = CliRunner().invoke(cli, [*localize, "--settings", str(settings), "--out", str(wide / "boxes")])
    assert done.exit_code == 0, done.output
    assert json.loads((wide / "boxes/run.json").read_text())["settings"]["fit"] == held["fit"]
    done = CliRunner().invoke(
        cli, [*localize, "--settings", str(settings), "--fit", "stretch", "--out", str(wide / "x")]
    )
    assert (done.exit_code, "leave out --fit" in done.output) == (2, True)
    done = CliRunner().invoke(cli, ["evaluate", *arguments, "--split", "two", "--settings", str(settings), "--out",
                                    str(wide / "evaluated")])  # fmt: skip
    measured = json.loads((wide / "evaluated/metrics.json").read_text())["gt_loc"]
    assert measured["value"] == record["splits"]["two"]["calibrated"]["gt_loc"]["value"]


def test_one_fit_alone_where_it_is_named_and_none_that_is_unknown(wide):
    arguments = ["--model", f"{wide}/net.py:build", "--dataset", "csv", "--root", str(wide), "--step", "0.5"]
    done = CliRunner().invoke(cli, ["calibrate", *arguments, "--split", "one", "--test-split", "two", "--fit",
                                    "stretch", "--out", str(wide / "out")])  # fmt: skip
    assert done.exit_code == 0, done.output
    held = json.loads((wide / "out/settings.json").read_text())
    assert (held["fit"], held["n"]) == ("stretch", 12)
    for fit, says in (("pad", "fit 'pad' is unknown"), ([], "is unknown"), (None, None)):
        (wide / "s.json").write_text(json.dumps({**held, "fit": fit}))
        if says is None:
            assert read_settings(wide / "s.json").fit is None  # as version 0.1.0 wrote it
        else:
            with pytest.raises(CamkitError, match=says):
                read_settings(wide / "s.json")


def test_a_network_of_one_input_size_is_not_asked_to_keep(wide):
    (wide / "net.py").write_text(f"""{MODEL}
class Fixed(TinyResNet):
    def forward(self, x):
        if x.shape[2:] != (64, 64):
            raise RuntimeError("one size")
        return super().forward(x)
def fixed():
    torch.manual_seed(0)
    return Fixed(3, (8, 16), 1).eval()
""")
    arguments = ["--model", f"{wide}/net.py:fixed", "--dataset", "csv", "--root", str(wide), "--step", "0.5"]
    done = CliRunner().invoke(cli, ["calibrate", *arguments, "--split", "one", "--test-split", "two", "--out",
                                    str(wide / "out")])  # fmt: skip
    assert "note: fit keep was not tried" in done.output
    assert json.loads((wide / "out/calibration.json").read_text())["settings"]["fits"] == ["stretch", "crop"]
