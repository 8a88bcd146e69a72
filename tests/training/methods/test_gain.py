"""GAIN against its formulas written out, image by image, in float64."""

import copy

import pytest
import torch
import torch.nn.functional as F
from small import Plain, perturb
from torch import nn

from camkit.errors import CamkitError
from camkit.process_group import ProcessGroup
from camkit.training.methods import GAIN, Network, load_method
from camkit.training.methods.gain import hidden

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])


def made(model=None, **options):
    torch.manual_seed(0)
    network = Network(perturb(model or Plain()).double().train(), 5, None, (16, 16), ALONE)
    method = GAIN(**options)
    method.prepare(network, None)
    return network, method


def by_hand(model, alpha, sigma, omega, score):
    """The paper's, with its gradient of the logit in place of class weights."""
    features = model.features(IMAGES)
    logits = model.fc(features.mean((2, 3)))
    seen = []
    for n, label in enumerate(LABELS):
        own = features[n : n + 1].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(model.fc(own.mean((2, 3)))[0, label], own)
        torch.testing.assert_close(gradient.mean((2, 3))[0] * 16, model.fc.weight[label].detach())
        attention = sum(model.fc.weight[label, c] * features[n, c] for c in range(8)).clamp(min=0)
        attention = F.interpolate(attention[None, None], (16, 16), mode="bilinear", align_corners=False)[0, 0]
        attention = (attention - attention.min()) / (attention.max() - attention.min())
        seen.append(IMAGES[n] - 1 / (1 + (-omega * (attention - sigma)).exp()) * IMAGES[n])
    rest = model.fc(model.features(torch.stack(seen)).mean((2, 3)))
    scores = rest.softmax(1) if score == "softmax" else rest
    entropy = -sum(logits.log_softmax(1)[n, label] for n, label in enumerate(LABELS)) / 4
    mining = sum(scores[n, label] for n, label in enumerate(LABELS)) / 4
    return entropy + alpha * mining, mining


@pytest.mark.parametrize("options", [{}, {"alpha": 0.5, "sigma": 0.25, "omega": 100.0, "score": "logit"}])
def test_loss_and_gradients_are_the_formulas(options):
    network, method = made(**options)
    model = copy.deepcopy(network.model)
    figures = method.step(network, IMAGES, LABELS)
    figures["loss"].backward()
    expected, mining = by_hand(model, **{"alpha": 1, "sigma": 0.5, "omega": 10, "score": "softmax", **options})
    expected.backward()
    torch.testing.assert_close(figures["loss"], expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(figures["mining"], mining, rtol=0, atol=1e-9)
    for ours, its in zip(network.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, its.grad, rtol=1e-6, atol=1e-9)


def test_the_gradient_goes_through_the_mask():
    maps = torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True)
    images = torch.zeros(2, 3, 5, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda given: hidden(given, images, 0.5, 10.0), maps)


def test_a_map_of_nothing_hides_nothing():
    images = torch.zeros(1, 3, 5, 5)
    assert hidden(-torch.ones(1, 3, 3), images, 0.5, 10.0).max() < 0.01


def test_a_network_whose_maps_no_linear_layer_makes_is_refused():
    torch.manual_seed(0)
    scores = nn.Sequential(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(CamkitError, match="no linear layer after its pooling"):
        GAIN().prepare(Network(scores, 5, None, (16, 16), ALONE), None)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"sigma": 2}, "sigma 2"), ({"omega": 0}, "omega be above 0"), ({"alpha": "nan"}, "alpha nan"),
     ({"score": "sigmoid"}, "choose softmax or logit")],
)  # fmt: skip
def test_options_out_of_range(options, says):
    with pytest.raises(CamkitError, match=says):
        load_method("gain", **options)
