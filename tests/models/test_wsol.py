"""The papers' backbones: parameter counts, map sizes, and that published weights mean in them what they meant."""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.resnet import Bottleneck

from camkit import CamkitError
from camkit.models import BACKBONES, load_classifier, load_pretrained, pretrained_state
from camkit.models.wsol.inception import FineReduction
from camkit.models.wsol.resnet import SEBottleneck

# With 1,000 classes. ResNet50, MobileNetV2: torchvision's tables; ResNet50-SE: the 28.1 million of Hu et al.'s
# SE-ResNet-50, to the last one as its public weights have them; MobileNetV1: Howard et al.'s 4.2 million, likewise.
PUBLISHED = {
    "resnet50": 25_557_032,
    "resnet50-se": 28_088_024,
    "mobilenet-v1": 4_231_976,
    "mobilenet-v2": 3_504_872,
}
MAPS = {"vgg16": 14, "vgg16-acol": 28, "resnet50": 14, "resnet50-se": 14, "mobilenet-v1": 28, "mobilenet-v2": 28,
        "googlenet": 14, "inception-v3": 28, "vgg16-nl": 14, "vgg-small": 16, "vgg-small-bn": 16,
        "resnet-small": 8}  # fmt: skip


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def on_meta(name: str, classes: int = 1000) -> nn.Module:
    with torch.device("meta"):
        return BACKBONES[name].build(classes)


def published_twin(name: str) -> nn.Module:
    """Torchvision's network, without values in place of the published ones."""
    settings = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("meta"):
        return torchvision.models.get_model(name, weights=None, **settings)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_counts(name):
    assert parameters(on_meta(name)) == PUBLISHED[name]


