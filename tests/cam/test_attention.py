"""Heads that weigh positions by attention: each against a slow reference, position by position, in float64."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attending import GRID, SIZE, Attention, ClassAttention, Latent, Pool, ViT, laid_out
from hypothesis import given, settings
from hypothesis import strategies as st
from small import Plain, perturb, state, tensors

from camkit import CAM, CamkitError, HeadNotFound
from camkit.cam import find_fc
from camkit.cam.check import run_head


def images(n=3, seed=7):
    return torch.randn(n, 3, *SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def in_double(cam, x):
    """Maps, offset and logits of the parts that are picked up, before anything is rounded to float32."""
    head = cam.head
    features, rest, said, _ = run_head(cam.model, head, x, None)
    scale = head.scale(head.pooled(features) + rest)[:, None]
    maps = torch.einsum("kc,nchw->nkhw", head.weight, features) * scale[..., None, None]
    return maps, scale * (rest @ head.weight.T + head.scaled_bias) + head.bias, said


EXACT = {
    "class token": (ViT, {}, "class token"),
    "class token, one block": (lambda **k: ViT(1, **k), {}, "class token"),
    "class token, written out": (lambda **k: ViT(fused=False, **k), {}, "class token"),
    "class token, registers": (lambda **k: ViT(registers=3, **k), {}, "class token"),
    "class token, bias added to scores": (lambda **k: ViT(bias=True, **k), {}, "class token"),
    "class token, bias, written out": (lambda **k: ViT(bias=True, fused=False, **k), {}, "class token"),
    "class token and mean": (lambda **k: ViT(read="both", registers=2, **k), {}, "class token and mean"),
    "two of three blocks": (lambda **k: ViT(3, **k), {"blocks": 2}, "class token"),
    "three of three blocks": (lambda **k: ViT(3, registers=1, **k), {"blocks": 3}, "class token"),
    "attention pool": (Pool, {}, "attention pooling"),
    "attention pool, written out": (lambda **k: Pool(fused=False, **k), {}, "attention pooling"),
    "zero-shot": (lambda **k: Pool(zero_shot=True, **k), {}, "attention pooling"),
    "latent query": (Latent, {}, "attention pooling"),
    "latent query, written out": (lambda **k: Latent(fused=False, **k), {}, "attention pooling"),
    "latent query without MLP": (lambda **k: Latent(mlp=False, **k), {}, "attention pooling"),
    "class attention": (ClassAttention, {}, "class attention"),
    "class attention, written out": (lambda **k: ClassAttention(fused=False, **k), {}, "class attention"),
    "class attention, last block": (ClassAttention, {"blocks": 1}, "class attention"),
}


@pytest.mark.parametrize("name", EXACT)
def test_maps_are_those_of_the_slow_reference(name):
    make, blocks, kind = EXACT[name]
    model = perturb(make()).double()
    cam = CAM(model, SIZE, token_blocks=blocks.get("blocks"))
    with torch.no_grad():
        expected = model.reference(images(), **blocks)
    assert (cam.head.kind, cam.head.map_size) == (kind, GRID)
    maps, offset, said = in_double(cam, images())
    torch.testing.assert_close(maps, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(maps.mean((2, 3)) + offset, said, rtol=1e-10, atol=1e-10)
    out = cam(images(), "all")
    torch.testing.assert_close(out.maps.double(), expected, rtol=1e-4, atol=1e-5)
    assert completeness(cam, images()) < 1e-6


def logits_of(model, x):
    with torch.no_grad():
        return model(x)


def completeness(cam, x):
    out = cam(x, "all")
    spread = out.logits.amax() - out.logits.amin()
    return float((out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max() / spread)


def test_what_positions_hold_is_their_value_whatever_attention_takes_of_it():
    """As if all tokens had the same weight: for the check of places, which asks where a position is."""
    for made, positions in ((Pool(fused=True), 13), (Pool(fused=False), 13), (Latent(mlp=False), 12)):
        model = perturb(made).double()
        head = CAM(model, SIZE).head
        *_, held = run_head(model, head, images(), None)
        with torch.no_grad():
            values = model.attention.v(model.tokens(images()))[:, -12:] @ model.attention.proj.weight.T / positions
            expected = laid_out(values @ model.fc.weight.T)
        maps = torch.einsum("kc,nchw->nkhw", head.weight, held)
        torch.testing.assert_close(maps, expected, rtol=1e-10, atol=1e-10)


def test_the_offset_of_an_attention_pool_is_one_for_all_images_and_others_have_one_each():
    for model, same in ((Pool(), True), (Latent(mlp=False), True), (Latent(), False), (ViT(), False)):
        cam = CAM(perturb(model).double(), SIZE)
        offset = cam(images(), "all").offset
        assert bool((offset - offset[:1]).abs().max() < 1e-5) == same
        assert cam.head.offset == ("constant" if same else "per image")


def test_the_share_is_that_of_the_covariance_with_the_logits():
    model = perturb(ViT()).double()
    features = CAM(model, SIZE).features(images())
    sums, logits = model.reference(images()).mean((2, 3)).detach(), logits_of(model, images())
    expected = [np.cov(m, z)[0, 1] / np.var(z, ddof=1) for m, z in zip(sums.numpy(), logits.numpy(), strict=True)]
    np.testing.assert_allclose(features.shares().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_a_small_share_is_noted():
    """A class token that hardly looks at the patches."""
    model = perturb(ViT(1)).double()
    with torch.no_grad():
        model.blocks[0].attention.v.weight.mul_(1e-3)
    head = CAM(model, SIZE).head
    assert head.share < 0.2
    assert "the maps carry" in head.notes[-1]


def test_weightings_see_the_mean_of_the_derived_map_and_the_classifiers_own_weights():
    model = perturb(ViT()).double()
    features = CAM(model, SIZE).features(images())
    torch.testing.assert_close(features.pooled, features.features.mean((2, 3)))
    weights = model.fc.weight.float().expand(3, -1, -1)
    torch.testing.assert_close(features.class_weights("all"), weights)
    expected = torch.einsum("nkc,nchw->nkhw", weights.clamp(min=0), features.features)
    torch.testing.assert_close(features.class_maps("all", "positive").maps, expected)


def test_a_patch_that_alone_is_seen_lights_up_at_its_place():
    """Values that see their own patch alone, and queries that ask all alike."""
    model = perturb(ViT(1, registers=2)).double()
    with torch.no_grad():
        attention = model.blocks[0].attention
        for part in (attention.q, attention.k):
            part.weight.zero_()
            part.bias.zero_()
        model.positions.zero_()
    lit = torch.zeros(1, 3, *SIZE, dtype=torch.float64)
    lit[:, :, 16:24, 8:16] = 3
    maps = CAM(model, SIZE)(lit, "all").maps[0]
    apart = (maps - maps[:, :1, :1]).abs().amax(0)
    assert (apart > 1e-4).nonzero().tolist() == [[2, 1]]


@pytest.mark.parametrize("make", [ViT, Pool, Latent, ClassAttention])
def test_the_model_is_left_as_it_was(make):
    model = perturb(make()).double()
    before = state(model)
    cam = CAM(model, SIZE)
    cam(images(), "all")
    assert state(model) == before
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_any_number_of_images(n):
    cam = CAM(perturb(ViT()).double(), SIZE)
    together = cam(images(5), "all").maps
    assert cam(images(5)[:n], "all").maps.shape == (n, 5, *GRID)
    torch.testing.assert_close(cam(images(5)[:n], "all").maps, together[:n])


def test_four_threads_see_their_own_images():
    model = perturb(ViT(registers=1)).double()
    cam = CAM(model, SIZE)
    pictures = [images(8, seed) for seed in range(4)]
    alone = [cam(x, "all").maps for x in pictures]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, expected in zip(pool.map(lambda x: cam(x, "all").maps, pictures), alone, strict=True):
                assert torch.equal(found, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_precisions(dtype):
    model = perturb(ViT()).to(dtype)
    cam = CAM(model, SIZE)
    assert completeness(cam, images().to(dtype)) < max(1e-4, 8 * torch.finfo(dtype).eps)


def test_autocast_and_compiled():
    model = perturb(ViT())
    expected = CAM(model, SIZE)(images().float(), "all")
    with torch.autocast("cpu", torch.bfloat16):
        rough = CAM(model, SIZE)(images().float(), "all")
    torch.testing.assert_close(rough.maps, expected.maps, rtol=0, atol=0.05 * float(expected.maps.abs().max()))
    compiled = CAM(torch.compile(model, backend="eager"), SIZE)(images().float(), "all")
    torch.testing.assert_close(compiled.maps, expected.maps)


def test_blocks_that_are_not_there():
    with pytest.raises(HeadNotFound, match=r"4 blocks are asked for.* through 2"):
        CAM(perturb(ViT(2)).double(), SIZE, token_blocks=4)
    with pytest.raises(HeadNotFound, match="averages a map"):
        CAM(perturb(Plain()), (32, 32), token_blocks="all")
    for wrong in (0, -1, "some", True, 1.5):
        with pytest.raises(CamkitError, match="token_blocks"):
            CAM(perturb(ViT()).double(), SIZE, token_blocks=wrong)


def test_all_blocks_and_the_start_of_the_token_are_all_there_is():
    """Every block of attention: what is left is the token's start, its own values and registers', and the MLPs."""
    model = perturb(ViT(3)).double()
    cam = CAM(model, SIZE, token_blocks="all")
    assert cam.head.feature_map.blocks == 3
    torch.testing.assert_close(cam(images(), "all").maps.double(), model.reference(images(), 3), rtol=1e-4, atol=1e-5)


def test_finetuning_is_refused_with_the_reason():
    cam = CAM(perturb(ViT()), SIZE)
    with pytest.raises(CamkitError, match="weighs positions by attention"):
        find_fc(cam.model, cam.head)


def test_a_model_that_was_trained_on_is_read_as_it_is_now():
    model = perturb(ViT()).double()
    cam = CAM(model, SIZE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    torch.testing.assert_close(cam(images(), "all").maps.double(), model.reference(images()), rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 3), st.integers(0, 3), st.booleans(), st.booleans(), st.sampled_from(["token", "both"]), st.data()
)
def test_random_transformers(depth, registers, fused, bias, read, data):
    blocks = data.draw(st.integers(1, depth))
    model = perturb(ViT(depth, registers, fused, bias, read)).double()
    cam = CAM(model, SIZE, token_blocks=blocks)
    assert completeness(cam, images()) < 1e-6
    maps = cam(images(), "all").maps.double()
    torch.testing.assert_close(maps, model.reference(images(), blocks), rtol=1e-4, atol=1e-5)


class Hidden(Attention):
    """A patch is hidden from all tokens, by a mask of truth values."""

    def forward(self, asks, x):
        parts = (self.heads(layer(one)) for layer, one in ((self.q, asks), (self.k, x), (self.v, x)))
        mask = (torch.arange(x.shape[1]) != 5).expand(len(x), 1, x.shape[1], x.shape[1])
        return self.proj(F.scaled_dot_product_attention(*parts, mask).transpose(1, 2).flatten(2))


def test_a_mask_of_truth_values():
    """A hidden patch adds nothing; with the others the logits add up."""
    model = ViT(1)
    model.blocks[0].attention = Hidden()
    cam = CAM(perturb(model).double(), SIZE)
    assert completeness(cam, images()) < 1e-6
    seen = cam(images(), "all").maps.flatten(2).abs().amax((0, 1)) > 1e-9
    assert seen.tolist() == [patch != 4 for patch in range(12)]


class InPlace(ViT):
    """Blocks that add to the stream in place."""

    def forward(self, x):
        x = self.start(x)
        for block in self.blocks:
            y = block.norm1(x)
            x += block.scale1 * block.attention(y, y)
            x += block.scale2 * block.mlp(block.norm2(x))
        return self.fc(self.norm(x)[:, 0])


def test_streams_that_are_changed_in_place():
    model = perturb(InPlace(3, 1)).double()
    for blocks in (1, 3):
        cam = CAM(model, SIZE, token_blocks=blocks)
        maps = cam(images(), "all").maps.double()
        torch.testing.assert_close(maps, model.reference(images(), blocks), rtol=1e-4, atol=1e-5)
        assert completeness(cam, images()) < 1e-6


def test_an_extractor_keeps_no_images():
    model = perturb(ViT(3)).double()
    before = tensors()[1]
    cam = CAM(model, SIZE)
    cam(images(), "all")
    assert tensors()[1] - before < 150_000  # of places and the head's weights; see `Row`
    assert cam.kind == "class token"
