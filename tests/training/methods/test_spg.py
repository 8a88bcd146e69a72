"""SPG against its definition written out, pixel by pixel, in float64."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import Plain, perturb

from camkit.errors import CamkitError
from camkit.models import BACKBONES
from camkit.models.wsol import places_in
from camkit.process_group import ProcessGroup
from camkit.training.methods import SPG, Network, load_method
from camkit.training.methods.spg import guidance, seeds

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])


def made(**options):
    torch.manual_seed(0)
    network = Network(perturb(Plain()).double().train(), 5, None, (16, 16), ALONE)
    method = SPG(at="features.2,features.3", width=6, **options)
    for name, module in method.modules(network).items():
        network.modules[name] = module.double()
    method.prepare(network, None)
    return network, method


def told(maps, high, low, leaks):
    """1 for object, 0 for background, 255 for neither, in the manner of the published code."""
    masks = []
    for one in maps.tolist():
        pixels = [value for row in one for value in row]
        used = high
        if sum(value > used for value in pixels) < 30:
            used = 0.7 * max(pixels)
            high = used if leaks else high
        mask = [255] * len(pixels)
        for at, value in enumerate(pixels):
            if value > used:
                mask[at] = 1
            if value < low:
                mask[at] = 0
        masks.append(mask)
    return masks


@pytest.mark.parametrize("leaks", [False, True])
def test_seeds_are_those_of_the_published_code_with_and_without_its_slip(leaks):
    maps = torch.rand(6, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    maps[1] *= 0.5  # fewer than 30 above
    maps[4] *= 0.05  # and its object would be background
    for high, low in ((0.4, 0.1), (0.5, 0.05)):
        is_object, is_background = (one.flatten(1) for one in seeds(maps, high, low, leaks))
        expected = torch.tensor(told(maps, high, low, leaks))
        assert torch.equal(is_object, expected == 1)
        assert torch.equal(is_background, expected == 0)
    own, leaked = seeds(maps, 0.4, 0.1), seeds(maps, 0.4, 0.1, leaks=True)
    assert torch.equal(own[0][:2], leaked[0][:2])
    assert not torch.equal(own[0][2:], leaked[0][2:])


def by_hand(model, modules, leaks):
    inner = [model.features[:3](IMAGES)]
    inner.append(model.features[3](inner[0]))
    features = model.features[4](inner[1])
    logits = model.fc(features.mean((2, 3)))

    def large(maps):
        return F.interpolate(maps, (16, 16), mode="bilinear", align_corners=False)[:, 0]

    early = large(modules["shared"](modules["early"](inner[0])))
    late = large(modules["shared"](modules["late"](inner[1])))
    last = large(modules["last"](features))
    attention = []
    for n, label in enumerate(LABELS):
        own = large(sum(model.fc.weight[label, c] * features[n, c] for c in range(8)).detach()[None, None])[0]
        attention.append((own - own.min()) / (own.max() - own.min()))
    losses = [-sum(logits.log_softmax(1)[n, label] for n, label in enumerate(LABELS)) / 4]
    mean = (early.sigmoid() + late.sigmoid()) / 2
    for branch, guide, high, low in ((late, torch.stack(attention), 0.7, 0.05), (early, late.sigmoid(), 0.5, 0.05),
                                     (last, mean, 0.7, 0.1)):  # fmt: skip
        pixels = [(value, mask) for n, masks in enumerate(told(guide, high, low, leaks))
                  for value, mask in zip(branch[n].flatten(), masks, strict=True) if mask != 255]  # fmt: skip
        each = [-(value if mask else -value).sigmoid().log() for value, mask in pixels]
        losses.append(sum(each) / len(each))
    return losses


@pytest.mark.parametrize("as_published", [False, True])
def test_loss_and_gradients_are_the_definition(as_published):
    network, method = made(as_published=as_published)
    model, modules = copy.deepcopy(network.model), copy.deepcopy(network.modules)
    figures = method.step(network, IMAGES, LABELS)
    figures["loss"].backward()
    losses = by_hand(model, modules, as_published)
    sum(losses).backward()
    assert list(figures) == ["loss", "entropy", "late", "early", "last"]
    torch.testing.assert_close(torch.stack(list(figures.values())), torch.stack([sum(losses), *losses]))
    for ours, its in ((network.model, model), (network.modules, modules)):
        for (name, one), other in zip(ours.named_parameters(), its.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-6, atol=1e-9, msg=name)


def test_where_nothing_is_told_nothing_is_learned():
    """The published code divides 0 by 0 there."""
    logits = torch.randn(2, 4, 4, requires_grad=True)
    nothing = torch.zeros(2, 4, 4, dtype=torch.bool)
    loss = guidance(made()[0], logits, nothing, nothing)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_logits_that_are_no_numbers_do_not_hide_behind_pixels_that_are_not_told():
    nothing = torch.zeros(1, 2, 2, dtype=torch.bool)
    assert guidance(made()[0], torch.full((1, 2, 2), torch.nan), nothing, nothing).isnan()


def test_the_published_places_are_another_option():
    with torch.device("meta"):
        names = {name for name, _ in BACKBONES["inception-v3"].build(3).named_modules()}
    assert {"Mixed_5d", "Mixed_6d", "Mixed_6e"} <= names
    torch.manual_seed(0)
    places = {"spg": ("features.2", "features.3"), "spg as published": ("features.0", "features.3")}
    for published in (False, True):
        network = Network(perturb(Plain()), 5, None, (16, 16), ALONE, places=places)
        method = SPG(width=2, as_published=published)
        method.modules(network)
        assert method.places == places["spg as published" if published else "spg"]
    assert places_in("inception-v3")["spg as published"] == ("Mixed_5d", "Mixed_6d")


@pytest.mark.parametrize(
    ("at", "says"),
    [("", "spg reaches in at 2 modules, and this network has no places of its own"), ("features.2", "names 1"),
     ("features.2,feature.3", "no module 'feature.3'; did you mean"), ("features.2,fc", r"gives \(5,\), no map")],
)  # fmt: skip
def test_places_that_are_none(at, says):
    network = Network(perturb(Plain()), 5, None, (16, 16), ALONE)
    with pytest.raises(CamkitError, match=says) as refusal:
        SPG(at=at).modules(network)
    assert "\n" not in str(refusal.value)


def test_options_and_company():
    with pytest.raises(CamkitError, match="width 0"):
        load_method("spg", width=0)
    with pytest.raises(CamkitError, match="cutmix mixes classes, and spg needs one class an image"):
        load_method("cutmix+spg")
    assert load_method("has+spg", width=8, as_published="true").last == SPG("", 8, True)
