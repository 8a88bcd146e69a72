"""Class maps against the logits, against sums written out, and the model left as it was."""

import gc

import pytest
import torch
import torchvision
from small import Functional, Plain, perturb
from torch import nn

from camkit import CAM, CamkitError, HeadNotFound, register_weighting
from camkit.models.tiny import TinyResNet
from camkit.nn import make_pool


def images(n=3, size=(32, 32), seed=0):
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def completeness(cam, x):
    out = cam(x, "all", "signed")
    spread = out.logits.amax() - out.logits.amin()
    return float((out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max() / spread)


@pytest.mark.parametrize("network", [Plain, Functional])
@pytest.mark.parametrize("bias", [True, False])
def test_maps_add_up_to_the_logits(network, bias):
    torch.manual_seed(0)
    model = perturb(network(bias=bias))
    cam = CAM(model, (32, 32))
    assert cam.head.kind == "exact"
    assert completeness(cam, images()) < 1e-5
    assert completeness(cam, images(2, (48, 20))) < 1e-5


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "densenet121", "efficientnet_b0"])
def test_completeness_of_torchvision_networks(name):
    torch.manual_seed(0)
    model = perturb(torchvision.models.get_model(name, weights=None))
    cam = CAM(model, (64, 64))
    assert cam.head.kind == "exact"
    assert completeness(cam, images(2, (96, 64))) < 1e-4


def test_completeness_of_tiny():
    torch.manual_seed(0)
    assert completeness(CAM(perturb(TinyResNet(7)), (64, 64)), images(2, (64, 96))) < 1e-4


def test_maps_are_the_weighted_sum_of_the_features():
    torch.manual_seed(0)
    model = perturb(Plain())
    x = images(2)
    with torch.no_grad():
        features = model.features(x)
    w = model.fc.weight.detach()
    expected = torch.zeros(2, 5, *features.shape[2:])
    for n in range(2):
        for k in range(5):
            for c in range(8):
                expected[n, k] += w[k, c] * features[n, c]
    out = CAM(model, (32, 32))(x, "all", "signed")
    torch.testing.assert_close(out.maps, expected)
    torch.testing.assert_close(out.offset, model.fc.bias.detach().expand(2, -1))


