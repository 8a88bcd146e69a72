"""Training methods against slow and obvious implementations, and what load_method refuses."""

import copy
import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Plain

from camkit import CamkitError
from camkit.models import BACKBONES
from camkit.training.methods import METHODS, AttentionDropout, CutMix, HideAndSeek, Method, load_method
from camkit.training.methods.combined import PLACES

SIZES = st.integers(1, 40)


def batch(n=2, size=(16, 16), seed=0):
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(seed)) + 0.5


def trained(network=None):
    torch.manual_seed(0)
    return (network or Plain()).train()


# none


def test_plain_training_is_cross_entropy_on_the_batch_as_it_is():
    images, labels = batch(), torch.tensor([0, 3])
    assert Method().mix(images, labels, 5)[0] is images
    logits = torch.randn(2, 5, dtype=torch.float64)
    expected = -logits.log_softmax(1)[[0, 1], labels].mean()
    torch.testing.assert_close(Method().loss(logits, labels), expected)


# HaS


@settings(deadline=None, max_examples=30)
@given(SIZES, SIZES, st.integers(1, 20), st.integers(0, 9))
def test_has_hides_whole_cells(height, width, grid, seed):
    torch.manual_seed(seed)
    images = batch(3, (height, width))
    hidden, labels = HideAndSeek(grid).mix(images, torch.arange(3), 3)
    assert hidden.shape == images.shape
    for n in range(3):
        for top in range(0, height, grid):
            for left in range(0, width, grid):
                cell = (slice(n, n + 1), slice(None), slice(top, top + grid), slice(left, left + grid))
                assert bool((hidden[cell] == 0).all()) or torch.equal(hidden[cell], images[cell])
    assert labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 1.0])
def test_has_hides_each_cell_of_each_image_with_probability_p(p):
    torch.manual_seed(0)
    hidden, _ = HideAndSeek(2, p).mix(batch(100, (20, 20)), torch.zeros(100), 1)
    cells = (hidden[:, 0, ::2, ::2] == 0).double().flatten(1)
    assert cells.mean().item() == pytest.approx(p, abs=4 * (p * (1 - p) / 10_000) ** 0.5)
    assert len({tuple(row) for row in cells.int().tolist()}) == (100 if 0 < p < 1 else 1)


def test_has_of_several_grids_hides_cells_of_the_one_that_an_image_drew():
    """Of white images, each must be one that a grid could have left, and each side must be drawn as often."""
    torch.manual_seed(0)
    sides, n = (0, 4, 6, 9), 800
    hidden, _ = HideAndSeek(sides, 0.5).mix(torch.ones(n, 3, 18, 18), torch.zeros(n), 1)
    counts = dict.fromkeys(sides, 0)
    for image in hidden[:, 0]:
        fits = [0] if bool(image.all()) else []
        for side in sides[1:]:
            cells = [image[top : top + side, left : left + side] for top in range(0, 18, side)
                     for left in range(0, 18, side)]  # fmt: skip
            if all(len(cell.unique()) == 1 for cell in cells) and not image.all():
                fits.append(side)
        assert fits
        counts[fits[-1] if len(fits) == 1 else max(fits)] += 1
    assert counts[0] == pytest.approx(n / 4 + n / 4 / 16, abs=50)  # a 2 x 2 grid hides nothing in one of 16
    assert counts[4] == pytest.approx(n / 4, abs=50)


# ADL


def attended(features, gamma, drops):
    """Position by position."""
    out = features.clone()
    for n, image in enumerate(features):
        attention = image.mean(0)
        for i in range(attention.shape[0]):
            for j in range(attention.shape[1]):
                if drops:
                    factor = 0.0 if attention[i, j] > gamma * attention.max() else 1.0
                else:
                    factor = 1 / (1 + (-attention[i, j]).exp())
                out[n, :, i, j] = image[:, i, j] * factor
    return out


