"""Where positions are centred by what made them: against the pixels that autograd says each sees, and wrong maps."""

import pytest
import torch
import torch.nn.functional as F
from small import perturb
from torch import nn

from camkit import CAM, HeadNotFound
from camkit.cam.centres import Line, followed_back, lies
from camkit.cam.places import ANYWHERE
from camkit.cam.trace import Trace

SIDE = 64
STACKS = {
    "strides": (nn.Conv2d(3, 4, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)),
    "no padding": (nn.Conv2d(3, 4, 3, 2), nn.GELU(), nn.Conv2d(4, 4, 3), nn.AvgPool2d(3, 1, 1)),
    "patches": (nn.Conv2d(3, 4, 4, 4), nn.BatchNorm2d(4), nn.AvgPool2d(2)),
    "dilated": (nn.Conv2d(3, 4, 3, 2, 2, dilation=2), nn.Hardswish(), nn.MaxPool2d(2, 2, dilation=2)),
    "one side": (
        nn.ZeroPad2d((0, 1, 2, 5)),
        nn.Conv2d(3, 4, 3, 2),
        nn.ReflectionPad2d((3, 0, 0, 1)),
        nn.Conv2d(4, 4, 2, 2),
    ),
}


def recorded(model, images):
    with Trace(model) as trace, torch.no_grad():
        trace.start(images)
        out = model(images)
    return trace.value(out)


def seen_from(model, axis):
    """In the middle of the map, where what a position sees is centred, by its gradient: of a map wide enough."""
    images = torch.rand(1, 3, SIDE, SIDE, dtype=torch.float64).requires_grad_()
    out = model(images)
    i = out.shape[2 + axis] // 2
    (gradient,) = torch.autograd.grad(out.movedim(2 + axis, 2)[:, :, i].sum(), images)
    reached = gradient.abs().sum((0, 1, 3 - axis)).nonzero()[:, 0]
    return i, float(reached[0] + reached[-1]) / 2


@pytest.mark.parametrize("name", STACKS)
def test_centres_are_those_of_the_pixels_that_are_seen(name):
    torch.manual_seed(0)
    model = nn.Sequential(*STACKS[name]).eval()
    value = recorded(model, torch.randn(2, 3, SIDE, SIDE))
    lines = followed_back(value, torch.arange(torch.Size(value.shape).numel()).reshape(value.shape)[0, 0])
    assert lines is not None
    for module in model:
        if isinstance(module, nn.MaxPool2d):  # whose gradient is of one pixel
            module.__class__, module.count_include_pad, module.divisor_override = Mean, True, None
    for axis, line in enumerate(lines):
        i, centre = seen_from(model.double(), axis)
        assert line.first + line.step * i == centre


class Mean(nn.MaxPool2d):
    """All that a maximum looks at."""

    def forward(self, x):
        weight = torch.ones(x.shape[1], 1, self.kernel_size, self.kernel_size).to(x)
        return F.conv2d(x, weight, None, self.stride, self.padding, self.dilation, x.shape[1])


@pytest.mark.parametrize(
    ("line", "number", "right"),
    [
        (Line(0, 32), 7, True),  # a ResNet: half a position aside
        (Line(15.5, 32), 7, True),  # patches
        (Line(37.5, 32), 6, True),  # unpadded convolutions
        (Line(-16.5, 32), 8, False),  # a border of a position around the image
        (Line(63.5, 16), 7, False),  # a quarter of each side cut off
        (Line(31.5, 32), 7, True),
        (Line(36.5, 32), 7, False),
    ],
)
def test_what_lies_over_an_image_of_224(line, number, right):
    assert lies(line, number, 224) == right


class Drowned(nn.Module):
    """Patches of 8x8 whose values are drowned in what all of the image adds to each, and differently to each.

    Its size is fixed by the weights of that, so that no other image says anything.
    """

    def __init__(self, seed=0, channels=32):
        super().__init__()
        torch.manual_seed(seed)
        self.patches, self.norm = nn.Conv2d(3, channels, 8, 8), nn.BatchNorm2d(channels)
        self.mixing = nn.Linear(64, 64, bias=False)
        self.mixing.weight.data.normal_(0, 5)
        self.out, self.fc = nn.Identity(), nn.Linear(channels, 5)

    def places(self, x):
        return self.norm(self.patches(x))

    def mixed(self, x):
        return x + self.mixing(x.flatten(2)).view(x.shape)

    def map(self, x):
        return self.mixed(self.places(x))

    def forward(self, x):
        return self.fc(self.out(self.map(x)).mean((2, 3)))


class Rows(Drowned):
    """The same with channels last and a linear layer on tokens."""

    def map(self, x):
        x = self.places(x).permute(0, 2, 3, 1).flatten(1, 2)
        x = F.layer_norm(x + self.mixing(x.transpose(1, 2)).transpose(1, 2), (32,))
        return x.transpose(1, 2).unflatten(2, (8, 8))


class Tokens(Rows):
    """The same, averaged as tokens."""

    def forward(self, x):
        return self.fc(self.out(self.map(x).flatten(2).transpose(1, 2)).mean(1))


class Changed(Drowned):
    def __init__(self, change):
        super().__init__()
        self.change = change

    def map(self, x):
        return self.change(self, x)


ORDER = torch.randperm(64, generator=torch.Generator().manual_seed(1))
WRONG = {
    "mirrored": lambda m, x: m.mixed(m.places(x).flip(3)),
    "columns for rows": lambda m, x: m.mixed(m.places(x).transpose(2, 3)),
    "another order": lambda m, x: m.mixed(m.places(x).flatten(2)[..., ORDER].view(len(x), -1, 8, 8)),
    "rolled": lambda m, x: m.mixed(m.places(x).roll(2, 3)),
    "a border": lambda m, x: m.mixed(m.places(F.pad(x[..., 8:-8, 8:-8], [8] * 4))),
    "rows below a border": lambda m, x: m.mixed(m.places(F.pad(x, [0, 0, 8, 0])[:, :, :-8])),
    "every other place twice": lambda m, x: m.mixed(m.places(x)[..., ::2].repeat(1, 1, 1, 2)),
    "sorted": lambda m, x: m.mixed(m.places(x).sort(3)[0]),
    "positions of a linear layer": lambda m, x: m.mixing(m.places(x).flatten(2)).view(len(x), -1, 8, 8),
}


@pytest.mark.parametrize("model", [Drowned, Rows, Tokens])
@pytest.mark.parametrize("seed", range(3))
def test_places_that_are_known_need_not_be_told_by_changes(model, seed):
    cam = CAM(perturb(model(seed)), (SIDE, SIDE))
    assert (cam.head.notes, cam.map_size) == ((ANYWHERE,), (8, 8))


@pytest.mark.parametrize("name", WRONG)
def test_wrong_places_are_refused_however_the_map_changes(name):
    with pytest.raises(HeadNotFound, match=r"alike|does not see|elsewhere"):
        CAM(perturb(Changed(WRONG[name])), (SIDE, SIDE))


def test_a_border_that_is_known_is_no_part_of_the_image():
    """Half the map lies beside the image, and what changes everywhere does not tell."""
    with pytest.raises(HeadNotFound, match="alike"):
        CAM(perturb(Changed(lambda m, x: m.mixed(m.places(F.pad(x, [8] * 4))))), (48, 48))
    assert CAM(perturb(Changed(lambda m, x: m.mixed(m.places(F.pad(x, [2] * 4))))), (60, 60)).head.notes == (ANYWHERE,)
