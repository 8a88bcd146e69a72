"""The two steps: gradients against finite differences, and every byte but fc's stays."""

import pytest
import torch
import torch.multiprocessing as mp
import torch.nn.functional as F
from processes import half_spoiled
from small import Plain, perturb
from torch import nn

from camkit.cam import CAM, find_fc
from camkit.errors import CamkitError
from camkit.nn import ThresholdedAvgPool2d, make_pool
from camkit.training import Descent, Diverged, MinMax, PlainFeatures, StageOne, StageTwo

SIZE = (16, 16)
SETS = torch.tensor([0, 0, 3, 3])
GENERATOR = torch.Generator().manual_seed(3)
IMAGES = torch.randn(4, 3, *SIZE, generator=GENERATOR)


class Head(Plain):
    """Any pooling, any norm before fc; dropout and batch norm would move in training mode."""

    def __init__(self, pool=None, norm=None, bias=True):
        super().__init__(bias=bias)
        self.pool = pool or nn.AdaptiveAvgPool2d(1)
        self.norm = norm or nn.Identity()
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        return self.fc(self.dropout(self.norm(self.pool(self.features(x)).flatten(1))))


HEADS = {
    "exact": Head,
    "layer norm": lambda: Head(norm=nn.LayerNorm(8)),
    "batch norm": lambda: Head(norm=nn.BatchNorm1d(8)),
    "TAP": lambda: Head(pool=ThresholdedAvgPool2d(0.1)),
    "max": lambda: Head(pool=make_pool("max")),
    "log-sum-exp": lambda: Head(pool=make_pool("lse:4")),
    "no bias": lambda: Head(bias=False),
}


def made(name, dtype=torch.float32, descent=None, **settings):
    torch.manual_seed(0)
    model = perturb(HEADS[name]()).to(dtype)
    return model, StageTwo(CAM(model, SIZE), MinMax(set_size=2, **settings), descent)


def written_out(model, images, labels, weight, settings):
    """Stage II's loss again, from the model's own modules; the norm's part of the class weights by hand."""
    features = model.features(images)
    plain = model.pool(features).flatten(1)
    gamma = torch.ones(8, dtype=weight.dtype)
    rows = weight[labels]
    if isinstance(model.norm, nn.BatchNorm1d):
        gamma = model.norm.weight / (model.norm.running_var + model.norm.eps).sqrt()
    if isinstance(model.norm, nn.LayerNorm):
        gamma = model.norm.weight
        rows = rows - (rows * gamma).mean(1, keepdim=True) / gamma
    maps = torch.stack([sum(rows[i, c] * gamma[c] * features[i, c] for c in range(8)) for i in range(len(labels))])
    low, high = (torch.stack([edge(m) for m in maps])[:, None, None] for edge in (torch.min, torch.max))
    maps = ((maps - low) / (high - low))[:, None]
    if settings.mask == "features":
        f = model.pool(features * maps).flatten(1)
    else:
        f = model.pool(model.features(images * F.interpolate(maps, images.shape[2:], mode="bilinear"))).flatten(1)
    crr = torch.stack([(f[0] - f[1]).square().mean(), (f[2] - f[3]).square().mean()]).mean()
    return settings.crr * crr + settings.frr * (f - plain).square().mean()


@pytest.mark.parametrize("mask", ["input", "features"])
@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (2.0, 5.0)])
def test_gradients_against_finite_differences(name, mask, weights):
    model, stage = made(name, torch.float64, crr=weights[0], frr=weights[1], mask=mask)
    images, weight = IMAGES.double(), model.fc.weight
    with torch.no_grad():
        features = model.features(images)
        plain = PlainFeatures(features, model.pool(features).flatten(1))
    total = stage.losses(images, SETS, plain).total
    assert total.item() == pytest.approx(written_out(model, images, SETS, weight, stage.settings).item(), rel=1e-9)
    (gradient,) = torch.autograd.grad(total, weight)
    assert torch.equal(gradient[[1, 2, 4]], torch.zeros(3, 8, dtype=torch.float64))  # classes without an image
    step = 1e-6
    for k, c in ((0, 0), (0, 5), (3, 2), (3, 7)):
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[k, c] += sign * step
                ends.append(stage.losses(images, SETS, plain).total.item())
                weight[k, c] -= sign * step
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(gradient[k, c].item(), rel=1e-4, abs=1e-9)


def everything(model):
    """Every tensor as bytes, and what is no tensor."""
    state = {name: tensor.detach().clone() for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    modes = {name: module.training for name, module in model.named_modules()}
    wants = {name: p.requires_grad for name, p in model.named_parameters()}
    grads = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    return state, modes, wants, grads


def changed(before, after):
    return {name for name in before if before[name].numpy().tobytes() != after[name].numpy().tobytes()}


@pytest.mark.parametrize("mask", ["input", "features"])
@pytest.mark.parametrize("name", HEADS)
def test_frozen_means_frozen(name, mask):
    """In training mode, with gradients left over at zero: momentum and decay would move what they can reach."""
    model, stage = made(name, descent=Descent(lr=0.1, weight_decay=0.1), mask=mask)
    model.train()
    model.features[0].weight.requires_grad_(False)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = everything(model)
    for _ in range(3):
        stage.step(IMAGES, SETS)
    after = everything(model)
    assert changed(before[0], after[0]) == {"fc.weight"}
    assert before[1:3] == after[1:3]
    assert changed(before[3], after[3]) == set()
    assert [len(group["params"]) for group in stage.optimizer.param_groups] == [1]


def test_kept_features_change_nothing():
    (one, kept), (two, computed) = made("exact"), made("exact")
    with torch.no_grad():
        plain = kept.plain(IMAGES)
    for _ in range(3):
        assert kept.step(IMAGES, SETS, plain) == computed.step(IMAGES, SETS)
    assert torch.equal(one.fc.weight, two.fc.weight)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0)])