@pytest.mark.parametrize("gamma", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("p", [0.0, 1.0])
def test_adl_is_the_drop_mask_or_the_importance_map(gamma, p):
    features = torch.rand(3, 4, 5, 6, dtype=torch.float64)
    found = AttentionDropout(p, gamma).attend(features)
    torch.testing.assert_close(found, attended(features, gamma, drops=p == 1))


def test_adl_drops_three_batches_in_four():
    torch.manual_seed(0)
    features, method = torch.rand(2, 3, 4, 4), AttentionDropout()
    drops = [bool((method.attend(features) == 0).any()) for _ in range(1000)]
    assert sum(drops) == pytest.approx(750, abs=55)  # four standard deviations


def test_adl_sits_in_training_alone_and_leaves_the_network_its_names():
    model = trained()
    plain = copy.deepcopy(model)
    AttentionDropout(p=1, gamma=0).attach(model, ["features.4", "features.2"])
    assert model.state_dict().keys() == plain.state_dict().keys()
    x = batch(2, (32, 32))
    assert not torch.allclose(model(x), plain(x))
    assert torch.equal(model.eval()(x), plain.eval()(x))
    torch.testing.assert_close(  # everything above 0 is dropped at both places: what is left is the bias
        model.train()(x), model.fc.bias.expand(2, -1)
    )


def test_adl_passes_gradients_through_the_features_and_through_the_map():
    features = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(AttentionDropout(p=0).attend, features)


@pytest.mark.parametrize(
    ("at", "says"), [([], "--adl-at"), (["features.9"], "did you mean features.4"), (["layer1"], "no module 'layer1'")]
)
def test_adl_refuses_places_that_are_none(at, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        AttentionDropout().attach(trained(), at)
    assert "\n" not in str(refusal.value)


# CutMix


def test_cutmix_labels_are_the_shares_of_the_area():
    torch.manual_seed(0)
    images = torch.arange(8.0)[:, None, None, None].expand(8, 3, 20, 30).clone()  # each image one value, its class
    seen = 0
    for _ in range(20):
        mixed, shares = CutMix().mix(images, torch.arange(8), 8)
        for n in range(8):
            counted = torch.stack([(mixed[n, 0] == k).double().mean() for k in range(8)])
            torch.testing.assert_close(shares[n].double(), counted, rtol=0, atol=1e-5)
            seen += int((counted > 0).sum() == 2)
    assert seen > 40
    loss = CutMix().loss(torch.zeros(8, 8), shares)
    assert loss.item() == pytest.approx(torch.tensor(8.0).log().item())


def test_cutmix_mixes_a_share_of_the_batches():
    torch.manual_seed(0)
    images, labels = batch(2), torch.arange(2)
    results = [CutMix(p=0.25).mix(images, labels, 2) for _ in range(400)]
    untouched = [mixed is images and shares is labels for mixed, shares in results]
    assert sum(untouched) == pytest.approx(300, abs=35)  # four standard deviations
    assert all(shares.shape == (2, 2) for (_, shares), plain in zip(results, untouched, strict=True) if not plain)


# all


NEEDED = {"danet": {"tree": "tree.csv"}}  # options without which a method is refused


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_step(name):
    losses = []
    for _ in range(2):
        model, method = trained(), load_method(name, **NEEDED.get(name, {}))
        method.attach(model, ["features.2"])
        torch.manual_seed(5)
        images, labels = method.mix(batch(4), torch.arange(4), 5)
        losses.append(method.loss(model(images), labels).item())
    assert losses[0] == losses[1]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("backbone", ["vgg-small", "resnet-small"])
def test_one_step_of_every_method_on_the_small_backbones(backbone, name):
    model, method = trained(BACKBONES[backbone].build(3)), load_method(name, **NEEDED.get(name, {}))
    method.attach(model, BACKBONES[backbone].adl_at)
    images, labels = method.mix(torch.randn(2, 3, 64, 64), torch.tensor([0, 2]), 3)
    method.loss(model(images), labels).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


# several together


def test_several_methods_act_one_after_the_other(tmp_path):
    method = load_method("has+cutmix", grid=4, alpha=2.0)
    assert (method.first, method.last) == ([HideAndSeek(4)], CutMix(2.0))
    torch.manual_seed(3)
    images, labels = method.mix(batch(4), torch.arange(4), 5)
    torch.manual_seed(3)
    expected = CutMix(2.0).mix(HideAndSeek(4).mix(batch(4), torch.arange(4), 5)[0], torch.arange(4), 5)
    assert torch.equal(images, expected[0])
    assert torch.equal(labels, expected[1])
    (tmp_path / "a+b.py").write_text(MINE)
    method = load_method(f"adl+{tmp_path}/a+b.py:Brighter+minmax", amount=0.5, crr=3.0)
    assert [type(one).__name__ for one in (*method.first, method.last)] == ["AttentionDropout", "Brighter", "MinMaxCAM"]
    assert (method.first[1].amount, method.class_sets()) == (0.5, (12, 5))
    assert load_method("has+cutmix", **{"has.p": 0.25, "cutmix.p": 0.75}).first[0].p == 0.25


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("minmax+has", {}, "minmax has a .* of its own: it can only be last"),
        ("cutmix+minmax", {}, "cutmix mixes classes, and minmax needs sets of one class"),
        ("has+cutmix", {"p": 0.5}, "'p' is an option of has and cutmix: say has.p"),
        ("has+has", {}, "comes twice"),
        ("has+", {}, "no method 'has[+]'"),
        ("has+hass", {}, "no method 'hass'; did you mean has"),
        ("has+adl", {"crr": 1}, "no option 'crr'.*it takes grid, p, p, gamma"),
    ],
)
def test_methods_that_do_not_go_together(name, options, says):
    with pytest.raises(CamkitError, match=says):
        load_method(name, **options)