def test_negative_weight_clamping_by_hand():
    """Two channels at one position: features 3 and 5, weights 2 and -1: signed 1, positive 6, negative -5."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 1, False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([3.0, 5.0]).reshape(2, 1, 1, 1))
        model[3].weight.copy_(torch.tensor([[2.0, -1.0]]))
    cam = CAM(model.eval(), (4, 4))
    x = torch.zeros(1, 1, 2, 2)
    x[0, 0, 1, 0] = 1
    for weighting, value in (("signed", 1.0), ("positive", 6.0), ("negative", -5.0)):
        maps = cam(x, 0, weighting).maps
        assert maps.tolist() == [[[[0, 0], [value, 0]]]]


def test_weightings_split_the_signed_map():
    torch.manual_seed(1)
    features = CAM(perturb(Plain()), (32, 32)).features(images())
    signed, positive, negative = (features.class_maps("all", w).maps for w in ("signed", "positive", "negative"))
    torch.testing.assert_close(positive + negative, signed)
    assert (positive >= 0).all()
    assert (negative <= 0).all()


def test_forms_of_classes():
    torch.manual_seed(0)
    cam = CAM(perturb(Plain()), (32, 32))
    x = images()
    every = cam(x, "all", "signed").maps
    torch.testing.assert_close(cam(x, 2, "signed").maps[:, 0], every[:, 2])
    torch.testing.assert_close(cam(x, [4, 1], "signed").maps, every[:, [4, 1]])
    torch.testing.assert_close(cam(x, torch.tensor([0, 3, 1]), "signed").maps[:, 0], every[range(3), [0, 3, 1]])
    predicted = cam(x)
    assert torch.equal(predicted.classes[:, 0], predicted.logits.argmax(1))
    top = cam.features(x).top(3)
    assert torch.equal(top, predicted.logits.argsort(1, descending=True)[:, :3])


@pytest.mark.parametrize("classes", [5, -1, [0, 9], "every", torch.zeros(2, dtype=torch.long), torch.zeros(3)])
def test_wrong_classes_are_refused_in_one_line(classes):
    cam = CAM(perturb(Plain()), (32, 32))
    with pytest.raises(CamkitError) as refusal:
        cam(images(3), classes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("pool", "kind"), [("tap:0.2", "TAP"), ("max", "max pooling"), ("lse:3", "log-sum-exp")])
def test_other_pools_are_told_apart_and_maps_come_from_raw_features(pool, kind):
    torch.manual_seed(0)
    model = perturb(Plain())
    plain = CAM(model, (32, 32))(images(), "all", "signed").maps
    model.pool = make_pool(pool)
    cam = CAM(model, (32, 32))
    assert cam.head.kind == kind
    assert cam.head.completeness < 1e-5
    out, features = cam(images(), "all", "signed"), cam.features(images())
    torch.testing.assert_close(out.maps, plain)
    torch.testing.assert_close(features.pooled @ model.fc.weight.T + model.fc.bias, features.logits)
    assert (out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max() > 0.01 * out.logits.std()


def test_gap_as_a_layer_is_exact():
    model = perturb(Plain())
    model.pool = make_pool("gap")
    head = CAM(model, (32, 32)).head
    assert (head.kind, head.pool) == ("exact", None)


def test_a_linearised_head_has_the_gradient_of_its_logit():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    model = nn.Sequential(*layers, nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4)).eval()
    cam = CAM(model, (16, 16))
    assert cam.head.kind == "linearised"
    x = images(2, (16, 16))
    out = cam(x, "all", "signed")
    features = model[:2](x)
    for n in range(2):
        pooled = features[n].mean((-2, -1)).detach().requires_grad_()
        for k in range(4):
            (gradient,) = torch.autograd.grad(model[4:](pooled)[k], pooled)
            expected = torch.einsum("c,chw->hw", gradient, features[n])
            torch.testing.assert_close(out.maps[n, k], expected.detach(), rtol=1e-4, atol=1e-5)
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("norm", ["layer", "batch", "normalize"])
def test_a_norm_between_pooling_and_classifier_is_absorbed(norm):
    class Normed(Plain):
        def __init__(self):
            super().__init__()
            self.norm = {"layer": nn.LayerNorm(8), "batch": nn.BatchNorm1d(8), "normalize": nn.Identity()}[norm]

        def forward(self, x):
            p = self.norm(self.features(x).mean((2, 3)))
            return self.fc(nn.functional.normalize(p) if norm == "normalize" else p)

    torch.manual_seed(0)
    cam = CAM(perturb(Normed()), (32, 32))
    assert cam.head.kind == "folded"
    assert completeness(cam, images()) < 1e-4


def test_one_forward_pass_and_the_model_as_it_was():
    torch.manual_seed(0)
    model = perturb(Plain())
    model.fc.weight.requires_grad_(False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    flags = [p.requires_grad for p in model.parameters()]
    passes = []
    handle = model.register_forward_hook(lambda *_: passes.append(1))
    with CAM(model, (32, 32)) as cam:
        passes.clear()
        features = cam.features(images())
        for weighting in ("signed", "positive", "negative"):
            features.class_maps("all", weighting)
    assert len(passes) == 1
    handle.remove()
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert hooks(model) == 0


def hooks(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in model.modules())


def test_hooks_are_gone_after_an_exception():
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    with pytest.raises(CamkitError, match="own forward fails"):
        cam(torch.rand(2, 4, 32, 32))
    assert hooks(model) == 0
    with pytest.raises(HeadNotFound):
        CAM(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(7, 2)).eval(), (32, 32))
    gc.collect()


def test_the_same_maps_whatever_the_batch():
    torch.manual_seed(0)
    cam = CAM(perturb(Plain()), (32, 32))
    x = images(9)
    whole = cam(x, 1).maps
    for size in (1, 2, 4):
        torch.testing.assert_close(
            torch.cat([cam(part, 1).maps for part in x.split(size)]), whole, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.Flatten(), nn.Linear(4 * 8 * 8, 3)), "flattens a 8x8 map"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)), "2x2 map"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, 4), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 3)), "maximum"),
        (torchvision.models.alexnet(weights=None), "flattens"),
    ],
    ids=["flatten", "2x2", "max", "alexnet"],
)
def test_refusals_name_the_reason(model, says):
    size = 224 if isinstance(model, torchvision.models.AlexNet) else 32
    with pytest.raises(HeadNotFound, match=says) as refusal:
        CAM(model.eval(), (size, size))
    assert "\n" not in str(refusal.value)


def test_training_mode_is_refused():
    with pytest.raises(CamkitError, match=r"\.eval\(\)"):
        CAM(Plain(), (32, 32))


def test_given_head():
    torch.manual_seed(0)
    model = perturb(Plain())
    cam = CAM(model, (32, 32), head={"features": "features", "classifier": "fc"})
    assert cam.head.kind == "given"
    assert completeness(cam, images()) < 1e-5
    with pytest.raises(CamkitError, match="no module"):
        CAM(model, (32, 32), head={"features": "feature", "classifier": "fc"})


def test_class_weights_make_the_maps():
    torch.manual_seed(0)
    features = CAM(perturb(Plain()), (32, 32)).features(images())
    weights = features.class_weights([1, 4])
    expected = torch.einsum("nkc,nchw->nkhw", weights, features.features)
    torch.testing.assert_close(features.class_maps([1, 4], "signed").maps, expected)


def test_a_weighting_sees_all_class_weights_logits_and_pooled_features():
    """CCAM's "first minus last" on a head that a norm divides, and a weighting by what channels contribute."""

    class Normed(Plain):
        def forward(self, x):
            return self.fc(nn.functional.normalize(self.features(x).mean((2, 3))))

    def first_minus_last(weights, classes, logits, pooled):
        last = nn.functional.one_hot(logits.argmin(1), logits.shape[1]).float()
        return weights[classes] - weights.combined(last[:, None].expand(*classes.shape, -1))

    torch.manual_seed(0)
    model = perturb(Normed())
    register_weighting("test first minus last")(first_minus_last)
    register_weighting("test contribution")(lambda weights, classes, logits, pooled: weights[classes] * pooled[:, None])
    features = CAM(model, (32, 32)).features(images(3))
    every = features.class_maps("all").maps
    for n, last in enumerate(features.logits.argmin(1)):
        torch.testing.assert_close(
            features.class_maps([1, 2], "test first minus last").maps[n], every[n, [1, 2]] - every[n, last]
        )
    contribution = features.class_weights([1]) * features.pooled[:, None]
    expected = torch.einsum("nkc,nchw->nkhw", contribution, features.features)
    torch.testing.assert_close(features.class_maps(1, "test contribution").maps, expected)


