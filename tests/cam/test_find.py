"""Heads of networks that camkit never saw, found by what happens in a forward pass."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from small import Plain, perturb
from torch import nn

from camkit import CAM


def images(*size, n=2, channels=3, seed=0):
    return torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(seed))


def completeness(cam, x):
    out = cam(x, "all", "signed")
    spread = out.logits.amax() - out.logits.amin()
    return float((out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max() / spread)


class Squeeze(nn.Module):
    """A pooling by a function, two levels down, and a norm for vectors behind it."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x):
        return self.norm(torch.flatten(F.adaptive_avg_pool2d(F.silu(x), 1), 1))


class Stranger(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv2d(3, 8, 5, 4, 2)
        self.neck = nn.ModuleDict({"squeeze": Squeeze(8)})
        self.fc = nn.Linear(8, 6)

    def forward(self, x):
        maps = self.body(x)
        return {"maps": maps, "scores": self.fc(self.neck["squeeze"](maps))}


def test_a_network_that_the_project_never_saw():
    torch.manual_seed(0)
    model = perturb(Stranger())
    cam = CAM(model, (32, 32))
    assert cam.head.kind == "folded"
    assert (cam.head.classifier, cam.head.map_size) == ("fc", (8, 8))
    x = images(32, 48)
    with torch.no_grad():
        maps = F.silu(model.body(x))
        norm = model.neck["squeeze"].norm
        slope = norm.weight / (norm.running_var + norm.eps).sqrt()
        expected = torch.einsum("kc,nchw->nkhw", model.fc.weight * slope, maps)
    torch.testing.assert_close(cam(x, "all", "signed").maps, expected, rtol=1e-4, atol=1e-5)
    assert completeness(cam, x) < 1e-5


def test_swin_and_convnext():
    torch.manual_seed(0)
    swin = perturb(torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [2, 2], [4, 4], num_classes=5))
    setting = torchvision.models.convnext.CNBlockConfig
    convnext = perturb(torchvision.models.ConvNeXt([setting(8, 16, 1), setting(16, None, 1)], num_classes=5))
    for model, kind in ((swin, "exact"), (convnext, "folded")):
        cam = CAM(model, (64, 64))
        assert (cam.head.kind, cam.head.map_size) == (kind, (8, 8))
        assert completeness(cam, images(64, 96, seed=1)) < 1e-5


class TokenMean(nn.Module):
    """A vision transformer that averages its tokens, with or without a class token that it leaves out."""

    def __init__(self, class_token, norm_last):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 16)) if class_token else None
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.norm, self.norm_last = nn.LayerNorm(16), norm_last
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        tokens = self.block(tokens)
        tokens = tokens if self.norm_last else self.norm(tokens)
        pooled = tokens[:, 1:].mean(1) if self.token is not None else tokens.mean(1)
        return self.head(self.norm(pooled) if self.norm_last else pooled)


@pytest.mark.parametrize("class_token", [True, False])
@pytest.mark.parametrize("norm_last", [True, False])
def test_a_vision_transformer_that_averages_its_tokens(class_token, norm_last):
    torch.manual_seed(0)
    model = perturb(TokenMean(class_token, norm_last))
    cam = CAM(model, (32, 48))
    assert cam.head.kind == ("folded" if norm_last else "exact")
    assert cam.head.map_size == (4, 6)
    for size, grid in (((32, 48), (4, 6)), ((64, 16), (8, 2))):
        assert cam(images(*size), 0, "signed").maps.shape[-2:] == grid
        assert completeness(cam, images(*size, seed=1)) < 1e-5


def test_tokens_lie_in_raster_order():
    """Tokens that see their own patch alone: a patch that lights up does so at its own place."""
    model = TokenMean(class_token=False, norm_last=False)
    model.block, model.norm = nn.Identity(), nn.Identity()
    with torch.no_grad():
        model.patches.weight.fill_(0.1)
        model.patches.bias.zero_()
        model.head.weight.fill_(1)
    x = torch.zeros(1, 3, 32, 48)
    x[:, :, 8:16, 40:48] = 1
    lit = CAM(model.eval(), (32, 48))(x, 0, "signed").maps[0, 0] > 1e-3
    assert lit.nonzero().tolist() == [[1, 5]]


