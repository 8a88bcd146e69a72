"""Published transformers, made small: kinds, grids, and completeness on images that the search did not see."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import VisionTransformer, vit_b_16

from camkit import CAM

timm = pytest.importorskip("timm", reason="timm is an extra")

SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 3, "num_classes": 9}

# name: settings, input size, kind, map size, offset
MODELS = {
    "deit_tiny_patch16_224": ({**SMALL, "img_size": 64}, (64, 64), "class token", (4, 4), "per image"),
    "deit3_small_patch16_224": ({**SMALL, "img_size": 64}, (64, 64), "class token", (4, 4), "per image"),
    "deit_tiny_distilled_patch16_224": ({**SMALL, "img_size": 64}, (64, 64), "class token", (4, 4), "per image"),
    "vit_small_patch14_dinov2": ({**SMALL, "img_size": 56}, (56, 56), "class token", (4, 4), "per image"),
    "vit_small_patch14_reg4_dinov2": ({**SMALL, "img_size": 56}, (56, 56), "class token", (4, 4), "per image"),
    "vit_base_patch16_clip_224": ({**SMALL, "img_size": 64}, (64, 64), "class token", (4, 4), "per image"),
    "vit_base_patch16_siglip_224": ({**SMALL, "img_size": 64}, (64, 64), "attention pooling", (4, 4), "per image"),
    "beit_base_patch16_224": (
        {**SMALL, "img_size": 64, "global_pool": "token"}, (64, 64), "class token", (4, 4), "per image",
    ),
    "eva02_tiny_patch14_224": (
        {**SMALL, "img_size": 56, "global_pool": "token"}, (56, 56), "class token", (4, 4), "per image",
    ),
    "cait_xxs24_224": (
        {**SMALL, "img_size": 64, "depth_token_only": 2}, (64, 64), "class attention", (4, 4), "per image",
    ),
    "xcit_nano_12_p16_224": ({**SMALL, "img_size": 64}, (64, 64), "class attention", (4, 4), "per image"),
}  # fmt: skip


def made(name, **settings):
    torch.manual_seed(0)
    return shaken(timm.create_model(name, **settings))


def shaken(model):
    """Nothing is left at its first 0 or 1, and no matrix almost 0: a fresh network hides mistakes."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        usual = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.0
        if parameter.ndim > 1 and parameter.std() < 0.5 * usual:
            parameter.data.normal_(0, usual)
        elif parameter.ndim and parameter.amin() == parameter.amax():
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model.eval()


