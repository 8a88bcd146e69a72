"""Finer maps: every second position of the finer network's map is a position of the network's own."""

import copy
import json

import pytest
import torch
import torch.nn.functional as F
import torchvision
from click.testing import CliRunner
from small import Plain, perturb
from torch import nn

from camkit import CAM, CamkitError
from camkit.cli import cli
from camkit.models import set_output_stride


class Shortcut(nn.Module):
    """A strided block of ResNet-D's kind: the shortcut averages before it convolves."""

    def __init__(self, channels, pool):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 2, 1), nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1)
        )
        self.short = nn.Sequential(pool, nn.Conv2d(channels, channels, 1))

    def forward(self, x):
        return F.relu(self.main(x) + self.short(x))


def network(*layers):
    torch.manual_seed(0)
    return perturb(nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)))


def stem(*layers):
    """To one position for 8 pixels, then on."""
    return network(nn.Conv2d(3, 6, 3, 8, 1), nn.ReLU(), *layers)


NETWORKS = {
    "convolution 3x3": lambda: stem(nn.Conv2d(6, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1)),
    "convolution 5x5": lambda: stem(nn.Conv2d(6, 6, 5, 2, 2, groups=6), nn.ReLU(), nn.Conv2d(6, 6, 5, 1, 2)),
    "convolution 2x2": lambda: stem(nn.Conv2d(6, 6, 2, 2), nn.ReLU(), nn.Conv2d(6, 6, 7, 1, 3, groups=6)),
    "unpadded": lambda: stem(nn.Conv2d(6, 6, 3, 2), nn.ReLU(), nn.Conv2d(6, 6, 3)),
    "already dilated": lambda: stem(nn.Conv2d(6, 6, 3, 2, 2, 2), nn.Conv2d(6, 6, 3, 1, 3, 3)),
    "circular": lambda: stem(nn.Conv2d(6, 6, 3, 2, 1, padding_mode="circular"),
                             nn.Conv2d(6, 6, 3, 1, 1, padding_mode="circular")),
    "padding same": lambda: stem(nn.Conv2d(6, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, padding="same")),
    "maximum 3x3": lambda: stem(nn.MaxPool2d(3, 2, 1), nn.Conv2d(6, 6, 3, 1, 1), nn.MaxPool2d(3, 1, 1)),
    "maximum 3x3, ceil": lambda: stem(nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(6, 6, 3, 1, 1)),
    "maximum 2x2": lambda: stem(nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, 1, 1)),
    "average 2x2": lambda: stem(nn.AvgPool2d(2), nn.Conv2d(6, 6, 3, 1, 1), nn.AvgPool2d(3, 1, 1)),
    "average 3x3, padding not counted": lambda: stem(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "shortcut, average": lambda: stem(Shortcut(6, nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False))),
    "shortcut, two strides": lambda: stem(Shortcut(6, nn.AvgPool2d(2)), Shortcut(6, nn.MaxPool2d(2))),
}  # fmt: skip


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_every_nth_position_is_the_old_map(make):
    """8 pixels a position instead of 16 (32 for two strides): exact everywhere, borders too."""
    model = make()
    x = torch.randn(2, 3, 256, 384)
    fine = set_output_stride(model, 8, size=(256, 384))
    with torch.no_grad():
        old, new = model[0](x), fine[0](x)
    times = round(new.shape[-1] / old.shape[-1])
    assert times in (2, 4)
    torch.testing.assert_close(new[..., ::times, ::times], old, rtol=1e-5, atol=1e-6)


def test_without_dilation_weights_see_neighbours_nearer_by():
    model = stem(nn.Conv2d(6, 6, 3, 2, 1), nn.Conv2d(6, 6, 3, 1, 1))
    x = torch.randn(1, 3, 64, 64)
    fine = set_output_stride(model, 8, dilate=False, size=(64, 64))
    expected = copy.deepcopy(model[0])
    expected[2].stride = (1, 1)
    with torch.no_grad():
        torch.testing.assert_close(fine[0](x), expected(x))
        assert not torch.allclose(fine[0](x)[..., ::2, ::2], model[0](x), atol=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "resnext50_32x4d", "mobilenet_v2", "densenet121", "convnext_tiny"])
