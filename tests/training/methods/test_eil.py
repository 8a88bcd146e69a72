"""EIL against two passes written out, image by image, in float64."""

import copy

import pytest
import torch
from small import Plain, perturb

from camkit.errors import CamkitError
from camkit.process_group import ProcessGroup
from camkit.training.methods import EIL, Network, load_method
from camkit.training.methods.eil import kept

ALONE = ProcessGroup(0, 1, torch.device("cpu"))
IMAGES = torch.randn(4, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 3, 3, 1])


def made(**options):
    torch.manual_seed(0)
    network = Network(perturb(Plain()).double().train(), 5, None, (16, 16), ALONE, label_smoothing=0.1)
    method = EIL(at="features.2", **options)
    method.prepare(network, None)
    return network, method


@pytest.mark.parametrize("options", [{}, {"gamma": 0.4, "alpha": 0.3}])
def test_loss_and_gradients_are_those_of_two_passes_by_hand(options):
    network, method = made(**options)
    model = copy.deepcopy(network.model)
    figures = method.step(network, IMAGES, LABELS)
    figures["loss"].backward()

    gamma, alpha = options.get("gamma", 0.7), options.get("alpha", 1)
    inner = model.features[:3](IMAGES)
    mask = torch.ones_like(inner)
    for n in range(4):
        attention = [[inner[n, :, i, j].mean() for j in range(8)] for i in range(8)]
        highest = max(max(row) for row in attention)
        for i in range(8):
            for j in range(8):
                if attention[i][j] >= gamma * highest:
                    mask[n, :, i, j] = 0
    assert torch.equal(kept(inner, gamma).expand_as(mask), mask.bool())
    assert 0 < mask.mean() < 1
    losses = []
    for features in (inner, inner * mask):
        logs = model.fc(model.features[3:](features).mean((2, 3))).log_softmax(1)
        losses.append(sum(-0.9 * logs[n, label] - 0.1 * logs[n].mean() for n, label in enumerate(LABELS)) / 4)
    expected = losses[0] + alpha * losses[1]
    expected.backward()
    torch.testing.assert_close(figures["loss"], expected, rtol=0, atol=1e-6)
    parts = torch.stack([figures["plain"], figures["erased"]])
    torch.testing.assert_close(parts, torch.stack(losses), rtol=0, atol=1e-6)
    for ours, its in zip(network.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, its.grad, rtol=0, atol=1e-6)


def test_the_comparison_is_strict():
    features = torch.tensor([[1.0, 0.7, 0.69], [0, -1, 1]])[None, None]
    assert kept(features, 0.7)[0, 0].tolist() == [[False, False, True], [True, True, False]]


def test_mixed_labels_are_taken():
    network, method = made()
    method.step(network, IMAGES, torch.rand(4, 5, dtype=torch.float64).softmax(1))["loss"].backward()


@pytest.mark.parametrize(("options", "says"), [({"gamma": 1.5}, "gamma 1.5"), ({"alpha": "nan"}, "alpha nan"),
                                               ({"alpha": -1}, "alpha be 0 or more")])  # fmt: skip
def test_options_out_of_range(options, says):
    with pytest.raises(CamkitError, match=says):
        load_method("eil", **options)
