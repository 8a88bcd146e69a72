"""A table of heads: each is accepted with the right map and kind, or refused with the right reason."""

import pytest
import torch
import torch.nn.functional as F
from heads import HEADS, REFUSED, SIZE, Net, attend, prefixed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import perturb

from camkit import CAM, HeadNotFound


def unseen(seed=7):
    generator = torch.Generator().manual_seed(seed)
    return torch.cat([torch.rand(2, 3, *SIZE, generator=generator), 3 * torch.randn(1, 3, *SIZE, generator=generator)])


def completeness(cam, x):
    features = cam.features(x)
    out = features.class_maps("all", "signed")
    total = out.maps.mean((-2, -1))
    if cam.head.pool is not None:  # another mean than the maps'
        total = torch.einsum("nkc,nc->nk", features.class_weights("all"), features.pooled)
    spread = out.logits.amax() - out.logits.amin()
    return float((total + out.offset - out.logits).abs().max() / spread)


def test_the_table_is_large():
    assert len(HEADS) >= 60


@pytest.mark.parametrize("name", [name for name in HEADS if name not in REFUSED])
def test_accepted(name):
    truth = HEADS[name]
    model = perturb(truth.make())
    cam = CAM(model, SIZE)
    assert (cam.head.kind, cam.head.map_size, cam.head.notes) == (truth.kind, truth.map_size, ())
    assert completeness(cam, unseen()) < 1e-4
    with torch.no_grad():
        grid = cam.features(unseen()).features
        mine = model.features(unseen())
    if not cam.head.attends and "norm" not in name and "power" not in name and grid.shape[1] == mine.shape[1]:
        torch.testing.assert_close(grid, mine)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    truth = HEADS[name]
    with pytest.raises(HeadNotFound, match=truth.says) as refusal:
        CAM(perturb(truth.make()), SIZE)
    assert "\n" not in str(refusal.value)


OF_MAPS = ["softmax of the map", "sigmoid of the map"]


@pytest.mark.parametrize(
    "name", ["softmax", "log-softmax", "sigmoid", "mean of two softmaxes", "softmax of views", *OF_MAPS]
)
def test_probabilities_are_the_models_own(name):
    model = perturb(HEADS[name].make())
    cam = CAM(model, SIZE)
    with torch.no_grad():
        said = model(unseen())
    said = said.exp() if name == "log-softmax" else said
    torch.testing.assert_close(cam.head.probabilities(cam.features(unseen()).logits), said)


def compositions():
    """Networks that are put together at random, and the kind that each must be, or None for a refusal."""
    poolings = {
        "mean": (lambda n, y: y.mean((2, 3)), True),
        "sum": (lambda n, y: y.sum((2, 3)), True),
        "tokens": (lambda n, y: y.flatten(2).transpose(1, 2).mean(1), True),
        "normed tokens": (lambda n, y: n.layer_norm(y.flatten(2).transpose(1, 2)).mean(1), True),
        "pool1d": (lambda n, y: F.adaptive_avg_pool1d(y.flatten(2), 1).flatten(1), True),
        "groups": (lambda n, y: y.unflatten(1, (4, 3)).mean((3, 4)).flatten(1), True),
        "TAP": (lambda n, y: n.tap(y).flatten(1), True),
        "maximum": (lambda n, y: y.amax((2, 3)), False),
        "flatten": (lambda n, y: y.flatten(1)[:, :12], False),
        "one position": (lambda n, y: y[:, :, 2, 5], False),
        "attention": (attend, True),
        "prefix and mean": (lambda n, y: prefixed(n, y, 2).mean(1), False),
        "prefix": (lambda n, y: prefixed(n, y, 2)[:, 0], False),
        "middle": (lambda n, y: y[:, :, 1:5, 3:6].mean((2, 3)), False),
    }
    before = {
        "none": (lambda n, x: x, True),
        "half": (lambda n, x: x[:, :, :16], False),
        "mirrored": (lambda n, x: x.flip(2), False),
        "brighter": (lambda n, x: 2 * x + 1, True),
    }
    tails = {
        "fc": (lambda n, p: n.fc(p), True),
        "two layers": (lambda n, p: n.fc(n.hidden(p)), True),
        "layer norm": (lambda n, p: n.fc(n.layer_norm(p)), True),
        "batch norm": (lambda n, p: n.fc(n.batch_norm(p)), True),
        "views": (lambda n, p: n.views(p).view(-1, 4, 5).mean(1), True),
        "gate": (lambda n, p: n.fc(p * n.hidden(p).sigmoid()), False),
        "ReLU": (lambda n, p: n.fc(n.hidden(p).relu()), False),
        "best of views": (lambda n, p: n.views(p).view(-1, 4, 5).amax(1), False),
    }
    ends = {
        "none": (lambda z: z, True, True),
        "temperature": (lambda z: 7 * z, True, True),
        "clamp": (lambda z: z.clamp(-300, 300), False, True),
        "softmax": (lambda z: z.softmax(1), True, True),
        "sigmoid": (lambda z: z.sigmoid(), True, True),
        "with its softmax": (lambda z: (z, z.softmax(1)), True, True),
        "with another": (lambda z: (z, z * z), True, False),
    }
    return st.tuples(*(st.sampled_from(list(part.items())) for part in (before, poolings, tails, ends)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(compositions())
def test_random_heads_are_complete_on_unseen_inputs_or_refused(parts):
    (_, (before, seen)), (pooling, (pool, means)), (after, (tail, affine)), (last, (end, stays, one)) = parts
    stays = stays or (last, after) == ("clamp", "layer norm")  # what a norm bounds reaches no clamp
    model = perturb(Net(lambda n, y: end(tail(n, pool(n, y))), before=before))
    if not (seen and means and one):
        with pytest.raises(HeadNotFound):
            CAM(model, SIZE)
        return
    cam = CAM(model, SIZE)
    assert (cam.head.kind == "linearised") == (not (affine and stays))
    assert cam.head.map_size == (8, 8)
    assert completeness(cam, unseen()) < 1e-4
    with torch.no_grad():
        features = model.features(unseen())
    assert cam.head.attends == (pooling == "attention")
    if pooling not in {"normed tokens", "attention"}:
        torch.testing.assert_close(cam.features(unseen()).features, features)
