"""Weightings by name: by hand, on degenerate input, and where they are refused."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from camkit.cam import CAM, built_in_weightings, refuse_undefined, weighting_named, why_not
from camkit.cam.combinations import GAMMAS, quadratic, top
from camkit.errors import CamkitError
from camkit.nn import ThresholdedAvgPool2d
from tests.small import Plain, perturb


class Weights:
    def __init__(self, weight):
        self.weight = torch.tensor(weight)

    def __getitem__(self, classes):
        return self.weight[classes]

    def combined(self, coefficients):
        return coefficients @ self.weight


def weigh(name, weight, classes, logits, pooled=None):
    pooled = torch.zeros(len(logits), len(weight[0])) if pooled is None else torch.tensor(pooled)
    return weighting_named(name)(Weights(weight), torch.tensor(classes), torch.tensor(logits), pooled)


def test_by_hand():
    """Two channels, w = (2, -4) and mean(A) = (3, 1); logit 2 of a bias 0: 2 * 3 - 4 * 1."""
    one = [[2.0, -4.0]], [[0]], [[2.0]], [[3.0, 1.0]]
    assert weigh("gradcam++", *one).tolist() == [[[2 / (2 + 2 * 3), 0]]]
    assert weigh("ablation", *one).tolist() == [[[3, -2]]]  # 2 * 3 / 2, -4 * 1 / 2: together the whole logit


def test_combinations_by_hand():
    """Each class has a channel of its own, so that weights are coefficients. Ranks: 2, 0, 3, 1."""
    eye, logits = np.eye(4, dtype=np.float32).tolist(), [[1.0, 0.5, 2.0, 0.8]]
    third = float(np.float32(1 / 3))
    for name, asked, expected in [
        ("ccam-agnostic:t1b1", 1, [0, -1, 1, 0]),
        ("ccam:t1b1", 1, [0, 1, 0, -1]),  # the asked class is first, and of the others the fourth is last
        ("ccam:t1b1", 0, [1, -1, 0, 0]),
        ("ccam-agnostic:linear", 0, [third, -1, 1, -third]),
        ("ccam:linear", 1, [-third, 1, third, -1]),
        ("ccam-agnostic:quadratic", 0, [0, -1, 1, 0]),
        ("ccam:quadratic", 3, [0, -1, 0, 1]),
        ("ccam:top2", 1, [0, 0.5, 0.5, 0]),
        ("ccam-agnostic:top2", 1, [0.5, 0, 0.5, 0]),
        ("ccam:top20", 1, [0.25] * 4),
        ("finer:2:1", 1, [0, 1, 0, -2]),
    ]:
        assert weigh(name, eye, [[asked]], logits)[0, 0].tolist() == pytest.approx(expected, abs=1e-6), name
    p = np.exp([1.0, 0.8]) / np.exp([1.0, 0.8]).sum()
    assert weigh("finer:0.5:2", eye, [[1]], logits)[0, 0].tolist() == pytest.approx([-p[0] / 2, 1, 0, -p[1] / 2])


def test_the_quadratic_is_the_public_codes_at_200_classes():
    np.testing.assert_allclose(
        quadratic(200).numpy(),
        np.concatenate([np.linspace(1, 0, 100) ** 2, -(np.linspace(0, 1, 100) ** 2)]),
        atol=1e-15,
    )


@settings(deadline=None)
@given(st.integers(2, 300))
def test_gammas_of_any_number_of_classes(classes):
    """From 1 down to -1, never up; the first half mirrors the last. The mean of the top adds up to 1."""
    for name in ("t1b1", "linear", "quadratic"):
        gamma = GAMMAS[name][0](classes).numpy()
        assert (len(gamma), gamma[0], gamma[-1]) == (classes, 1, -1)
        assert (np.diff(gamma) <= 0).all() or name == "t1b1"
        np.testing.assert_allclose(gamma, -gamma[::-1], atol=1e-12)
    assert float(top(20)(classes).sum()) == pytest.approx(1)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(2, 8), st.integers(0, 2**31))
def test_the_likeliest_class_has_one_map_in_both_forms(n, total, seed):
    """Asked for the class that is first anyway, ranks among the others are ranks among all."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randint(-2, 3, (n, total), generator=generator).float()  # many are equal
    weight, first = torch.eye(total).tolist(), logits.argsort(dim=1, descending=True, stable=True)[:, :1]
    for name in GAMMAS:
        conditional, agnostic = (weigh(f"{f}:{name}", weight, first.tolist(), logits.tolist())
                                 for f in ("ccam", "ccam-agnostic"))  # fmt: skip
        torch.testing.assert_close(conditional, agnostic)


