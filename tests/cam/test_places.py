"""Are positions places? Right maps whose changes are few, or shared by all positions, and wrong maps like them."""

import pytest
import torch
import torch.nn.functional as F
from attending import SIZE, Pool
from heads import valid
from small import Plain, perturb
from torch import nn

from camkit import CAM, HeadNotFound
from camkit.cam.check import mixes_in_double, same_alone
from camkit.cam.places import ANYWHERE, DEAD, check_places

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
FEW = (0, 1, 2, 795, 811, 927, 981, 1209, 1396)
WRONG = {
    "mirrored": lambda y: y.flip(3),
    "columns for rows": lambda y: y.transpose(2, 3),
    "another order": lambda y: y.flatten(2)[..., torch.randperm(y[0, 0].numel(), generator=seeded(1))].view(y.shape),
    "tokens before": lambda y: y.flatten(2).roll(3 * y.shape[3] // 2, 2).view(y.shape),
}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def local(images):
    """Values of 8x8 positions, each of its own pixels. Images of another size are not taken."""
    if images.shape[2:] != (64, 64):
        raise ValueError("made for 64x64")
    return F.unfold(images, 8, stride=8).unflatten(2, (8, 8))


def shared(images):
    """What an image moves at all positions alike hides where it changes: a shift, and a factor to each channel."""
    y = local(images)
    return y * (1 + y.mean((2, 3), keepdim=True)) + 1000 * y.mean((2, 3), keepdim=True)


def mixed(images):
    """To each of 16x16 positions some of all others, of each another part (a gMLP does that)."""
    y = F.unfold(images, 4, stride=4)
    mixing = torch.randn(256, 256, generator=seeded(2)) / 16
    return (y + 2 * y @ mixing).unflatten(2, (16, 16))


def test_where_nearly_all_units_have_died_operations_tell_and_changes_do_not():
    def dead(images):
        y = local(images).flip(3)
        return torch.cat([y[:, :1], torch.zeros_like(y[:, 1:])], 1)

    assert check_places(IMAGES, dead, lambda: True) == DEAD
    with pytest.raises(HeadNotFound, match="elsewhere"):
        check_places(IMAGES, dead)
    with pytest.raises(HeadNotFound, match="elsewhere"):
        check_places(IMAGES, lambda images: local(images).flip(3), lambda: True)


def along_columns(images):
    """Each part of an image also changes all rows of its own columns: no row tells which part it was."""
    y = local(images)
    return y + 20 * y.mean(2, keepdim=True)


def test_changes_at_home_that_reach_far_are_no_other_places_where_operations_tell():
    assert check_places(IMAGES, along_columns, lambda: True) == ""
    with pytest.raises(HeadNotFound, match="rows of the image are not told apart"):
        check_places(IMAGES, along_columns)
    with pytest.raises(HeadNotFound, match="elsewhere"):
        check_places(IMAGES, lambda images: along_columns(images).flip(3), lambda: True)


@pytest.mark.parametrize("features", [shared, mixed])
def test_places_are_told_beside_what_moves_all_positions(features):
    """A network of one size, whose positions would otherwise have to follow the image's size."""
    assert check_places(IMAGES, features) == ANYWHERE
    assert check_places(IMAGES, local) == ""


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("features", [local, shared, mixed])
def test_other_orders_are_refused_also_beside_what_moves_all_positions(features, name):
    with pytest.raises(HeadNotFound, match=r"elsewhere|alike"):
        check_places(IMAGES, lambda x: WRONG[name](features(x)))


def test_axes_of_chance_tell_no_places():
    """Each position another mixture of the whole image."""
    refused = 0
    for seed in range(40):
        mixing = torch.randn(64, 16, generator=seeded(seed))

        def features(x, mixing=mixing):
            return (local(x)[:, :3].flatten(2) @ mixing).unflatten(2, (4, 4))

        try:
            check_places(IMAGES, features)
        except HeadNotFound:
            refused += 1
    assert refused >= 38


class Picking(Pool):
    """CLIP's attention pool, whose heads each pick out one token, and others in other images."""

    def __init__(self, mirrored=False):
        super().__init__()
        self.mirrored = mirrored

    def tokens(self, x):
        return super().tokens(x.flip(3) if self.mirrored else x)


@pytest.mark.parametrize("seed", range(6))
def test_where_attention_looks_is_no_place(seed):
    """A change anywhere moves the attention elsewhere, and what the positions hold stays where it is."""
    right, wrong = Picking().eval(), Picking(mirrored=True).eval()
    for model in (right, wrong):
        torch.manual_seed(seed)
        model.attention.q.weight.data.normal_(0, 30)
        nn.init.normal_(model.features[0].weight)
    head = CAM(right, SIZE).head
    assert (head.kind, head.notes, head.map_size) == ("attention pooling", (), (4, 3))
    with pytest.raises(HeadNotFound, match="elsewhere"):
        CAM(wrong, SIZE)


@torch.no_grad()
def test_few_positions_that_change_are_looked_at_again():
    """One convolution of four channels: a block's centre is a guess there, and was too far for some of these seeds."""
    images = torch.randn(2, 3, 16, 16, generator=seeded(0))
    for seed in FEW:
        torch.manual_seed(seed)
        convolution = nn.Conv2d(3, 4, 3)
        assert check_places(images, lambda x, made=convolution: made(x).relu()) == ""


@torch.no_grad()
def test_convolutions_that_leave_the_edges_out_are_still_refused():
    images = torch.randn(2, 3, 32, 32, generator=seeded(0))
    refused = 0
    for seed in range(30):
        model = valid(10)[:-3]
        torch.manual_seed(seed)
        for layer in model:
            if isinstance(layer, nn.Conv2d):
                layer.reset_parameters()
        try:
            check_places(images, model)
        except HeadNotFound:
            refused += 1
    assert refused >= 23


def test_rounding_that_is_magnified_is_no_other_image():
    alone, together = torch.tensor([0.0, 1.0]), torch.tensor([0.02, 1.0])
    same_alone(alone, together, 1.0, lambda: 0.01, lambda: False)
    for wobble, mixes in ((1e-5, False), (0.01, True)):
        with pytest.raises(HeadNotFound, match="other images"):
            same_alone(alone, together, 1.0, lambda wobble=wobble: wobble, lambda mixes=mixes: mixes)


class Magnifying(Plain):
    """Each step doubles a rounding (the logistic map); the other images of a batch come in, or do not."""

    def __init__(self, mixing):
        super().__init__()
        self.mixing = mixing

    def forward(self, x):
        y = self.features(x).sigmoid()
        y = y + self.mixing * (y.mean(0, keepdim=True) - y)
        for _ in range(24):
            y = 3.999 * y * (1 - y)
        return self.fc(self.pool(y).flatten(1))


def test_a_network_that_magnifies_rounding_and_mixes_its_batch_is_refused():
    assert CAM(perturb(Magnifying(0.0)), (32, 32)).head.kind == "exact"
    with pytest.raises(HeadNotFound, match="other images"):
        CAM(perturb(Magnifying(0.3)), (32, 32))


def test_a_network_that_cannot_be_copied_or_computed_in_double_is_not_called_mixing():
    model = perturb(Magnifying(0.3))
    head = CAM(perturb(Magnifying(0.0)), (32, 32)).head
    images = torch.randn(2, 3, 32, 32, generator=seeded(0))
    assert mixes_in_double(model, head, images, None)
    assert not mixes_in_double(perturb(Magnifying(0.0)), head, images, None)
    model.register_forward_pre_hook(lambda module, args: (args[0].float(),))
    assert not mixes_in_double(model, head, images, None)
