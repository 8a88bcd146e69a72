"""docs/weightings.md's table: published methods at the last feature map, each by autograd as its paper writes it.

The references are slow and in float64: gradients and higher derivatives of the logit by autograd at every position,
channels set to 0 one at a time. None of them knows that the head is linear. ``relu`` at a method's end is left out, as
the page says.
"""

import pytest
import torch
from torch import nn

from camkit.cam import CAM, built_in_weightings, weighting_named
from tests.small import Plain, perturb

CLASSES, CHANNELS, SIDES = 7, 4, (3, 4)
EXACT = {"rtol": 1e-10, "atol": 1e-12}


class Weights:
    """The class weights of a head that is linear, in float64."""

    def __init__(self, weight, scale):
        self.weight, self.scale = weight, scale

    def __getitem__(self, classes):
        return self.weight[classes] * self.scale[:, None, None]

    def combined(self, coefficients):
        return coefficients @ self.weight * self.scale[:, None, None]


class Linear:
    """Mean over positions, a linear layer: the head as a network runs it."""

    def __init__(self, seed, normed=False):
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.randn(CLASSES, CHANNELS, generator=generator, dtype=torch.float64)
        self.bias = torch.randn(CLASSES, generator=generator, dtype=torch.float64)
        self.features = torch.rand(3, CHANNELS, *SIDES, generator=generator, dtype=torch.float64)
        self.normed = normed

    def scale(self, features):
        """What a norm divides by, held fixed: autograd is not to go through it."""
        pooled = features.mean((-2, -1))
        return 1 / pooled.norm(dim=-1).detach() if self.normed else torch.ones_like(pooled[..., 0])

    def __call__(self, features):
        return features.mean((-2, -1)) @ self.weight.T * self.scale(features)[..., None] + self.bias

    def maps(self, weighting, classes):
        """By camkit's weighting, (N, K, h, w)."""
        weights = Weights(self.weight, self.scale(self.features))
        pooled = self.features.mean((-2, -1))
        weighed = weighting_named(weighting)(weights, classes, self(self.features), pooled)
        assert weighed.dtype == torch.float64
        return torch.einsum("nkc,nchw->nkhw", weighed, self.features)


def by_image(head, classes, method):
    """Maps (N, K, h, w) of a method ``(scores of a feature map, class, feature map (C, h, w)) -> map (h, w)``."""
    return torch.stack([
        torch.stack([method(head, int(c), feature) for c in row])
        for feature, row in zip(head.features, classes, strict=True)
    ])  # fmt: skip


def gradient(head, c, feature):
    feature = feature.clone().requires_grad_()
    return torch.autograd.grad(head(feature[None])[0, c], feature)[0]


def grad_cam(head, c, feature):
    return torch.einsum("c,chw->hw", gradient(head, c, feature).mean((1, 2)), feature)


def hires_cam(head, c, feature):
    return (gradient(head, c, feature) * feature).sum(0)


def xgrad_cam(head, c, feature):
    share = (gradient(head, c, feature) * feature).sum((1, 2)) / feature.sum((1, 2))
    return torch.einsum("c,chw->hw", share, feature)


def layer_cam(head, c, feature):
    return (gradient(head, c, feature).relu() * feature).sum(0)


def element_wise_grad_cam(head, c, feature):
    return (gradient(head, c, feature) * feature).relu().sum(0)


def shapley_cam(head, c, feature):
    """The gradient less half the Hessian times the features, averaged over positions."""
    variable = feature.clone().requires_grad_()
    (first,) = torch.autograd.grad(head(variable[None])[0, c] + 0 * variable.pow(3).sum(), variable, create_graph=True)
    (second,) = torch.autograd.grad(first, variable, grad_outputs=feature)
    return torch.einsum("c,chw->hw", (first.detach() - second / 2).mean((1, 2)), feature)


def grad_cam_plus_plus(head, c, feature):
    """With the first, second and third derivatives of Y = exp(logit) at each position, taken one by one."""
    weight = torch.zeros(len(feature), dtype=torch.float64)
    for k, i, j in [(k, i, j) for k in range(len(feature)) for i in range(SIDES[0]) for j in range(SIDES[1])]:
        value = feature[k, i, j].clone().requires_grad_()
        moved = feature.index_put((torch.tensor(k), torch.tensor(i), torch.tensor(j)), value)
        derivatives, y = [], head(moved[None])[0, c].exp()
        for _ in range(3):
            (y,) = torch.autograd.grad(y, value, create_graph=True)
            derivatives.append(y.detach())
        alpha = derivatives[1] / (2 * derivatives[1] + feature[k].sum() * derivatives[2])
        weight[k] += alpha * derivatives[0].relu()
    return torch.einsum("c,chw->hw", weight, feature) / head(feature[None])[0, c].exp()


