"""Map sources: the head, and functions of one's own, asked the same way."""

import pytest
import torch
from small import Plain, perturb

from camkit import CAM, CamkitError
from camkit.cam import FunctionMaps


def images(n=3):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def gradient_times_features(network):
    """Grad-CAM without its ReLU, by autograd: on a head that averages and is linear it is CAM, up to the map's size."""

    def maps(batch, classes):
        features = network.features(batch)
        logits = network.fc(features.mean((2, 3)))
        rows = []
        for k in range(classes.shape[1]):
            picked = logits.gather(1, classes[:, k : k + 1]).sum()
            (gradient,) = torch.autograd.grad(picked, features, retain_graph=True)
            rows.append((gradient.mean((2, 3), keepdim=True) * features).sum(1))
        return torch.stack(rows, 1) * features[0, 0].numel()

    return maps


def test_a_function_of_ones_own_is_asked_as_the_head_is():
    model = perturb(Plain())
    own, head = FunctionMaps(model, gradient_times_features, "grad", (32, 32)), CAM(model, (32, 32))
    assert (own.num_classes, own.map_size) == (head.num_classes, head.map_size)
    assert (own.kind, own.completeness) == ("grad", None)
    for classes in (None, 2, [1, 3], torch.tensor([0, 1, 2]), "all"):
        mine, exact = (source.predict(images()).class_maps(classes) for source in (own, head))
        torch.testing.assert_close(mine.maps, exact.maps)
        assert torch.equal(mine.classes, exact.classes)
        torch.testing.assert_close(mine.logits, exact.logits)
    assert mine.offset is None
    assert torch.equal(own.predict(images()).top(2), head.predict(images()).top(2))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_has_no_class_weights_has_no_weighting():
    prediction = FunctionMaps(perturb(Plain()), gradient_times_features, "grad", (32, 32)).predict(images())
    with pytest.raises(CamkitError, match="maps by grad have no class weights, so that weighting 'positive'"):
        prediction.class_maps(None, "positive")
    with pytest.raises(CamkitError, match="class 99 of a model with"):
        prediction.class_maps(99)


@pytest.mark.parametrize(("make", "said"), [
    (lambda network: lambda images, classes: torch.zeros(2, 1, 4), r"maps by own are \(2, 1, 4\): give a tensor"),
    (lambda network: lambda images, classes: [1], "maps by own are list"),
    (lambda network: lambda images, classes: 1 / 0, "own fails to give maps: ZeroDivisionError division by zero"),
    (lambda network: network.nothing, "own fails to make: AttributeError"),
    (lambda network: None, "own fails to give maps: TypeError"),
])  # fmt: skip
def test_what_a_function_does_wrong_is_told_before_anything_else(make, said):
    with pytest.raises(CamkitError, match=said):
        FunctionMaps(perturb(Plain()), make, "own", (32, 32))


def test_a_network_in_training_mode_is_refused():
    source = FunctionMaps(perturb(Plain()), gradient_times_features, "grad", (32, 32))
    source.model.train()
    with pytest.raises(CamkitError, match="training mode"):
        source.predict(images())
