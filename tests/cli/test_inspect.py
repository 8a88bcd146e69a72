"""camkit inspect and camkit localize agree: what one finds the other uses, and what one refuses so does the other."""

import csv
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from camkit import CamkitError, Localizer
from camkit.cli import cli
from camkit.inference import in_grey
from camkit.input_spec import InputSpec

NETWORKS = """
import torch
from torch import nn
SIZE, MEAN, STD = 32, (0.5,) * 3, (0.25,) * 3

class Net(nn.Module):
    def __init__(self, channels=3, classes=4):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(channels, 8, 4, 4), nn.ReLU())
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))

class WithLabel(Net):
    def forward(self, x, label):
        return super().forward(x) - label

class Squeezed(Net):
    def forward(self, x):
        return super().forward(x).squeeze()

class Several(Net):
    def forward(self, x):
        return {"colour": super().forward(x), "shape": super().forward(x)[:, :3]}

class Softmaxed(Net):
    def forward(self, x):
        return super().forward(x).softmax(1)

class OfPairs(Net):
    def forward(self, x):
        return super().forward(x).squeeze().softmax(1)

class Token(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.patch, self.token = nn.Conv2d(3, 8, 8, 8), nn.Parameter(torch.randn(1, 1, 8))
        self.blocks = nn.Sequential(
            *(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True) for _ in range(2))
        )
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        return self.fc(self.blocks(torch.cat([self.token.expand(len(x), -1, -1), x], 1))[:, 0])

def token(): return Token().eval()
def colour(): return Net().eval()
def grey(): return Net(1).eval()
def four(): return Net(4).eval()
def volumes(): return nn.Sequential(nn.Conv3d(1, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 3)).eval()
def with_label(): return WithLabel().eval()
def one_logit(): return Squeezed(classes=1).eval()
def squeezed(): return Squeezed().eval()
def several(): return Several().eval()
def softmaxed(): return Softmaxed().eval()
def of_pairs(): return OfPairs().eval()
"""
WORKS = ("colour", "grey", "one_logit", "squeezed", "softmaxed")
REFUSED = {
    "four": "images of 4 channels",
    "volumes": "Conv3d: it takes volumes",
    "with_label": "wants label beside the images",
    "several": "colour, shape and camkit cannot tell",
    "of_pairs": "not on 1 of shape",
}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "nets.py").write_text(NETWORKS)
    (tmp_path / "photos").mkdir()
    for i in range(3):  # three images in batches of two: the last is alone
        pixels = np.random.default_rng(i).integers(0, 255, (48, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.png")
    return tmp_path


def both(place, name):
    """What the two commands do with a network."""
    model = ["--model", f"{place}/nets.py:{name}"]
    photos = ["--images", f"{place}/photos", "--out", f"{place}/out", "--device", "cpu", "--batch-size", "2"]
    runner = CliRunner()
    return runner.invoke(cli, ["inspect", *model]), runner.invoke(cli, ["localize", *model, *photos])


@pytest.mark.parametrize("name", WORKS)
def test_both_work(place, name):
    inspected, localized = both(place, name)
    assert (inspected.exit_code, localized.exit_code) == (0, 0), (inspected.output, localized.output)
    assert "exact" in inspected.output
    assert ("grey" in inspected.output) == (name == "grey")
    assert ("softmax" in inspected.output) == (name == "softmaxed")
    with open(place / "out" / "boxes.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse_for_the_same_reason(place, name):
    inspected, localized = both(place, name)
    for result in (inspected, localized):
        assert isinstance(result.exception, CamkitError)
        assert REFUSED[name] in str(result.exception)
        assert "\n" not in str(result.exception)
    assert str(inspected.exception) == str(localized.exception)


@pytest.mark.parametrize(("blocks", "says"), [([], "1 block"), (["--token-blocks", "all"], "2 blocks")])
def test_a_class_token(place, blocks, says):
    model = ["--model", f"{place}/nets.py:token", *blocks]
    runner = CliRunner()
    inspected = runner.invoke(cli, ["inspect", *model])
    for part in ("class token", "offset        one for each image", "share", says, "1 of its tokens"):
        assert part in inspected.output
    run = ["localize", *model, "--images", f"{place}/photos", "--out", f"{place}/out", "--device", "cpu"]
    assert runner.invoke(cli, run).exit_code == 0
    facts = json.loads((place / "out" / "run.json").read_text())
    assert '"class token"' in json.dumps(facts)


def test_blocks_that_no_head_has(place):
    runner = CliRunner()
    wrong = runner.invoke(cli, ["inspect", "--model", f"{place}/nets.py:token", "--token-blocks", "0"])
    assert (wrong.exit_code, "1 or more, or all" in wrong.output) == (2, True)
    for model, says in (("token", "through 2"), ("colour", "averages a map")):
        found = runner.invoke(cli, ["inspect", "--model", f"{place}/nets.py:{model}", "--token-blocks", "3"])
        assert says in str(found.exception)


def test_scores_of_a_network_that_ends_in_softmax(place):
    """The model's own probability, which a second softmax would press together."""
    spec = InputSpec((32, 32), mean=(0.5,) * 3, std=(0.25,) * 3)
    scope: dict = {}
    exec(NETWORKS, scope)
    pixels = torch.randint(0, 255, (3, 32, 32), dtype=torch.uint8)
    (plain,) = Localizer(scope["colour"](), input_spec=spec, device="cpu")(pixels)
    (soft,) = Localizer(scope["softmaxed"](), input_spec=spec, device="cpu")(pixels)
    with torch.no_grad():
        said = scope["softmaxed"]()((pixels[None] / 255 - 0.5) / 0.25)
    assert soft.score == pytest.approx(float(said.max()), rel=1e-5)
    assert (plain.score, plain.box) == (pytest.approx(soft.score, rel=1e-5), soft.box)


def test_grey_of_normalised_colours():
    """The same as normalising the grey image, where the colours share one mean and deviation; PIL's own weights."""
    pixels = torch.rand(2, 3, 5, 7)
    luma = 0.299 * pixels[:, :1] + 0.587 * pixels[:, 1:2] + 0.114 * pixels[:, 2:]
    torch.testing.assert_close(in_grey((pixels - 0.4) / 0.2, (0.2, 0.2, 0.2)), (luma - 0.4) / 0.2)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    weights = torch.tensor([0.299, 0.587, 0.114])
    normalised = (pixels - mean[:, None, None]) / std[:, None, None]
    expected = (luma - (weights * mean).sum()) / (weights * std).sum()
    torch.testing.assert_close(in_grey(normalised, (0.229, 0.224, 0.225)), expected)


MAPS = """
import torch

def squares(network):
    return lambda images, classes: images.square().sum(1)[:, None].expand(-1, classes.shape[1], -1, -1)
"""


def test_maps_by_something_else_need_no_head(place):
    """A network that flattens its map, and a function that gives maps all the same."""
    (place / "maps.py").write_text(MAPS)
    with open(place / "nets.py", "a") as file:
        file.write(
            "\ndef flattened(): return nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.Flatten(), nn.LazyLinear(3)).eval()"
        )
    runner, call = CliRunner(), ["inspect", "--model", f"{place}/nets.py:flattened", "--size", "32x48"]
    assert "flattens" in str(runner.invoke(cli, call).exception)
    found = runner.invoke(cli, [*call, "--maps-by", f"{place}/maps.py:squares"])
    assert found.exit_code == 0, found.output
    rows = dict(line.split(maxsplit=1) for line in found.output.splitlines())
    assert list(rows) == ["model", "input", "map", "maps", "classes"]
    assert rows["maps"] == f"by {place}/maps.py:squares: they add up to no logit"
    assert rows["map"] == "32x48 positions at that input, one for 1x1 pixels"
    assert rows["classes"] == "3"
    facts = json.loads(runner.invoke(cli, [*call, "--maps-by", f"{place}/maps.py:squares", "--json"]).output)
    assert facts["maps_by"] == f"{place}/maps.py:squares"
    assert (facts["map_size"], facts["classes"], facts["output"]) == ([32, 48], 3, "none")


def test_maps_by_another_library_name_their_layer(place):
    pytest.importorskip("torchcam", reason="torchcam is an extra")
    call = ["inspect", "--model", f"{place}/nets.py:colour", "--size", "32", "--maps-by", "torchcam:GradCAM"]
    found = CliRunner().invoke(cli, call)
    assert found.exit_code == 0, found.output
    rows = dict(line.split(maxsplit=1) for line in found.output.splitlines())
    assert rows["maps"] == "by torchcam:GradCAM: they add up to no logit"
    assert rows["layer"].startswith("features")
    assert rows["layer"].endswith("(8x8 positions): the feature map of the network's head")
    assert rows["map"] == "8x8 positions at that input, one for 4x4 pixels"
    assert "through the network for a map" in rows["note"]