def test_parameters_in_names():
    for name in ("finer:0.6:5", "finer:2", "ccam:top5", "ccam-agnostic:top1"):
        assert callable(weighting_named(name))
    assert torch.equal(weigh("finer:1:3", [[1.0], [2.0], [4.0], [7.0], [8.0]], [[1]], [[1.0, 2, 3, 4, 5]]),
                       weigh("finer", [[1.0], [2.0], [4.0], [7.0], [8.0]], [[1]], [[1.0, 2, 3, 4, 5]]))  # fmt: skip
    for name, said in [("finer:", "unknown"), ("finer:x", "write finer:ALPHA:CLASSES"), ("finer:-1", "write finer"),
                       ("finer:1:0", "write finer"), ("finer:nan", "write finer"), ("finer:1:2:3", "write finer"),
                       ("ccam:top0", "another topN"), ("ccam:cubic", "write t1b1, linear"), ("ccam", "unknown"),
                       ("signed:2", "unknown"), ("ablation:1", "unknown")]:  # fmt: skip
        with pytest.raises(CamkitError, match=said):
            weighting_named(name)


def test_an_image_without_a_map_is_told_from_one_with_nan():
    nan = weigh("ablation", [[1.0, 2.0]], [[0], [0]], [[0.0], [1.0]], [[1.0, 1], [1, 1]])
    assert nan.isnan().all(-1).tolist() == [[True], [False]]
    with pytest.raises(CamkitError, match="'ablation' has no map of it: it divides by the class's logit, which is 0"):
        refuse_undefined("ablation", nan[0])
    refuse_undefined("ablation", nan[1])
    refuse_undefined("signed", nan[0])
    nan = weigh("gradcam++", [[1.0, 1.0]], [[0], [0]], [[1.0], [1.0]], [[-2.0, 1], [-1.9, 1]])
    assert nan.isnan().all(-1).tolist() == [[True], [False]]
    with pytest.raises(CamkitError, match="features are negative on average"):
        refuse_undefined("gradcam++", nan[0])


def cam_of(pool=None, classes=5, **layers):
    torch.manual_seed(0)
    model = perturb(Plain(num_classes=classes))
    model.pool = pool or model.pool
    for name, layer in layers.items():
        setattr(model, name, layer)
    return CAM(model, (32, 32))


def test_where_a_weighting_does_not_hold_it_is_refused():
    images = torch.randn(2, 3, 32, 32)
    tap = cam_of(ThresholdedAvgPool2d(0.1))
    assert tap.kind == "TAP"
    with pytest.raises(CamkitError, match="'gradcam\\+\\+' does not hold on this model: its gradient is not the same"):
        tap(images, weighting="gradcam++")
    # what is lost with a channel is its class weight times its pooled value, whatever the pooling
    found = tap.features(images)
    share = found.class_weights() * found.pooled[:, None] / found.logits.amax(1)[:, None, None]
    expected = torch.einsum("nkc,nchw->nkhw", share, found.features)
    torch.testing.assert_close(found.class_maps(None, "ablation").maps, expected)
    one = cam_of(classes=1)
    for name in ("finer", "ccam:t1b1", "ccam:linear", "ccam-agnostic:quadratic"):
        with pytest.raises(CamkitError, match="it holds classes against each other, and the model has 1"):
            one(images, weighting=name)
    torch.testing.assert_close(one(images, weighting="ccam:top20").maps, one(images).maps)
    assert [name for name in built_in_weightings() if why_not(name, one.head) and ":top" in name] == []


def test_a_named_head_that_does_not_give_the_logits_has_no_gradient():
    torch.manual_seed(0)
    model = perturb(Plain())
    model.pool = nn.AdaptiveMaxPool2d(1)
    cam = CAM(model, (32, 32), head={"features": "features", "classifier": "fc"})
    assert cam.completeness > 1e-2
    for name in ("gradcam++", "ablation"):
        with pytest.raises(CamkitError, match="do not give the model's logits"):
            cam(torch.randn(2, 3, 32, 32), weighting=name)
    assert cam(torch.randn(2, 3, 32, 32), weighting="ccam:linear").maps.isfinite().all()


def test_probabilities_whose_logits_are_not_known_have_no_nearest_logits():
    class Squashed(Plain):
        def forward(self, x):
            squared = super().forward(x).square()
            return squared / (1 + squared)

    torch.manual_seed(0)
    cam = CAM(perturb(Squashed()), (32, 32))
    assert cam.head.activation == "probabilities"
    with pytest.raises(CamkitError, match="'finer' does not hold on this model: it needs logits"):
        cam(torch.randn(2, 3, 32, 32), weighting="finer")


def test_nan_logits_stay_their_own_images_affair():
    images = torch.randn(3, 3, 32, 32)
    images[1] = torch.nan
    cam = cam_of()
    for name in built_in_weightings():
        maps = cam(images, [0, 2], name).maps
        assert maps[1].isnan().all()
        alone = cam(images[[0, 2]], [0, 2], name).maps
        torch.testing.assert_close(maps[[0, 2]], alone, rtol=1e-4, atol=1e-6)