def test_parameter_counts_from_their_definitions():
    def convolution(cin, cout):
        return 9 * cin * cout + cout

    vgg16 = 14_714_688  # the 13 convolutions of Simonyan and Zisserman's network D
    assert parameters(on_meta("vgg16", 200)) == vgg16 + convolution(512, 1024) + 1025 * 200
    blocks = sum(2 * (c * c // 8 + c // 8) + 2 * (c * c + c) + 2 * c for c in (128, 256, 512, 512))
    assert parameters(on_meta("vgg16-nl")) == vgg16 + blocks + 513 * 1000 == 16_597_640
    head = convolution(1024, 1024) + 1025 * 1000
    assert parameters(on_meta("vgg16-acol")) == vgg16 + convolution(512, 1024) + head
    googlenet, inception = published_twin("googlenet"), published_twin("inception_v3")
    late = sum(map(parameters, (googlenet.inception5a, googlenet.inception5b, googlenet.fc)))
    assert parameters(googlenet) == 6_624_904  # torchvision's table
    assert parameters(on_meta("googlenet")) == 6_624_904 - late + convolution(832, 1024) + head
    late = sum(map(parameters, (inception.Mixed_7a, inception.Mixed_7b, inception.Mixed_7c, inception.fc)))
    assert parameters(on_meta("inception-v3")) == parameters(inception) - late + convolution(768, 1024) + head


def test_the_small_ones_are_small():
    for name in ("vgg-small", "vgg-small-bn", "resnet-small"):
        assert 100_000 < parameters(on_meta(name, 10)) < 300_000
    assert not any(isinstance(m, nn.BatchNorm2d) for m in on_meta("vgg-small").modules())


@pytest.mark.parametrize("name", BACKBONES)
def test_maps_have_the_papers_sizes(name):
    features = nn.Sequential(*layers_before_pooling(on_meta(name)))
    found = features(torch.empty(1, 3, *BACKBONES[name].input.size, device="meta"))
    assert found.shape[-2:] == (MAPS[name],) * 2


def layers_before_pooling(model: nn.Module) -> list[nn.Module]:
    layers = list(model.children())
    return layers[: next(i for i, layer in enumerate(layers) if "AvgPool2d" in type(layer).__name__)]


@pytest.mark.parametrize("name", [name for name, backbone in BACKBONES.items() if backbone.pretrained])
def test_published_weights_fit_all_layers_but_the_new_ones(name):
    backbone, model = BACKBONES[name], on_meta(name, 7)
    loaded, fresh = load_pretrained(model, published_twin(backbone.pretrained).state_dict())
    assert sorted([*loaded, *fresh]) == sorted(model.state_dict())
    assert set(fresh) == {key for key in model.state_dict() if backbone.is_new(key)}


def test_with_as_many_classes_only_layers_of_the_same_meaning_are_loaded():
    for name, fresh in (
        ("resnet50", set()),
        ("googlenet", {"conv6", "conv7", "classifier"}),
        ("vgg16", {"conv6", "fc"}),
    ):
        _, found = load_pretrained(on_meta(name), published_twin(BACKBONES[name].pretrained).state_dict())
        assert {key.split(".")[0] for key in found} == fresh


LAST_SHARED = {"vgg16": "features.29", "resnet50": "layer3", "mobilenet-v2": "features.6", "googlenet": "inception4e"}


@pytest.mark.parametrize("name", LAST_SHARED)
def test_loaded_layers_compute_what_they_computed(name):
    twin = published_twin(BACKBONES[name].pretrained)
    twin.classifier = twin.fc = nn.Identity()  # large, and not asked for
    model, twin = with_values(on_meta(name, 2)), with_values(twin)
    load_pretrained(model, twin.state_dict())
    mine, theirs = (output_of(net, LAST_SHARED[name]) for net in (model, twin))
    assert theirs.std() > 0
    assert torch.equal(mine, theirs)


def with_values(model: nn.Module) -> nn.Module:
    """A network on meta with weights of a size that leaves features alive, in eval mode."""
    model = model.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(0)
    for value in model.state_dict().values():
        if value.ndim > 1:
            value.uniform_(-1, 1, generator=generator).mul_((3 / value[0].numel()) ** 0.5)
        else:
            value.fill_(1)
    return model


class Reached(Exception):  # no error
    """The layer asked for has run."""


def output_of(model: nn.Module, name: str) -> torch.Tensor:
    held = []

    def stop(_module, _inputs, out):
        held.append(out)
        raise Reached

    handle = model.get_submodule(name).register_forward_hook(stop)
    with torch.no_grad(), pytest.raises(Reached):
        model(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    handle.remove()
    return held[0]


def test_inception_at_stride_one_holds_the_published_positions():
    """Every second position of the finer reduction is one of the strided one's, shifted by its padding."""
    reduction = with_values(published_twin("inception_v3").Mixed_6a)
    x = torch.rand(1, 288, 11, 11)
    with torch.no_grad():
        strided = reduction(x)
        torch.testing.assert_close(FineReduction(reduction)(x)[..., 1:-1:2, 1:-1:2], strided, rtol=1e-4, atol=1e-5)


def test_open_gates_leave_the_plain_network():
    torch.manual_seed(0)
    gated = SEBottleneck(256, 64).eval()
    plain = Bottleneck(256, 64).eval()
    load_pretrained(gated, plain.state_dict())
    nn.init.zeros_(gated.se.fc2.weight)
    nn.init.constant_(gated.se.fc2.bias, 100)
    x = torch.randn(2, 256, 5, 5)
    with torch.no_grad():
        torch.testing.assert_close(gated(x), plain(x))
        nn.init.constant_(gated.se.fc2.bias, -100)
        torch.testing.assert_close(gated(x), x.relu())


@pytest.mark.parametrize(
    ("name", "module", "channels"),
    [
        *(("vgg16", "features.16", 256), ("vgg16", "features.22", 512), ("vgg16", "features.29", 512)),
        *(("resnet50", "layer3.0", 1024), ("resnet50", "layer4.0", 2048), ("resnet50", "layer4.2", 2048)),
    ],
)
def test_adl_sits_where_the_papers_put_it(name, module, channels):
    assert module in BACKBONES[name].adl_at
    model = on_meta(name)
    widths = [m.out_channels for m in model.get_submodule(module).modules() if isinstance(m, nn.Conv2d)]
    if name == "vgg16":  # the ReLU of conv4_3 and of conv5_3 (the 10th and the 13th), and the third pooling
        before = [m for m in model.features[: int(module.split(".")[1]) + 1] if isinstance(m, nn.Conv2d)]
        assert (len(before), before[-1].out_channels) in {(7, 256), (10, 512), (13, 512)}
        widths = [before[-1].out_channels]
        assert isinstance(model.get_submodule(module), nn.MaxPool2d if len(before) == 7 else nn.ReLU)
    assert channels in widths


@pytest.mark.parametrize("name", BACKBONES)
def test_modules_that_adl_names_exist(name):
    assert set(BACKBONES[name].adl_at) <= {key for key, _ in on_meta(name).named_modules()}


def test_published_weights_by_their_names_and_from_a_file(tmp_path, monkeypatch):
    """With a file in torchvision's cache, as its download leaves it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    entry = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1
    path = tmp_path / "hub" / "checkpoints" / entry.url.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    truth = torchvision.models.mobilenet_v2(weights=None).state_dict()
    torch.save(truth, path)
    for network, weights in (("wsol:mobilenet-v2", entry.name), ("mobilenet_v2", str(entry)), ("any", str(path))):
        state, said = pretrained_state(network, weights)
        assert said == (f"file {path}" if network == "any" else "MobileNet_V2_Weights.IMAGENET1K_V1")
        model = BACKBONES["mobilenet-v2"].build(1000)
        loaded, fresh = load_pretrained(model, state)
        assert (len(loaded), fresh) == (len(truth), [])
        assert all(torch.equal(value, truth[key]) for key, value in model.state_dict().items())


def test_loaded_by_name(tmp_path):
    loaded = load_classifier("wsol:vgg-small", "none")
    assert (loaded.network, loaded.input) == ("wsol:vgg-small", BACKBONES["vgg-small"].input)
    truth = BACKBONES["vgg-small"].build(6)
    torch.save(truth.state_dict(), tmp_path / "w.pt")
    found = load_classifier("wsol:vgg-small", str(tmp_path / "w.pt")).model.state_dict()
    assert all(torch.equal(value, found[key]) for key, value in truth.state_dict().items())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: load_classifier("wsol:vgg-smal", "none"), "did you mean vgg-small"),
        (lambda: load_classifier("wsol:vgg16"), "no published weights"),
        (lambda: pretrained_state("wsol:mobilenet-v1", "DEFAULT"), "no published weights"),
        (lambda: pretrained_state("wsol:resnet50", "IMAGENET1K_V9"), "IMAGENET1K_V1"),
        (lambda: load_pretrained(BACKBONES["vgg-small"].build(2), {"w": torch.ones(1)}), "another network's"),
    ],
)
def test_refused_in_one_line(call, says):
    with pytest.raises(CamkitError, match=says) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_the_page_says_what_is_built():
    page = (Path(__file__).parents[2] / "docs" / "backbones.md").read_text(encoding="utf-8")
    rows = {row.split("`")[1]: row for row in page.splitlines() if row.startswith("| `")}
    assert rows.keys() == BACKBONES.keys()
    for name, row in rows.items():
        assert f"| {parameters(on_meta(name)):,} |" in row
        assert f"| {MAPS[name]}x{MAPS[name]} of " in row
        assert all(f"`{part}`" in row for part in BACKBONES[name].new_layers)
        if name != "vgg16":
            assert row.endswith(f"| {', '.join(BACKBONES[name].adl_at)} |")


def test_inceptions_dropouts_stand_before_its_last_three_layers_in_training_alone():
    """As in SPG's code; GoogLeNet in the same form has none."""
    names = [name for name, _ in BACKBONES["inception-v3"].build(3).named_children()]
    assert names[-10:-1] == ["drop6", "conv6", "relu6", "drop7", "conv7", "relu7", "drop", "pool", "flatten"]
    torch.manual_seed(0)
    tail = BACKBONES["inception-v3"].build(3)[-10:]
    x = torch.rand(2, 768, 5, 5)
    assert torch.equal(tail.eval()(x), tail(x))
    assert not torch.equal(tail.train()(x), tail(x))
    assert all(module.p == 0.5 for module in tail if isinstance(module, nn.Dropout))
    assert all(module.p == 0 for module in BACKBONES["googlenet"].build(3).children() if isinstance(module, nn.Dropout))