def completeness(cam, size):
    out = cam(torch.randn(3, 3, *size, generator=torch.Generator().manual_seed(5)), "all")
    spread = out.logits.amax() - out.logits.amin()
    return float((out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max() / spread)


@pytest.mark.parametrize("name", MODELS)
def test_families_of_timm(name):
    settings, size, kind, grid, offset = MODELS[name]
    cam = CAM(made(name, **settings), size)
    assert (cam.head.kind, cam.head.map_size, cam.head.offset) == (kind, grid, offset)
    assert completeness(cam, size) < 1e-4


@pytest.mark.parametrize(
    ("name", "module"),
    [("deit_tiny_patch16_224", "blocks.1.attn.qkv"), ("vit_base_patch16_siglip_224", "attn_pool.kv")],
)
def test_the_place_is_that_of_the_values(name, module):
    """Which attention weighs, and not that of the query."""
    settings, size, *_ = MODELS[name]
    place = CAM(made(name, **settings), size).head.feature_map.place
    assert (place.module, place.side) == (module, "output")


@pytest.mark.parametrize("name", ["deit_tiny_patch16_224", "vit_small_patch14_reg4_dinov2"])
def test_all_blocks(name):
    settings, size, *_ = MODELS[name]
    cam = CAM(made(name, **settings), size, token_blocks="all")
    assert cam.head.feature_map.blocks == 2
    assert completeness(cam, size) < 1e-4


def test_without_fused_kernels(monkeypatch):
    settings, size, kind, grid, _ = MODELS["deit_tiny_patch16_224"]
    fused = CAM(made("deit_tiny_patch16_224", **settings), size)
    monkeypatch.setattr("timm.layers.config._USE_FUSED_ATTN", 0)
    model = made("deit_tiny_patch16_224", **settings)
    assert not model.blocks[0].attn.fused_attn
    plain = CAM(model, size)
    assert (plain.head.kind, plain.head.map_size) == (kind, grid)
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(plain(x, "all").maps, fused(x, "all").maps, rtol=1e-3, atol=1e-4)


class ZeroShot(nn.Module):
    """An image encoder and the embeddings of class names, both of length 1."""

    def __init__(self, encoder, width, temperature=50.0):
        super().__init__()
        self.encoder, self.temperature = encoder, temperature
        self.names = nn.Parameter(F.normalize(torch.randn(9, width)))

    def forward(self, x):
        return self.temperature * F.normalize(self.encoder(x)) @ self.names.T


def clip_resnet(classes):
    """CLIP's ResNet with one block a stage."""
    config = timm.models.byobnet.model_cfgs["resnet50_clip"]
    blocks = tuple(timm.models.byobnet.ByoBlockCfg(**{**vars(block), "d": 1, "c": 64}) for block in config.blocks)
    small = type(config)(**{**vars(config), "blocks": blocks, "stem_chs": 8, "attn_kwargs": {}})
    return timm.models.byobnet.ByobNet(small, num_classes=classes, img_size=64)


def test_clip_resnets_have_a_map_and_a_constant_offset():
    """Untrained, its tokens come out almost alike, and the one that is read was once taken for their mean."""
    for model in (clip_resnet(9).eval(), shaken(clip_resnet(9))):
        cam = CAM(model, (64, 64))
        assert (cam.head.kind, cam.head.map_size, cam.head.offset) == ("attention pooling", (2, 2), "constant")
        assert completeness(cam, (64, 64)) < 1e-4


def test_zero_shot_classifiers():
    torch.manual_seed(0)
    for encoder, size, kind in (
        (clip_resnet(12), (64, 64), "attention pooling"),
        (made("vit_base_patch16_clip_224", **{**SMALL, "num_classes": 12}, img_size=64), (64, 64), "class token"),
    ):
        cam = CAM(shaken(ZeroShot(encoder, 12)), size)
        assert cam.head.kind == kind
        assert completeness(cam, size) < 1e-4


def test_torchvisions_own():
    small = shaken(VisionTransformer(64, 16, 3, 4, 48, 96, num_classes=9))  # an even number of heads: a fused path
    for blocks in (None, "all"):
        cam = CAM(small, (64, 64), token_blocks=blocks)
        assert (cam.head.kind, cam.head.map_size, cam.head.classifier) == ("class token", (4, 4), "heads.head")
        assert completeness(cam, (64, 64)) < 1e-4


def test_torchvisions_base():
    """On a small image, which takes little time."""
    cam = CAM(shaken(vit_b_16(image_size=64)), (64, 64))
    assert (cam.head.kind, cam.head.map_size) == ("class token", (4, 4))
    assert completeness(cam, (64, 64)) < 1e-4


class SideBySide(nn.Module):
    """DINOv2's linear head: the class token beside the mean of the patches."""

    def __init__(self, backbone, width):
        super().__init__()
        self.backbone, self.fc = backbone, nn.Linear(2 * width, 9)

    def forward(self, x):
        x = self.backbone.forward_features(x)
        prefix = self.backbone.num_prefix_tokens
        return self.fc(torch.cat([x[:, 0], x[:, prefix:].mean(1)], 1))


def test_dinov2s_linear_head():
    settings = {**SMALL, "img_size": 56, "num_classes": 0}
    model = shaken(SideBySide(timm.create_model("vit_small_patch14_reg4_dinov2", **settings), 48))
    cam = CAM(model, (56, 56))
    assert (cam.head.kind, cam.head.map_size) == ("class token and mean", (4, 4))
    assert completeness(cam, (56, 56)) < 1e-4


def test_another_size_is_searched_again():
    model = made("vit_small_patch14_dinov2", **SMALL, img_size=56, dynamic_img_size=True)
    cam = CAM(model, (56, 56))
    assert cam(torch.randn(1, 3, 56, 84)).maps.shape[-2:] == (4, 6)
    assert completeness(cam, (56, 84)) < 1e-4
    assert cam.map_size == (4, 4)