POOLINGS = {
    "module": lambda self, y: self.pool(y).flatten(1),
    "functional": lambda self, y: F.adaptive_avg_pool2d(y, (1, 1))[:, :, 0, 0],
    "mean": lambda self, y: y.mean((2, 3)),
    "mean twice": lambda self, y: y.mean(3).mean(2),
    "whole kernel": lambda self, y: F.avg_pool2d(y, y.shape[2:]).squeeze(3).squeeze(2),
    "tokens": lambda self, y: y.flatten(2).permute(0, 2, 1).mean(1),
    "channels last": lambda self, y: y.permute(0, 2, 3, 1).mean((1, 2)),
    "sum over size": lambda self, y: y.sum((2, 3)) / (y.shape[2] * y.shape[3]),
    "einsum": lambda self, y: torch.einsum("nchw->nc", y) / y[0, 0].numel(),
    "sum": lambda self, y: y.sum((2, 3)),
}


class Means(Plain):
    """One network, as many ways to write its pooling."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        return self.fc(POOLINGS[self.way](self, self.features(x)))


@pytest.mark.parametrize("way", POOLINGS)
def test_however_the_mean_is_computed(way):
    torch.manual_seed(0)
    cam = CAM(perturb(Means(way)), (32, 32))
    assert cam.head.kind == "exact"
    for size in ((32, 32), (48, 24)):
        assert completeness(cam, images(*size, seed=1)) < 1e-5


CLASSIFIERS = {
    "linear": lambda self, p: self.fc(p),
    "convolution": lambda self, p: F.conv1d(p[..., None], self.fc.weight[..., None]).flatten(1),
    "matmul": lambda self, p: p @ self.fc.weight.T,
    "temperature": lambda self, p: 20 * self.fc(p),
    "two layers": lambda self, p: self.fc(self.before(p)),
    "two heads": lambda self, p: (self.fc(p) + self.other(p)) / 2,
    "stacked heads": lambda self, p: torch.stack([self.fc(p), self.other(p)]).mean(0),
    "cosine": lambda self, p: F.normalize(p) @ F.normalize(self.fc.weight).T,
}


class Classifiers(Plain):
    """One network, as many ways to write its classifier."""

    def __init__(self, way):
        super().__init__()
        self.way, self.before, self.other = way, nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x):
        return CLASSIFIERS[self.way](self, self.features(x).mean((2, 3)))


@pytest.mark.parametrize("way", CLASSIFIERS)
def test_however_the_classifier_is_written(way):
    torch.manual_seed(0)
    cam = CAM(perturb(Classifiers(way)), (32, 32))
    assert cam.head.kind == ("folded" if way == "cosine" else "exact")
    for seed in (1, 2):
        assert completeness(cam, images(32, 40, seed=seed)) < 1e-5


def test_score_pooling_gives_the_scores_themselves():
    torch.manual_seed(0)
    scores = nn.Sequential(nn.Conv2d(3, 8, 3, 4), nn.ReLU(), nn.Conv2d(8, 5, 1))
    cam = CAM(nn.Sequential(scores, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval(), (32, 32))
    assert cam.head.kind == "score pooling"
    x = images(32, 32, seed=1)
    with torch.no_grad():
        torch.testing.assert_close(cam(x, "all", "signed").maps, scores(x))


@pytest.mark.parametrize("channels", [1, 4, 13])
def test_other_numbers_of_channels(channels):
    model = perturb(nn.Sequential(nn.Conv2d(channels, 8, 3, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)))
    assert completeness(CAM(model, (32, 32)), images(32, 32, channels=channels)) < 1e-5


def test_a_stem_that_folds_pixels_into_channels():
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
    model = perturb(nn.Sequential(nn.PixelUnshuffle(4), nn.Conv2d(48, 8, 3), *head))
    assert completeness(CAM(model, (32, 32)), images(32, 32)) < 1e-5


class Dying(nn.Module):
    """Half-wave rectified features that few patches of noise reach, or none, as the shift grows."""

    def __init__(self, shift):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, 4, 1)
        self.conv.bias.data -= shift
        self.relu = nn.ReLU()
        self.fc = nn.Linear(16, 5)

    def forward(self, x):
        return self.fc(self.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize(("shift", "dead"), [(0.0, False), (1.5, True), (9.0, True)])
def test_a_network_whose_units_have_died_is_read_with_a_note(shift, dead):
    torch.manual_seed(0)
    network = Dying(shift).eval()
    cam, x = CAM(network, (64, 64)), images(64, 64, seed=3)
    assert cam.head.kind == "exact"
    assert any("units have died" in note for note in cam.head.notes) == dead
    assert torch.allclose(cam(x, "all").maps.mean((-2, -1)) + cam(x, "all").offset, network(x), atol=1e-5)