def ablation_cam(head, c, feature):
    """One forward pass more a channel."""
    whole = head(feature[None])[0, c]
    without = []
    for k in range(len(feature)):
        ablated = feature.clone()
        ablated[k] = 0
        with_norm_held = head.scale(feature[None]) * (ablated.mean((-2, -1)) @ head.weight[c]) + head.bias[c]
        without.append(with_norm_held[0] if head.normed else head(ablated[None])[0, c])
    return torch.einsum("c,chw->hw", (whole - torch.stack(without)) / whole, feature)


def finer_cam(alpha, compared):
    """Grad-CAM of the asked class's logit less those of the nearest, p a constant."""

    def method(head, c, feature):
        variable = feature.clone().requires_grad_()
        logits = head(variable[None])[0]
        far = (logits - logits[c]).abs().detach()
        nearest = [int(i) for i in far.argsort() if i != c][:compared]
        p = logits.softmax(0).detach()
        target = sum(p[i] * (logits[c] - alpha * logits[i]) for i in nearest) / sum(p[i] for i in nearest)
        (g,) = torch.autograd.grad(target, variable)
        return torch.einsum("c,chw->hw", g.mean((1, 2)), feature)

    return method


GAMMA = {
    "t1b1": lambda k, n: float(k == 0) - float(k == n - 1),
    "linear": lambda k, n: 1 - 2 * k / (n - 1),
    "quadratic": lambda k, n: (1 - 2 * k / (n - 1)) ** 2 * (1 if 2 * k <= n - 1 else -1),  # an odd number of classes
    "top20": lambda k, n: 1 / n if k < 20 else 0.0,
    "top3": lambda k, _: 1 / 3 if k < 3 else 0.0,
}


def ccam(name, agnostic):
    """The sum of the classes' own Grad-CAM maps, each times its rank's gamma."""

    def method(head, c, feature):
        logits = head(feature[None])[0].tolist()
        order = sorted(range(CLASSES), key=lambda k: -logits[k])
        if not agnostic:
            order = [c, *(k for k in order if k != c)]
        return sum(GAMMA[name](rank, CLASSES) * grad_cam(head, k, feature) for rank, k in enumerate(order))

    return method


SAME = {
    "Grad-CAM": ("signed", grad_cam, 12), "HiResCAM": ("signed", hires_cam, 12), "XGrad-CAM": ("signed", xgrad_cam, 12),
    "ShapleyCAM": ("signed", shapley_cam, 12), "LayerCAM": ("positive", layer_cam, 12),
    "element-wise Grad-CAM": ("positive", element_wise_grad_cam, 12),
    "Grad-CAM++": ("gradcam++", grad_cam_plus_plus, 1), "Ablation-CAM": ("ablation", ablation_cam, 1),
    "Finer-CAM": ("finer", finer_cam(1, 3), 12), "Finer-CAM, 0.6 of 2": ("finer:0.6:2", finer_cam(0.6, 2), 12),
    **{f"CCAM {name}": (f"ccam:{name}", ccam(name, False), 12) for name in GAMMA},
    **{f"CCAM {name}, agnostic": (f"ccam-agnostic:{name}", ccam(name, True), 12) for name in GAMMA},
}  # and the factor between them: the gradient of a mean over 12 positions is w / 12  # fmt: skip


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("method", SAME)
def test_a_published_method_is_a_weighting_at_the_last_map(method, normed):
    """A norm between pooling and classifier is held fixed."""
    weighting, reference, factor = SAME[method]
    classes = torch.tensor([[0, 3], [6, 1], [2, 2]])
    for seed in range(2):
        head = Linear(seed, normed)
        expected = by_image(head, classes, reference)
        torch.testing.assert_close(factor * expected, head.maps(weighting, classes), **EXACT)


def test_every_weighting_has_its_reference():
    assert {weighting for weighting, _, _ in SAME.values()} >= set(built_in_weightings()) - {"negative"}


def test_what_the_equalities_need():
    """Element-wise Grad-CAM is NWC of features that are nowhere negative; LayerCAM and CAM's kin of any."""
    head, classes = Linear(0), torch.tensor([[0], [1], [2]])
    head.features -= 0.3
    for name in ("Grad-CAM", "HiResCAM", "XGrad-CAM", "LayerCAM", "Ablation-CAM", "Grad-CAM++"):
        weighting, reference, factor = SAME[name]
        expected = factor * by_image(head, classes, reference)
        torch.testing.assert_close(expected, head.maps(weighting, classes), rtol=1e-8, atol=1e-10)
    other = 12 * by_image(head, classes, element_wise_grad_cam)
    assert float((other - head.maps("positive", classes)).abs().max()) > 0.1


