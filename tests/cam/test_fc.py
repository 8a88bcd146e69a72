"""fc as something to train: its logits and class weights are the model's own, and the gradient reaches its weight."""

import pytest
import torch
from small import Functional, Plain, perturb
from torch import nn

from camkit.cam import CAM, find_fc
from camkit.errors import CamkitError
from camkit.nn import GlobalMaxPool2d, ThresholdedAvgPool2d

SIZE = (16, 16)
IMAGES = torch.rand(3, 3, *SIZE, generator=torch.Generator().manual_seed(1))


class Normed(Plain):
    """A norm between pooling and fc."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.fc(self.norm(self.pool(self.features(x)).flatten(1)))


class Convolved(Plain):
    """A 1x1 convolution after the pooling."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Conv2d(8, 5, 1)

    def forward(self, x):
        return self.fc(self.pool(self.features(x))).flatten(1)


class Pooled(Plain):
    """One of camkit's poolings."""

    def __init__(self, pool):
        super().__init__()
        self.pool = pool


class Twice(Plain):
    """A temperature after fc."""

    def forward(self, x):
        return 2 * super().forward(x)


class Deep(Plain):
    def forward(self, x):
        return torch.relu(super().forward(x)) @ torch.ones(5, 5)


class ScorePooled(Plain):
    def __init__(self):
        super().__init__()
        self.features.append(nn.Conv2d(8, 5, 1))
        self.fc = nn.Identity()


MODELS = {
    "plain": Plain,
    "functional": Functional,
    "no bias": lambda: Plain(bias=False),
    "layer norm": lambda: Normed(nn.LayerNorm(8)),
    "batch norm": lambda: Normed(nn.BatchNorm1d(8)),
    "convolution": Convolved,
    "TAP": lambda: Pooled(ThresholdedAvgPool2d(0.1)),
    "maximum": lambda: Pooled(GlobalMaxPool2d()),
}


def made(name, dtype=torch.float32):
    torch.manual_seed(0)
    model = perturb(MODELS[name]()).to(dtype)
    cam = CAM(model, SIZE)
    return model, cam, find_fc(model, cam.head)


@pytest.mark.parametrize("name", MODELS)
def test_logits_are_the_models(name):
    model, cam, fc = made(name)
    torch.testing.assert_close(fc.logits(cam.features(IMAGES).pooled), model(IMAGES))
    assert [id(p) for p in fc.parameters] == [id(p) for p in model.fc.parameters()]


@pytest.mark.parametrize("name", MODELS)
def test_class_weights_follow_a_step_on_fc(name):
    model, _cam, fc = made(name)
    with torch.no_grad():
        fc.weight.add_(torch.randn_like(fc.weight))
    classes = torch.tensor([4, 0, 4])
    torch.testing.assert_close(fc.class_weights(classes), CAM(model, SIZE).head.weight[classes])


@pytest.mark.parametrize("name", MODELS)
def test_their_gradient_is_that_of_a_linear_map(name):
    _, _, fc = made(name, torch.float64)
    weight, classes = fc.weight, torch.tensor([1, 3])
    found = fc.class_weights(classes).square().sum()
    (gradient,) = torch.autograd.grad(found, weight)
    step, direction = 1e-6, torch.randn_like(weight)
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * step * direction
            values.append(fc.class_weights(classes).square().sum().item())
            weight -= sign * step * direction
    assert (values[0] - values[1]) / (2 * step) == pytest.approx((gradient * direction).sum().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Deep, "linearised"), (ScorePooled, "score pooling"), (Twice, "after fc changes the logits")],
)
def test_heads_without_a_linear_layer_to_retrain_are_refused(model, reason):
    torch.manual_seed(0)
    network = perturb(model())
    with pytest.raises(CamkitError, match=reason):
        find_fc(network, CAM(network, SIZE).head)


@pytest.mark.parametrize("name", ["plain", "functional", "TAP"])
def test_pooled_features_pass_their_gradient_to_the_images(name):
    _model, cam, _ = made(name, torch.float64)
    images = IMAGES.double().requires_grad_()
    (gradient,) = torch.autograd.grad(cam.pooled(images).square().sum(), images)
    torch.testing.assert_close(cam.pooled(images).detach().float(), cam.features(images.detach()).pooled)
    direction, step = torch.randn_like(images), 1e-7
    ends = [cam.pooled(images.detach() + sign * step * direction).square().sum().item() for sign in (1, -1)]
    assert (ends[0] - ends[1]) / (2 * step) == pytest.approx((gradient * direction).sum().item(), rel=1e-5)
