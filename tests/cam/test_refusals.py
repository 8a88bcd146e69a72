"""What has no class maps, or cannot be asked for them: one line each, with the reason and what to do."""

import pytest
import torch
import torch.nn.functional as F
from small import Plain, perturb
from torch import nn

from camkit import CAM, CamkitError, HeadNotFound


class Ending(Plain):
    """The features of `Plain`, and another end."""

    def __init__(self, end, inputs=8):
        super().__init__()
        self.end, self.fc = end, nn.Linear(inputs, 5)

    def forward(self, x):
        return self.end(self, self.features(x))


def linear_attention(self, y):
    """A softmax over positions meets the values before the query comes: no position has a weight of its own."""
    tokens = y.flatten(2).transpose(1, 2)
    context = tokens.softmax(1).transpose(1, 2) @ tokens
    return self.fc((tokens[:, :1] @ context)[:, 0])


def both(self, y):
    return self.fc(torch.cat([y.mean((2, 3)), y.amax((2, 3))], 1))


REFUSED = {
    "pools to 2x2": (Ending(lambda self, y: self.fc(F.adaptive_avg_pool2d(y, 2).flatten(1)), 32), "flattens a 2x2 map"),
    "no map": (nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)), "flattens"),
    "maximum": (Ending(lambda self, y: self.fc(y.amax((2, 3)))), "maximum"),
    "average and maximum": (Ending(both, 16), "maximum"),
    "log-sum-exp": (Ending(lambda self, y: self.fc(y.logsumexp((2, 3)))), "no mean over positions"),
    "linear attention": (Ending(linear_attention), "attention"),
    "two maps": (Ending(lambda self, y: self.fc(torch.cat([y.mean((2, 3)), y.relu().mean((2, 3))], 1)), 16), "several"),
    "one position": (Ending(lambda self, y: self.fc(y[:, :, 3, 4])), "token"),
    "two tokens": (
        Ending(lambda self, y: torch.stack([self.fc(y[:, :, 1, 1]), self.fc(y[:, :, 2, 2])]).mean(0)),
        "token",
    ),
    "constant": (Ending(lambda self, y: self.fc.bias.expand(2, -1)), "do not depend on the images"),
}


@pytest.mark.parametrize(("model", "says"), REFUSED.values(), ids=REFUSED)
def test_heads_that_are_no_mean_of_a_map(model, says):
    with pytest.raises(HeadNotFound, match=says) as refusal:
        CAM(perturb(model), (32, 32))
    assert "\n" not in str(refusal.value)


def powers(y):
    return y.clamp(min=1e-3) ** 3


def test_the_map_is_the_one_that_is_averaged():
    """A power mean averages the powers: their map, not the layer's."""
    model = perturb(Ending(lambda self, y: self.fc(powers(y).mean((2, 3)) ** (1 / 3))))
    cam = CAM(model, (32, 32))
    assert cam.head.kind == "linearised"
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(cam.features(x).features, powers(model.features(x)))


def test_weights_that_are_not_numbers():
    model = perturb(Plain())
    with torch.no_grad():
        model.features[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(HeadNotFound, match="NaN"):
        CAM(model, (32, 32))


@pytest.mark.parametrize("part", [nn.Dropout(), nn.BatchNorm2d(8)])
def test_a_part_in_training_mode(part):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, 4), part, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)).eval()
    part.train()
    with pytest.raises(CamkitError, match=r"\.eval\(\)"):
        CAM(model, (32, 32))


def test_images_on_another_device_than_the_model():
    cam = CAM(perturb(Plain()), (32, 32))
    with pytest.raises(CamkitError, match=r"images are on meta and the model on cpu.*\.to\(\)"):
        cam(torch.zeros(1, 3, 32, 32, device="meta"))


class OneSize(Plain):
    def forward(self, x):
        if x.shape[-1] != 48:
            raise ValueError("I take 48\npixels")
        return super().forward(x)


def test_another_size_than_the_model_takes():
    model = perturb(OneSize())
    with pytest.raises(
        HeadNotFound, match=r"fails on images of shape \(2, 3, 32, 32\): ValueError I take 48; where it takes another"
    ):
        CAM(model, (32, 32))
    assert CAM(model, (48, 48)).head.kind == "exact"


def test_a_script_module():
    with pytest.raises(HeadNotFound, match=r"ScriptModule.*load the Python model"):
        CAM(torch.jit.trace(perturb(Plain()), torch.zeros(1, 3, 32, 32)), (32, 32))


def test_a_given_head_of_no_use():
    model = perturb(Plain())
    for head, says in (
        ({"features": "fc", "classifier": "fc"}, "no map of positions"),
        ({"features": "features", "classifier": "pool"}, "no linear layer"),
        ({"features": "features", "classifier": "features.0"}, "no linear layer"),
    ):
        with pytest.raises(CamkitError, match=says):
            CAM(model, (32, 32), head=head)


SHRINKING = {
    "convolution": nn.Conv2d(8, 8, 3, 2, 1),
    "maximum": nn.MaxPool2d(2),
    "whole map": nn.Conv2d(8, 8, 2),
}


@pytest.mark.parametrize("name", SHRINKING)
def test_images_too_small_for_a_map_are_named_as_the_reason(name):
    """Two convolutions of stride 2 leave 2x2 positions of 8x8 pixels, and the next layer one."""
    model = Plain()
    model.features.extend([SHRINKING[name], nn.ReLU()])
    says = r"images of 8x8 leave a single position .* \(of 16x16 the map is [23]x[23]\)$"
    with pytest.raises(HeadNotFound, match=says):
        CAM(perturb(model), (8, 8))
    assert CAM(model, (16, 16)).head.kind == "exact"


def test_what_takes_no_larger_images_keeps_its_reason():
    """What follows the convolution over the whole map is flattened."""
    model = nn.Sequential(Plain().features, nn.Conv2d(8, 8, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 5))
    with pytest.raises(HeadNotFound, match="a convolution over the whole 2x2 map of 8 channels"):
        CAM(perturb(model), (8, 8))