def test_finer_as_grad_cams_code_has_it_is_another_map():
    """It differentiates through the shares q = p / sum p as well, which adds what the page says."""
    head, classes = Linear(0), torch.tensor([[0], [1], [2]])

    def through_p(head, c, feature):
        variable = feature.clone().requires_grad_()
        logits = head(variable[None])[0]
        nearest = [int(i) for i in (logits - logits[c]).abs().argsort() if i != c][:3]
        p = logits.softmax(0)
        target = sum(p[i] * (logits[c] - logits[i]) for i in nearest) / sum(p[i] for i in nearest)
        (g,) = torch.autograd.grad(target, variable)
        return torch.einsum("c,chw->hw", g.mean((1, 2)), feature)

    def added(head, c, feature):
        s = head(feature[None])[0]
        nearest = [int(i) for i in (s - s[c]).abs().argsort() if i != c][:3]
        q = s[nearest].softmax(0)
        weight = -sum(q[j] * (s[i] - q @ s[nearest]) * head.weight[i] for j, i in enumerate(nearest))
        return torch.einsum("c,chw->hw", weight, feature)

    difference = 12 * by_image(head, classes, through_p) - head.maps("finer", classes)
    torch.testing.assert_close(difference, by_image(head, classes, added), **EXACT)
    assert float(difference.abs().max()) > 1e-3


def test_grad_cam_plus_plus_of_a_head_that_is_not_linear_is_what_its_code_gives():
    """Its code takes powers of the gradient for higher derivatives, and the gradient is the same at all positions."""

    class Bent(Plain):
        def forward(self, x):
            return self.fc(self.features(x).mean((2, 3)).tanh() * 3) * 2

    torch.manual_seed(0)
    model = perturb(Bent())
    cam, images = CAM(model, (32, 32)), torch.randn(2, 3, 32, 32)
    assert cam.kind == "linearised"
    features = model.features(images).detach().requires_grad_()
    score = (model.fc(features.mean((2, 3)).tanh() * 3) * 2)[:, 3].sum()
    (g,) = torch.autograd.grad(score, features)
    alpha = g**2 / (2 * g**2 + g**3 * features.sum((2, 3), keepdim=True))
    weight = torch.where(g > 0, alpha * g.relu(), 0.0).sum((2, 3))
    expected = torch.einsum("nc,nchw->nhw", weight, features)
    torch.testing.assert_close(cam(images, 3, "gradcam++").maps[:, 0], expected, rtol=1e-4, atol=1e-5)
    for weighting in ("finer", "ccam:linear", "ccam-agnostic:quadratic"):
        assert bool(cam(images, 3, weighting).maps.isfinite().all())
    with pytest.raises(ValueError, match="'ablation' does not hold on this model: it needs logits that are affine"):
        cam(images, 3, "ablation")


class Summed(Plain):
    def forward(self, x):
        return self.fc(self.features(x).sum((2, 3)))


class Normed(Plain):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return self.fc(self.norm(self.features(x).mean((2, 3))))


@pytest.mark.parametrize(("network", "kind"), [(Plain, "exact"), (Summed, "exact"), (Normed, "folded")])
def test_through_a_whole_network(network, kind):
    """The same from `CAM`, in float32: the references see the network's own head, a norm's deviation held fixed."""
    torch.manual_seed(0)
    model = perturb(network())
    cam, images = CAM(model, (32, 32)), torch.randn(2, 3, 32, 32)
    assert cam.kind == kind
    found = cam.features(images)
    weight = found.class_weights([1, 4])  # of a mean, in each image's logits
    mean, logits = found.features.mean((2, 3)), model(images).detach()
    maps = {name: found.class_maps([1, 4], name).maps for name in built_in_weightings()}
    expected = {
        "gradcam++": weight.relu() / (2 + weight.relu() * mean[:, None]),
        "ablation": weight * mean[:, None] / logits[:, [1, 4], None],
    }
    for name, weighed in expected.items():
        by_hand = torch.einsum("nkc,nchw->nkhw", weighed, found.features)
        torch.testing.assert_close(maps[name], by_hand, rtol=1e-4, atol=1e-5)
    every = found.class_maps("all").maps
    for n in range(2):
        order = logits[n].argsort(descending=True).tolist()
        agnostic = sum(GAMMA["linear"](rank, 5) * every[n, k] for rank, k in enumerate(order))
        torch.testing.assert_close(maps["ccam-agnostic:linear"][n, 0], agnostic, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(maps["ccam-agnostic:linear"][n, 1], agnostic, rtol=1e-4, atol=1e-5)
        for j, c in enumerate((1, 4)):
            own = [c, *(k for k in order if k != c)]
            torch.testing.assert_close(maps["ccam:t1b1"][n, j], every[n, c] - every[n, own[-1]], rtol=1e-4, atol=1e-5)
            near = sorted(set(range(5)) - {c}, key=lambda k: abs(float(logits[n, k] - logits[n, c])))[:3]
            p = logits[n, near].softmax(0)
            finer = every[n, c] - sum(p[i] * every[n, k] for i, k in enumerate(near))
            torch.testing.assert_close(maps["finer"][n, j], finer, rtol=1e-4, atol=1e-5)
