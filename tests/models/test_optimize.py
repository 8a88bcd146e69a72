"""Networks made faster: what is folded, what is not, and when the network goes on as it is."""

import copy

import pytest
import small
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from camkit import CAM, Localizer
from camkit.models.folding import fold_batch_norms
from camkit.models.optimize import NOTHING, Optimized
from camkit.models.tiny import TinyResNet


def classifier(*layers, channels=4, classes=3):
    torch.manual_seed(0)
    return small.perturb(
        nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    )


def images(n=2, side=16, seed=0):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_a_fold_by_hand():
    """4 * (2 x - 1) / sqrt(3 + 1) + 5 = 4 x + 3."""
    convolution, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=1.0)
    with torch.no_grad():
        for tensor, value in ((convolution.weight, 2), (norm.running_mean, 1), (norm.running_var, 3),
                              (norm.weight, 4), (norm.bias, 5)):  # fmt: skip
            tensor.fill_(value)
    model = nn.Sequential(convolution, norm).eval()
    assert fold_batch_norms(model, torch.ones(1, 1, 2, 2)) == 1
    assert (model[0].weight.item(), model[0].bias.item()) == (4, 3)
    assert type(model[1]) is nn.Identity


@settings(max_examples=15, deadline=None)
@given(
    bias=st.booleans(), affine=st.booleans(), groups=st.sampled_from([1, 2, 4]), stride=st.integers(1, 2),
    dilation=st.integers(1, 2), seed=st.integers(0, 99),
)  # fmt: skip
def test_folded_networks_say_the_same(bias, affine, groups, stride, dilation, seed):
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(3, 8, 3, stride, 1, bias=bias), nn.BatchNorm2d(8, affine=affine), nn.ReLU(),
        nn.Conv2d(8, 4, 3, 1, 1, dilation, groups, bias=bias), nn.BatchNorm2d(4, affine=affine),
    ]  # fmt: skip
    model = nn.Sequential(*layers).eval()
    for norm in (layers[1], layers[4]):
        norm.running_mean.normal_(0, 0.2)
        norm.running_var.uniform_(0.5, 2)
    shown = images(seed=seed)
    with torch.no_grad():
        before = model(shown)
        assert fold_batch_norms(model, shown[:1]) == 2
        torch.testing.assert_close(model(shown), before, rtol=1e-5, atol=1e-5)


class Twice(nn.Module):
    """One convolution under two norms."""

    def __init__(self):
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.two(self.conv(self.one(self.conv(x))))