# load_method


def test_options_are_the_fields_of_the_method():
    assert load_method("has", grid="16", p="0.25") == HideAndSeek(16, 0.25)
    assert load_method("has", grid="0,16,44") == load_method("has", grid=[0, 16, 44]) == HideAndSeek((0, 16, 44), 0.5)
    assert load_method("adl", gamma=0.8) == AttentionDropout(0.75, 0.8)
    assert (load_method("has"), load_method("adl")) == (HideAndSeek(32, 0.5), AttentionDropout(0.75, 0.9))


MINE = """
from dataclasses import dataclass
from torch import Tensor
from camkit.training.methods import Method

@dataclass
class Brighter(Method):
    amount: float = 0.1
    twice: bool = False

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        return images + self.amount * (1 + self.twice), labels

@dataclass
class Named(Method):
    step: int = 3

class Other:
    pass
"""


def test_a_method_of_ones_own(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    method = load_method(f"{tmp_path}/mine.py:Brighter", amount="0.5", twice="true")
    assert torch.equal(method.mix(torch.zeros(1, 3, 2, 2), torch.zeros(1), 1)[0], torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("hass", {}, "did you mean has"),
        ("has", {"gird": 3}, "did you mean grid"),
        ("none", {"grid": 3}, "it takes none"),
        ("has", {"grid": "wide"}, "of type int"),
        ("has", {"grid": 1.5}, "of type int"),
        ("has", {"grid": 0}, "above 0"),
        ("has", {"grid": "0"}, "above 0"),
        ("has", {"grid": "16,-1"}, "above 0"),
        ("has", {"grid": "16,x"}, "int, or several"),
        ("has", {"p": 1.5}, r"p in \[0, 1\]"),
        ("has", {"p": "nan"}, r"p in \[0, 1\]"),
        ("adl", {"gamma": 2}, "gamma 2"),
        ("cutmix", {"alpha": 0}, "alpha"),
        ("cutmix", {"p": 2}, "p must|p in"),
        ("{}/none.py:Brighter", {}, "no such file; --method takes"),
        ("{}/mine.py:Darker", {}, "it has Brighter"),
        ("{}/mine.py:Named", {}, "'step' has the name of a place that methods have since camkit 0.2"),
        ("{}/mine.py:Other", {}, "no subclass"),
        ("{}/mine.py", {}, "it has Brighter"),
        ("{}/mine.py:Brighter", {"twice": "perhaps"}, "of type bool"),
        ("{}/broken.py:Brighter", {}, "SyntaxError"),
    ],
)
def test_load_method_refuses_in_one_line(tmp_path, name, options, says):
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "broken.py").write_text("def")
    with pytest.raises(CamkitError, match=says) as refusal:
        load_method(name.format(tmp_path), **options)
    assert "\n" not in str(refusal.value)


def test_the_documented_methods_are_those_that_there_are(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "methods.md").read_text(encoding="utf-8")
    code = page.split("<!-- method -->\n```python\n")[1].split("```")[0]
    (tmp_path / "lighting.py").write_text(code)
    images, _ = load_method(f"{tmp_path}/lighting.py:Lighting", amount=0.3).mix(torch.zeros(50, 3, 2, 2), None, 1)
    assert 0.2 < images.abs().max() <= 0.3
    for name, method in METHODS.items():
        assert f"| `{name}` |" in page
        shown = [re.sub(r"\.0$", "", f"`{field.name}` {field.default}") for field in fields(method)]
        assert all(text in page for text in shown), (name, shown)
    assert all(f"`{place}" in page for place in PLACES)