def test_a_weighting_of_another_shape_is_refused():
    register_weighting("test short")(lambda weights, classes, *_: weights[classes][..., :1])
    with pytest.raises(CamkitError, match=r"'test short' gives \(3, 1, 1\) where \(3, 1, \d+\) is wanted"):
        CAM(perturb(Plain()), (32, 32))(images(3), weighting="test short")


def test_a_weighting_that_fails_is_told_in_one_line():
    register_weighting("test broken")(lambda weights, *_: weights.nothing)
    with pytest.raises(CamkitError, match="weighting 'test broken' fails to weigh: AttributeError"):
        CAM(perturb(Plain()), (32, 32))(images(3), weighting="test broken")


def test_what_is_called_cam_is_the_signed_map_everywhere():
    cam = CAM(perturb(Plain()), (32, 32))
    torch.testing.assert_close(cam(images()).maps, cam.features(images()).class_maps(None, "signed").maps)
    torch.testing.assert_close(cam(images()).maps, cam.features(images()).class_maps().maps)


@pytest.mark.parametrize("norm", [nn.Identity(), nn.LayerNorm(8)])
def test_no_images_have_no_maps(norm):
    model = perturb(Plain())
    model.fc = nn.Sequential(norm, model.fc)
    cam = CAM(model.eval(), (32, 32))
    assert cam.head.function(torch.zeros(0, 8)).shape == (0, 5)
    assert cam.features(torch.zeros(0, 3, 32, 32)).logits.shape == (0, 5)