def test_torchvision_networks_without_gates_keep_their_features(name):
    torch.manual_seed(0)
    model = perturb(torchvision.models.get_model(name, weights=None))
    fine = set_output_stride(model, 16, size=(64, 96))
    x = torch.randn(1, 3, 64, 96)
    old, new = (CAM(network, (64, 96)).features(x).features for network in (model, fine))
    assert new.shape[-2:] == (4, 6)
    torch.testing.assert_close(new[..., ::2, ::2], old, rtol=1e-3, atol=1e-4 * float(old.abs().max()))


@pytest.mark.parametrize(
    "name", ["efficientnet_b0", "regnet_y_400mf", "googlenet", "squeezenet1_1", "shufflenet_v2_x0_5"]
)
def test_torchvision_networks_get_finer_maps(name):
    torch.manual_seed(0)
    settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **settings).eval()
    fine = CAM(set_output_stride(model, 8, size=(96, 96)), (96, 96)).head
    assert fine.map_size == ((9, 9) if name.startswith("squeezenet") else (12, 12))  # which pads nothing
    assert fine.completeness < 1e-4


def test_the_model_stays_as_it_was_and_the_copy_shares_its_weights():
    model = stem(nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, 1, 1))
    shown = repr(model)
    fine = set_output_stride(model, 8, size=(64, 64))
    assert repr(model) == shown != repr(fine)
    assert [p.data_ptr() for p in fine.parameters()] == [p.data_ptr() for p in model.parameters()]
    assert sum(len(m._forward_hooks) for m in (*model.modules(), *fine.modules())) == 0


def test_the_own_stride_changes_nothing():
    model = stem(nn.Conv2d(6, 6, 3, 2, 1))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(set_output_stride(model, 16, size=(64, 64))(x), model(x))


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(3, 6, 3, 8, 1), nn.Conv2d(6, 6, 3, 2, 1), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.second(F.max_pool2d(self.first(x), 2)).mean((2, 3)))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.pool, self.fc = nn.Conv2d(3, 6, 4, 4), nn.MaxPool2d(2), nn.Linear(6, 3)

    def forward(self, x):
        return self.fc(self.pool(self.pool(self.stem(x))).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (torchvision.models.VisionTransformer(64, 16, 1, 2, 8, 16), "patch embeddings"),
        (torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [1, 1], [4, 4]), "no further than 4"),
        (Plain(), "no further than 4"),
        (Functional(), "no convolution or pooling layer"),
        (Shared(), "several strides"),
        (
            nn.Sequential(nn.Conv2d(3, 6, 3, 8, 1), nn.Conv2d(6, 6, 3, 2, 1), nn.Flatten(), nn.Linear(96, 3)),
            "cannot be run",
        ),
    ],
    ids=["vit", "swin", "finer", "functional", "shared", "flatten"],
)
def test_refused_in_one_line(model, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        set_output_stride(model.eval(), 8, size=(64, 64))
    assert "\n" not in str(refusal.value)


def test_the_command_line_says_the_finer_map(tmp_path):
    found = CliRunner().invoke(cli, ["inspect", "--model", "resnet18", "--weights", "none", "--size", "64",
                                     "--output-stride", "16"])  # fmt: skip
    assert found.exit_code == 0, found.output
    assert "4x4 positions" in found.output


def test_a_run_records_it(tmp_path):
    from skimage.data import astronaut
    from skimage.io import imsave

    imsave(tmp_path / "one.png", astronaut()[::8, ::8], check_contrast=False)
    call = ["localize", "--model", "resnet18", "--weights", "none", "--size", "64", "--images", str(tmp_path),
            "--out", str(tmp_path / "out"), "--output-stride", "8", "--no-dilation", "--no-overlays"]  # fmt: skip
    found = CliRunner().invoke(cli, call)
    assert found.exit_code == 0, found.output
    settings = json.loads((tmp_path / "out" / "run.json").read_text())["settings"]
    assert (settings["output_stride"], settings["dilate"]) == (8, False)


class PadsByItself(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3)

    def forward(self, x):
        return x + self.conv(F.pad(x, (1, 1, 1, 1)))


def test_a_network_that_runs_finer_only_without_dilation_is_told_so():
    model = stem(nn.Conv2d(6, 6, 3, 2, 1), PadsByItself())
    with pytest.raises(CamkitError, match=r"size of tensor.*runs without dilation: --no-dilation"):
        set_output_stride(model, 8, size=(256, 256))
    assert CAM(set_output_stride(model, 8, False, (256, 256)), (256, 256)).head.map_size == (32, 32)