class LookedAt(nn.Module):
    """A convolution whose output goes round the norm, too."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x):
        x = self.conv(x)
        return x + self.norm(x)


class Returned(LookedAt):
    """A convolution whose output is returned beside."""

    def forward(self, x):
        x = self.conv(x)
        return self.norm(x), x


class Standardised(nn.Conv2d):
    """A weight that is computed of the parameter."""

    def forward(self, x):
        return F.conv2d(x, self.weight - self.weight.mean((1, 2, 3), keepdim=True), self.bias)


def hooked():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))
    model[1].register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    "build",
    [
        Twice, LookedAt, Returned, hooked,
        lambda: nn.Sequential(Standardised(3, 3, 1), nn.BatchNorm2d(3)),
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 3, 1), nn.BatchNorm2d(3)),
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3)),
        lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)),
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1)), nn.BatchNorm2d(3)),
    ],
)  # fmt: skip
def test_what_cannot_be_folded_is_left_alone(build):
    model = small.perturb(build())
    before = copy.deepcopy(model.state_dict())
    assert fold_batch_norms(model, images()) == 0
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())


def test_published_networks_fold_whole_and_keep_their_maps():
    torch.manual_seed(0)
    model = small.perturb(models.mobilenet_v2(num_classes=7))
    cam, shown = CAM(model, (64, 64)), images(3, 64)
    before = small.state(model)
    optimized = Optimized(cam, fold=True, compiled=False)
    said, found = cam.predict(shown), optimized.predict(shown)
    assert optimized.outcome.folded == 52
    assert optimized.outcome.reason == ""
    assert optimized.outcome.deviation <= 1e-5
    assert small.state(model) == before  # hooks, weights, memory: untouched
    torch.testing.assert_close(found.class_maps().maps, said.class_maps().maps, rtol=1e-4, atol=1e-4)
    assert found.features.is_contiguous(memory_format=torch.channels_last)  # that it is the copy that has spoken


def test_timms_norms_leave_their_activation():
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = small.perturb(timm.create_model("tf_efficientnet_lite0", num_classes=5))
    shown = images(1, 64)
    with torch.no_grad():
        before = model(shown)
        norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
        assert fold_batch_norms(model, shown) == norms
        torch.testing.assert_close(model(shown), before, rtol=1e-4, atol=1e-4)


class Particular(nn.Sequential):
    """Answers otherwise when its norm is gone."""

    def forward(self, x):
        return super().forward(x) * (1 if isinstance(self[1], nn.BatchNorm2d) else 1.001)


def test_a_network_whose_answer_changes_goes_on_as_it_is():
    model = small.perturb(Particular(*classifier(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))))
    cam = CAM(model, (16, 16))
    optimized = Optimized(cam, fold=True, compiled=False)
    for seed in range(2):
        assert torch.equal(optimized.predict(images(seed=seed)).logits, cam.predict(images(seed=seed)).logits)
    assert optimized.outcome.deviation > 1e-4
    assert "of their range" in optimized.outcome.reason


class Locked(nn.Sequential):
    """Cannot be copied."""

    def __deepcopy__(self, memo):
        raise TypeError("cannot pickle 'lock' object")


def test_a_network_that_cannot_be_copied_goes_on_as_it_is():
    cam = CAM(small.perturb(Locked(*classifier(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)))), (16, 16))
    optimized = Optimized(cam, fold=True, compiled=False)
    assert torch.equal(optimized.predict(images()).logits, cam.predict(images()).logits)
    assert "TypeError cannot pickle 'lock' object" in optimized.outcome.reason


def test_a_network_without_norms_is_not_copied():
    optimized = Optimized(CAM(classifier(nn.Conv2d(3, 4, 3)), (16, 16)), fold=True, compiled=False)
    optimized.predict(images())
    assert optimized.outcome.reason == NOTHING


def test_weights_that_change_are_followed():
    model = classifier(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    cam = CAM(model, (16, 16))
    optimized = Optimized(cam, fold=True, compiled=False)
    optimized.predict(images())
    with torch.no_grad():
        model[0].weight.mul_(1.5)
    torch.testing.assert_close(optimized.predict(images()).logits, cam.predict(images()).logits)
    assert optimized.outcome.folded == 1


def test_compiled_passes_pick_up_the_same_features():
    """With the backend that runs what was traced, so that no compiler is needed."""
    model = TinyResNet(num_classes=5).eval()
    cam = CAM(model, (64, 64))
    optimized = Optimized(cam, fold=True, compiled=True, backend="eager")
    for n in (3, 2):
        said, found = cam.predict(images(n, 64)), optimized.predict(images(n, 64))
        assert optimized.outcome.reason == ""
        torch.testing.assert_close(found.features, said.features, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.logits, said.logits, rtol=1e-4, atol=1e-5)
    assert optimized._faster._forward.compiled is not None


def test_localizer_gives_the_same_boxes():
    torch.manual_seed(0)
    model = small.perturb(TinyResNet(num_classes=5))
    pixels = [torch.randint(0, 256, (3, 90, 120), dtype=torch.uint8) for _ in range(4)]
    plain, fast = (Localizer(model, device="cpu", batch_size=2, optimize=asked)(pixels) for asked in (False, True))
    assert [one.box for one in fast] == [one.box for one in plain]
    assert [one.label for one in fast] == [one.label for one in plain]