def test_a_step_lowers_its_loss(weights):
    _, stage = made("exact", descent=Descent(lr=0.05, momentum=0, weight_decay=0), crr=weights[0], frr=weights[1])
    losses = [stage.step(IMAGES, SETS).total.item() for _ in range(20)]
    assert losses[-1] < losses[0]


def test_sums_are_means_times_the_channels():
    _, mean = made("exact", crr=3, frr=2)
    _, summed = made("exact", crr=3, frr=2, norm="sum")
    found, plain = (stage.losses(IMAGES, SETS, stage.plain(IMAGES)) for stage in (mean, summed))
    assert plain.total.item() == pytest.approx(8 * found.total.item(), rel=1e-5)


def test_images_that_are_no_sets():
    _, stage = made("exact")
    for labels in (torch.tensor([0, 3, 0, 3]), torch.tensor([0, 0, 3])):
        with pytest.raises(CamkitError, match="sets of 2 images of one class"):
            stage.step(IMAGES[: len(labels)], labels)


def test_nan_stops_the_step_and_changes_nothing():
    model, stage = made("exact")
    before = everything(model)
    spoiled = IMAGES.clone()
    spoiled[0, 0, 0, 0] = torch.nan
    plain = stage.plain(IMAGES)
    with pytest.raises(Diverged, match="CRR is nan"):
        stage.step(spoiled, SETS, plain)
    assert changed(before[0], everything(model)[0]) == set()
    with pytest.raises(Diverged, match=r"class map 0 \(of 4\) holds NaN"):
        stage.step(spoiled, SETS)
    assert changed(before[0], everything(model)[0]) == set()
    with torch.no_grad():
        model.fc.weight[0] = torch.inf
    with pytest.raises(Diverged, match="fc holds NaN or infinite weights"):
        stage.step(IMAGES, SETS, plain)


def test_nan_in_one_process_stops_all(tmp_path):
    mp.spawn(half_spoiled, (f"file://{tmp_path}/meeting", str(tmp_path)), nprocs=2)
    said = [(tmp_path / str(rank)).read_text() for rank in range(2)]
    assert said[0].startswith("class map 0 (of 4) holds NaN")
    assert said[1].startswith("CRR is nan")


def test_stage_one_is_cross_entropy_over_the_classes_that_there_are():
    model, stage = made("layer norm", torch.float64)
    classes = torch.tensor([0, 3])
    one = StageOne(find_fc(model, stage.cam.head), classes, Descent(lr=0.5, momentum=0, weight_decay=0))
    images, before = IMAGES.double(), everything(model)
    with torch.no_grad():
        pooled = model.pool(model.features(images)).flatten(1)
    logits = model(images)[:, [0, 3]]
    expected = F.cross_entropy(logits, torch.tensor([0, 0, 1, 1]))
    gradient = torch.autograd.grad(expected, model.fc.bias)[0]
    assert one.step(pooled, SETS).item() == pytest.approx(expected.item())
    torch.testing.assert_close(model.fc.bias.detach(), before[0]["fc.bias"] - 0.5 * gradient)
    assert changed(before[0], everything(model)[0]) == {"fc.weight", "fc.bias"}
    assert torch.equal(model.fc.weight[[1, 2, 4]], before[0]["fc.weight"][[1, 2, 4]])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_models_of_any_precision(dtype):
    model, stage = made("exact", dtype, Descent(lr=0.5))
    before = model.fc.weight.clone()
    stage.step(IMAGES.to(dtype), SETS)
    assert not torch.equal(model.fc.weight, before)
    assert model.fc.weight.dtype == dtype


def test_a_step_that_was_refused_leaves_the_optimizer_as_it_was():
    (one, refused), (two, other) = made("exact"), made("exact")
    for stage in (refused, other):
        stage.step(IMAGES, SETS)
    refused.optimizer.param_groups[0]["lr"] = float("inf")
    with pytest.raises(Diverged):
        refused.step(IMAGES, SETS)
    refused.optimizer.param_groups[0]["lr"] = other.optimizer.param_groups[0]["lr"]
    for stage in (refused, other):
        stage.step(IMAGES, SETS)
    assert torch.equal(one.fc.weight, two.fc.weight)


def test_a_named_head_that_leaves_something_out():
    torch.manual_seed(0)
    names = {"features": "features", "classifier": "fc"}
    plain = perturb(Head())
    assert find_fc(plain, CAM(plain, SIZE, head=names).head).weight is plain.fc.weight
    normed = perturb(Head(norm=nn.LayerNorm(8)))
    with pytest.raises(CamkitError, match="something lies between the features' mean and fc"):
        find_fc(normed, CAM(normed, SIZE, head=names).head)


def test_a_learning_rate_of_nothing():
    with pytest.raises(CamkitError, match="--lr 0"):
        Descent(lr=0)
