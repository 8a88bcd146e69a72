"""Other libraries' extractors, held against class maps that camkit knows, and what they leave behind."""

import threading

import pytest
import torch
import torch.nn.functional as F
from attending import SIZE as PATCHES_SIZE
from attending import Attention, ViT
from small import Functional, Plain, perturb
from torch import nn

from camkit import CAM, CamkitError
from camkit.adapters import peer_named
from camkit.adapters.layers import BEFORE, HEAD, choose_layers, is_last
from camkit.adapters.own_copy import HOOKS

SIZE = (32, 32)
CLASSES = torch.tensor([[1, 3], [0, 4], [2, 2]])


def needs(spec):
    library = {"torchcam": "torchcam", "grad-cam": "pytorch_grad_cam", "captum": "captum"}[spec.partition(":")[0]]
    pytest.importorskip(library, reason=f"needs {library}: pip install 'camkit[peers]'")


def images(n=3, size=SIZE, seed=1):
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def maps_of(spec, network, shown=None, classes=CLASSES):
    needs(spec)
    shown = images() if shown is None else shown
    return peer_named(spec).source(network, SIZE).predict(shown).class_maps(classes).maps


def stretched(maps, size=SIZE):
    """What grad-cam makes of a map: no negatives, [0, 1], resized, [0, 1] again."""

    def unit(m):
        m = m - m.amin((-2, -1), keepdim=True)
        return m / (1e-7 + m.amax((-2, -1), keepdim=True))

    return unit(F.interpolate(unit(maps.relu()), size, mode="bilinear", align_corners=False))


class Flat(Plain):
    """AlexNet's end: the map is flattened, so that camkit's own maps refuse it."""

    def __init__(self):
        super().__init__()
        self.pool, self.fc = nn.AdaptiveAvgPool2d(6), nn.Linear(8 * 36, 5)


class ChannelsLast(Plain):
    """A mean over positions of a tensor (N, h, w, C), as Swin has it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.fc(self.norm(self.features(x).permute(0, 2, 3, 1)).mean((1, 2)))


class Tokens(Plain):
    """A token of the class before those of the grid; the classifier reads it alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.token, self.embedded = nn.Parameter(torch.randn(1, 1, 8)), nn.Identity()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        tokens = self.features(x).flatten(2).transpose(1, 2)
        y = self.embedded(torch.cat([self.token.expand(len(x), -1, -1), tokens], 1))
        return self.fc(self.attention(y, y, y)[0][:, 0])


EXACT = {  # what a method is on a mean and a linear layer, from the class maps (N, K, 8, 8)
    "torchcam:CAM": lambda maps: maps,
    "torchcam:GradCAM": lambda maps: maps.relu() / 64,
    "torchcam:XGradCAM": lambda maps: maps.relu() / 64,
    "grad-cam:GradCAM": stretched,
    "grad-cam:HiResCAM": stretched,
    "captum:LayerGradCam": lambda maps: maps / 64,
    "captum:LayerGradientXActivation": lambda maps: maps / 64,
}


