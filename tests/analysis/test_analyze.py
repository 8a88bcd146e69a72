"""One pass over the images for all analyses, and what can go wrong on the way."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from small import Plain, perturb

from camkit import CamkitError
from camkit.analysis import ANALYSES, Observation, Requirements, analyze, ioa, observe, requirements_of
from camkit.cli import cli
from camkit.cli.analyze import NAMES
from camkit.data import Preprocess, read_dataset
from camkit.data.records import no_boxes
from camkit.evaluation import evaluate
from camkit.inference import Inference
from camkit.input_spec import InputSpec
from camkit.localization import Failure
from camkit.models import Classifier
from camkit.recipe import RECIPES


def network(seed=0):
    torch.manual_seed(seed)
    spec = InputSpec(size=(32, 32), resize=32)
    return Inference(Classifier(perturb(Plain(3)), "plain", spec, None, f"seed {seed}"), "cpu", "fp32")


@pytest.fixture
def shapes():
    return read_dataset("shapes", "n=9,size=32,classes=3", "val")


@pytest.fixture
def bare(shapes):
    """The same without a box."""
    return replace(shapes, records=[replace(record, boxes=no_boxes()) for record in shapes.records])


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_an_observation_is_what_the_network_computes(shapes):
    inference = network()
    for seen in observe(inference, shapes, batch_size=4):
        maps = torch.einsum("c,chw->hw", seen.weight, seen.features)
        torch.testing.assert_close(seen.class_map(), maps)
        torch.testing.assert_close(seen.class_map("positive") + seen.class_map("negative"), maps)
        bias = inference.cam.head.bias[seen.label]
        torch.testing.assert_close(maps.mean() + bias, seen.logits[seen.label], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(
            seen.logit_weight @ seen.pooled + bias, seen.logits[seen.label], rtol=1e-4, atol=1e-5
        )


def test_masked_features_are_those_of_image_times_map(shapes):
    inference = network()
    first = next(iter(observe(inference, shapes, Requirements(masked=True, intensities=(0.5,)))))
    model = inference.classifier.model
    sample = next(iter(observe(inference, replace(shapes, records=shapes.records[:1]), Requirements(pixels=True))))
    pixels, _ = Preprocess(inference.classifier.input)(sample.pixels)
    mask = torch.nn.functional.interpolate(first.soft_mask()[None, None], size=(32, 32), mode="bilinear")[0]
    with torch.no_grad():
        expected = model.features((pixels * mask)[None]).mean((2, 3))[0]
        dimmed = model.features(0.5 * pixels[None]).mean((2, 3))[0]
    torch.testing.assert_close(first.masked, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(first.dimmed[0.5], dimmed, rtol=1e-4, atol=1e-5)


def test_all_take_five_passes_and_agree_with_each_alone(shapes):
    inference = network()
    shapes = replace(shapes, records=shapes.records[:3])
    calls = []
    inference.classifier.model.register_forward_hook(lambda *_: calls.append(1))
    found = analyze(inference, shapes)
    assert list(found.findings) == list(ANALYSES)
    assert len(calls) == found.passes == requirements_of("all").passes == 5
    alone = ioa(observe(inference, shapes, batch_size=2))
    pd.testing.assert_frame_equal(alone.table, found.findings["ioa"].table, check_exact=False, atol=1e-5)
    assert len(calls) == 5 + 2


@pytest.mark.parametrize("fit", ["stretch", "crop", "keep"])
def test_localization_is_that_of_evaluate(shapes, fit):
    """Boxes found here and there meet the truth on the same images, also where the network sees a part of each."""
    spec = InputSpec(size=(24, 20), resize=32)
    classifier = replace(network().classifier, input=spec)
    inference = Inference(classifier, "cpu", "fp32")
    recipes = {name: RECIPES[name] for name in ("cam", "nwc", "pas", "nwc+pas")}
    known = evaluate(inference, shapes, recipes, fit=fit, step=0.5)
    found = analyze(inference, shapes, ["sweep", "zipf"], {"zipf": {"theta": 0.2}}, fit=fit).findings
    summary = found["sweep"].summary
    for recipe, weighting, setting in (
        ("cam", "signed", "max_0.2"),
        ("nwc", "positive", "max_0.2"),
        ("pas", "signed", "pas_0.35_90"),
        ("nwc+pas", "positive", "pas_0.35_90"),
    ):
        assert summary[weighting][setting].value == pytest.approx(known.localization[recipe]["gt_loc"].value)
    ious = known.per_image[known.per_image["recipe"] == "cam"].set_index("image")["iou"]
    assert found["zipf"].table.set_index("image")["iou_max"].to_dict() == pytest.approx(ious.to_dict())


@pytest.mark.parametrize("count", [1, 9])
def test_every_summary_is_json_and_every_figure_is_drawn(shapes, count):
    found = analyze(network(), replace(shapes, records=shapes.records[:count]))
    for finding in found.findings.values():
        json.loads(json.dumps(finding.as_json()), parse_constant=refuse)
        assert finding.plot().figure.axes[1:]
        assert len(finding.table)


def test_weights_that_are_all_positive(shapes):
    inference = network()
    weight = inference.classifier.model.fc.weight
    with torch.no_grad():
        weight.abs_()
    inference = Inference(inference.classifier, "cpu", "fp32")
    found = analyze(inference, shapes, ["ioa", "channels"])
    assert any("no image has a negative part" in note for note in found.findings["ioa"].notes)


def test_without_a_single_box(bare):
    found = analyze(network(), bare)
    assert found.left_out == ("ioa", "sweep")
    assert "zipf" in found.findings
    with pytest.raises(CamkitError, match="ioa needs ground-truth boxes"):
        analyze(network(), bare, ["zipf", "ioa"])


def test_images_that_fail_are_named(shapes):
    def broken():
        return b"no picture"

    records = [replace(shapes.records[0], read=broken), replace(shapes.records[1], label=None), *shapes.records[2:]]
    results = list(observe(network(), replace(shapes, records=records)))
    assert [type(result) for result in results] == [Failure, Failure] + [Observation] * 7
    assert "no label" in results[1].reason
    assert any("000000.png is left out" in note for note in ioa(results).notes)
    found = analyze(network(), replace(shapes, records=records), ["zipf"])
    assert [failure.image for failure in found.failures] == ["000000.png", "000001.png"]


def test_features_that_are_no_numbers_fail_image_by_image(shapes):
    inference = network()
    with torch.no_grad():
        inference.classifier.model.features[3].weight[0] = float("nan")
    results = list(observe(inference, shapes, Requirements(masked=True)))
    assert {type(result) for result in results} == {Failure}
    with pytest.raises(CamkitError, match="none of the 9 images"):
        analyze(inference, shapes, ["zipf"])


def test_names_are_checked(shapes):
    with pytest.raises(CamkitError, match="no analysis is called ioo: choose all, ioa"):
        analyze(network(), shapes, ["ioo"])
    assert (*ANALYSES, "all") == NAMES


NETWORK = """
import torch
from torch import nn
SIZE = 32
def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
"""


def run(tmp_path, *options, expect=0):
    (tmp_path / "net.py").write_text(NETWORK)
    model = ["--model", f"{tmp_path}/net.py:build"]
    arguments = [*model, "--dataset", "shapes", "--root", "n=4,size=32", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(cli, ["analyze", *options, *arguments])
    assert done.exit_code == expect, done.output
    return done


def test_the_command_writes_table_summary_and_figure(tmp_path):
    out = tmp_path / "out"
    done = run(tmp_path, "zipf", "intensity", "--intensities", "0.5")
    assert "4 images: 4 analysed, 0 failed" in done.output
    assert "2 forward passes an image" in done.output
    written = {f"{name}.{suffix}" for name in ("zipf", "intensity") for suffix in ("csv", "json", "png", "pdf")}
    (out / "zipf-notes.csv").write_text("not camkit's")
    own = {"zipf-notes.csv", ".camkit-files.json", ".camkit-journal.jsonl"}
    assert {path.name for path in out.iterdir()} - own == written | {
        "zipf-curves.csv",
        "failures.csv",
        "run.json",
    }
    assert len(pd.read_csv(out / "zipf.csv")) == 4
    summary = json.loads((out / "zipf.json").read_text(), parse_constant=refuse)
    assert summary["analysis"] == "zipf"
    assert summary["share_max"]["n"] == 4
    assert Image.open(out / "zipf.png").width > 1000
    assert (out / "zipf.pdf").read_bytes().startswith(b"%PDF")
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["analyses"]["intensity"] == {"intensities": "(0.5,)"}
    again = run(tmp_path, "ioa", expect=1)
    assert isinstance(again.exception, CamkitError)
    assert "--overwrite" in str(again.exception)
    run(tmp_path, "channels", "--limit", "2", "--overwrite")
    assert not list(out.glob("zipf.*"))
    assert (out / "zipf-notes.csv").exists()
    assert np.isfinite(pd.read_csv(out / "channels-images.csv")["rank_gap"]).all()


@pytest.mark.parametrize("options", [["ioo"], [], ["zipf", "--intensities", "a"]])
def test_wrong_calls(tmp_path, options):
    assert run(tmp_path, *options, expect=2).output