@pytest.mark.parametrize("spec", EXACT)
def test_on_a_mean_and_a_linear_layer_they_are_the_class_maps(spec):
    model = perturb(Plain())
    own = CAM(model, SIZE)(images(), CLASSES).maps
    found = maps_of(spec, model)
    assert found.abs().max() > 0
    torch.testing.assert_close(found, EXACT[spec](own), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", ["torchcam:GradCAM", "grad-cam:HiResCAM", "captum:LayerGradCam"])
def test_channels_last_are_laid_out_for_every_library(spec):
    model = perturb(ChannelsLast())
    own = CAM(model, SIZE)
    assert own.head.kind == "exact"
    torch.testing.assert_close(maps_of(spec, model), EXACT[spec](own(images(), CLASSES).maps), rtol=1e-4, atol=1e-5)
    wide = images(2, (32, 48))
    source = peer_named(spec).source(model, SIZE)
    assert source.predict(wide).class_maps(0).maps.shape[-2:] in {(8, 12), (32, 48)}


@pytest.mark.parametrize("spec", ["torchcam:GradCAM", "grad-cam:HiResCAM", "captum:LayerGradientXActivation"])
def test_tokens_of_a_named_layer_against_autograd(spec):
    needs(spec)
    model = Tokens().eval()
    source = peer_named(f"{spec}@embedded").source(model, SIZE)
    assert source.facts["layer"] == "embedded (8x8 positions after 1 token)"
    found = source.predict(images()).class_maps(CLASSES[:, 0]).maps[:, 0]
    kept = []
    handle = model.embedded.register_forward_hook(lambda module, args, output: kept.append(output))
    with torch.enable_grad():
        logits = model(images())
    handle.remove()
    (gradient,) = torch.autograd.grad(logits.gather(1, CLASSES[:, :1]).sum(), kept[0])
    tokens, slopes = kept[0][:, 1:].detach(), gradient[:, 1:]
    slopes = slopes.mean(1, keepdim=True) if "GradCAM" in spec else slopes
    by_hand = (tokens * slopes).sum(2).unflatten(1, (8, 8))
    if spec.startswith("torchcam"):
        by_hand = by_hand.relu()
    if spec.startswith("grad-cam"):
        by_hand = stretched(by_hand[:, None])[:, 0]
    assert by_hand.abs().max() > 1e-5
    torch.testing.assert_close(found, by_hand, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("spec", ["torchcam:GradCAM", "grad-cam:GradCAM", "captum:LayerGradCam"])
def test_networks_that_camkit_refuses(spec):
    model = perturb(Flat())
    with pytest.raises(CamkitError, match="flattens"):
        CAM(model, SIZE)
    needs(spec)
    source = peer_named(spec).source(model, SIZE)
    assert source.facts["layer"] == "pool (6x6 positions)"
    assert "the last module that hands on a map" in source.notes[0]
    with torch.no_grad():
        torch.testing.assert_close(source.predict(images()).logits, model(images()))
    named = peer_named(f"{spec}@features").source(model, SIZE)
    assert named.facts["layer"] == "features (8x8 positions)"


def condition(model):
    """Modes, hooks, flags, gradients and contents of a network."""
    return (
        [(module.training, *(len(getattr(module, hooks)) for hooks in HOOKS)) for module in model.modules()],
        [(parameter.requires_grad, parameter.grad, parameter.data_ptr()) for parameter in model.parameters()],
        {name: value.clone() for name, value in model.state_dict().items()},
        [id(module) for module in model.modules()],
    )


@pytest.mark.parametrize("spec", ["torchcam:ScoreCAM", "torchcam:GradCAMpp", "grad-cam:GradCAM", "grad-cam:AblationCAM",
                                  "grad-cam:RefineCAM@features.2,features", "captum:LayerDeepLift",
                                  "captum:GuidedBackprop"])  # fmt: skip
@pytest.mark.parametrize("fails", [False, True])
def test_the_network_is_as_it_was(spec, fails):
    needs(spec)
    model = perturb(Plain())
    model.features[1].training, model.pool.training = False, True  # as somebody left it
    for parameter in list(model.parameters())[::2]:
        parameter.requires_grad_(False)
    model.fc.bias.grad = torch.ones(5)
    before = condition(model)
    source = peer_named(spec).source(model, SIZE)
    shown = images()
    if fails:
        with pytest.raises((IndexError, RuntimeError, AssertionError)):
            source.function(shown, torch.tensor([[99], [99], [99]]))
    else:
        with torch.inference_mode():  # of a run: gradients work all the same
            assert source.predict(shown).class_maps(CLASSES).maps.isfinite().all()
    after = condition(model)
    for own, then in zip(after, before, strict=True):
        if isinstance(own, dict):
            assert all(torch.equal(own[name], value) for name, value in then.items())
        else:
            assert own == then
    assert shown.grad is None
    assert not shown.requires_grad
    if not fails:  # nothing is carried from one call to the next
        first, second = (source.function(shown, CLASSES) for _ in range(2))
        torch.testing.assert_close(first, second, rtol=0, atol=0)


@pytest.mark.parametrize("spec", ["torchcam:GradCAM", "torchcam:SmoothGradCAMpp", "grad-cam:RandomCAM",
                                  "captum:GradientShap"])  # fmt: skip
def test_a_map_is_of_its_image_whatever_the_company(spec):
    needs(spec)
    source = peer_named(spec).source(perturb(Plain()), SIZE)
    state = torch.random.get_rng_state()
    together = source.predict(images()).class_maps(CLASSES).maps
    alone = torch.cat([source.predict(image[None]).class_maps(classes[None]).maps
                       for image, classes in zip(images(), CLASSES, strict=True)])  # fmt: skip
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_finer_cam_of_the_class_that_is_asked():
    """With targets given, grad-cam's FinerCAM compares with no other class, and is Grad-CAM."""
    needs("grad-cam:FinerCAM")
    model = perturb(Plain())
    finer, grad = (maps_of(f"grad-cam:{name}", model) for name in ("FinerCAM", "GradCAM"))
    assert not torch.allclose(finer, grad, atol=1e-3)
    assert not torch.allclose(finer[:, 0], finer[:, 1], atol=1e-3)


def test_the_weights_of_now_are_used():
    needs("torchcam:CAM")
    model = perturb(Plain())
    source = peer_named("torchcam:CAM").source(model, SIZE)
    with torch.no_grad():
        model.fc.weight.mul_(-2)
        model.features[1].running_mean.add_(0.5)
    torch.testing.assert_close(
        source.predict(images()).class_maps(CLASSES).maps, CAM(model, SIZE)(images(), CLASSES).maps
    )


def test_threads_wait_for_each_other():
    needs("captum:LayerGradCam")
    model = perturb(Plain())
    source, own = peer_named("captum:LayerGradCam").source(model, SIZE), CAM(model, SIZE)
    wrong = []

    def work(seed):
        shown = images(seed=seed)
        for _ in range(3):
            if not torch.allclose(source.predict(shown).class_maps(1).maps, own(shown, 1).maps / 64, atol=1e-5):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_logit_that_is_no_number_has_no_map():
    model = perturb(Plain())
    shown = images()
    shown[1] = torch.nan
    found = maps_of("torchcam:CAM", model, shown)  # which sums NaN as 0
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


@pytest.mark.parametrize(("spec", "said"), [
    ("torchcam:", r"torchcam [0-9.]+ has CAM, FinerCAM, GradCAM"),
    ("grad-cam:Nothing", "grad-cam [0-9.]+ has no extractor Nothing; it has AblationCAM, "),
    ("captum:NeuronGradient", "has no extractor NeuronGradient; it has .*LayerGradCam"),
])  # fmt: skip
def test_names_are_the_librarys_own(spec, said):
    needs(spec)
    with pytest.raises(CamkitError, match=said):
        peer_named(spec)


@pytest.mark.parametrize(("spec", "said"), [
    ("captum:Saliency@features", "captum:Saliency takes no layer, its maps are of the input: leave out @features"),
    ("captum:LayerGradCam@features.0,features", "takes one layer"),
    ("torchcam:GradCAM@nothing", "the network has no module 'nothing'; maps come out of .*features"),
    ("torchcam:GradCAM@fc", r"module fc hands on a tensor \(2, 5\), and neither a map"),
    ("torchcam:RefineCAM", "torchcam:RefineCAM fails to give maps: ValueError RefineCAM requires at least two"),
])  # fmt: skip
def test_what_does_not_go_is_one_line(spec, said):
    needs(spec)
    with pytest.raises(CamkitError, match=said) as caught:
        peer_named(spec).source(perturb(Plain()), SIZE)
    assert "\n" not in str(caught.value)


def test_without_the_library(monkeypatch):
    monkeypatch.setattr("camkit.adapters.library.find_spec", lambda name: None)
    with pytest.raises(CamkitError, match=r"needs torchcam, which is not installed: pip install 'camkit\[peers\]'"):
        peer_named("torchcam:GradCAM")
    assert peer_named("file.py:maps") is None


def test_where_the_channels_are():
    """By which of the two is nearer the image's shape; the head's own axis decides where it is known."""
    assert is_last(torch.Size((2, 14, 14, 384)), (224, 224))
    assert not is_last(torch.Size((2, 384, 14, 14)), (224, 224))
    assert not is_last(torch.Size((2, 256, 6, 6)), (224, 320))  # an adaptive pool
    assert not is_last(torch.Size((2, 64, 64, 64)), (64, 64))
    assert is_last(torch.Size((2, 64, 64, 64)), (64, 64), prefer=True)
    model = perturb(ChannelsLast())
    chosen = choose_layers(model, images(2), ())
    assert (chosen.layers[0].name, chosen.layers[0].order, chosen.by) == ("norm", "channels last", HEAD)
    assert choose_layers(perturb(Functional()), images(2), ()).by == BEFORE


class Handing(Attention):
    """Hands queries, keys and values on by a module, (N, heads, tokens, width), as timm's norms of queries do."""

    def __init__(self):
        super().__init__()
        self.norm = nn.Identity()

    def heads(self, x):
        return self.norm(super().heads(x))


def test_heads_and_tokens_are_no_rows_and_columns():
    """A class token's head has no map that a module hands on: what the patches are made by is the last one."""
    model = ViT()
    for block in model.blocks:
        block.attention = Handing()
    chosen = choose_layers(model.eval(), images(2, PATCHES_SIZE), ())
    assert str(chosen) == "patch (4x3 positions)"
