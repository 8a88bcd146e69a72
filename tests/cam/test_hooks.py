"""The model is given back as it was: hooks, gradients, mode, memory, also after an exception."""

import weakref

import pytest
import torch
from small import Functional, Plain, perturb, state, tensors
from torch import nn

from camkit import CAM, CamkitError


def mlp():
    """A head that needs a backward pass of its own."""
    model = Plain()
    model.fc = nn.Sequential(nn.Linear(8, 8), nn.Hardswish(), nn.Linear(8, 5))
    return model


@pytest.mark.parametrize("make", [Plain, Functional, mlp])
def test_the_model_and_memory_are_as_before(make):
    torch.manual_seed(0)
    model = perturb(make())
    next(model.parameters()).requires_grad_(False)
    before, memory = state(model), tensors()
    with CAM(model, (32, 32)) as cam:
        for _ in range(3):
            cam(torch.rand(4, 3, 32, 32), "all")
        assert state(model) == before
    del cam
    assert state(model) == before
    assert tensors() == memory


def test_an_extractor_keeps_no_images_and_no_features():
    model = perturb(Functional())
    _, before = tensors()
    cam = CAM(model, (128, 128))
    cam(torch.rand(4, 3, 128, 128))
    _, after = tensors()
    assert after - before < 4 * 1000  # the head's own weights; one image has 196,608 bytes
    assert cam.head.num_classes == 5


def test_features_go_when_they_are_let_go():
    model = perturb(Plain())
    cam = CAM(model, (32, 32))
    features = cam.features(torch.rand(2, 3, 32, 32))
    watched = weakref.ref(features.features)
    del features
    assert watched() is None


class Fails(Plain):
    def __init__(self):
        super().__init__()
        self.broken = False

    def forward(self, x):
        y = self.features(x)
        if self.broken:
            raise RuntimeError("in the middle")
        return self.fc(self.pool(y).flatten(1))


def test_after_exceptions():
    torch.manual_seed(0)
    model = perturb(Fails())
    cam = CAM(model, (32, 32))
    before, memory = state(model), tensors()
    model.broken = True
    for call in (lambda: cam(torch.rand(1, 3, 32, 32)), lambda: CAM(model, (32, 32))):
        with pytest.raises(CamkitError, match="in the middle"):
            call()
    model.broken = False
    with pytest.raises(CamkitError):
        cam(torch.rand(1, 3, 32, 32), 99)
    with pytest.raises(CamkitError):
        CAM(model, (32, 32), head={"features": "features", "classifier": "features"})
    assert state(model) == before
    assert tensors() == memory
    assert cam(torch.rand(1, 3, 32, 32)).maps.shape == (1, 1, 8, 8)


def test_hooks_of_others_stay_and_run():
    model = perturb(Plain())
    seen = []
    handle = model.features.register_forward_hook(lambda *_: seen.append(1))
    before = state(model)
    cam = CAM(model, (32, 32))
    seen.clear()
    cam(torch.rand(1, 3, 32, 32))
    assert seen == [1]
    assert state(model) == before
    handle.remove()


def test_two_extractors_on_one_model():
    torch.manual_seed(0)
    model = perturb(Plain())
    x = torch.rand(2, 3, 32, 32)
    alone = CAM(model, (32, 32))(x).maps
    with CAM(model, (32, 32)) as first, CAM(model, (64, 64)) as second:
        torch.testing.assert_close(first(x).maps, alone)
        torch.testing.assert_close(second(x).maps, alone)
    torch.testing.assert_close(first(x).maps, alone)
    assert sum(state(model)["hooks"]) == 0


def test_the_graph_of_a_training_loop_is_left_alone():
    """Gradients that the caller has accumulated, and a graph that waits for its backward pass."""
    torch.manual_seed(0)
    model = perturb(mlp())
    loss = model(torch.rand(2, 3, 32, 32)).sum()
    CAM(model, (32, 32))(torch.rand(2, 3, 32, 32), "all")
    loss.backward()
    grads = [p.grad.clone() for p in model.parameters()]
    CAM(model, (32, 32))(torch.rand(2, 3, 32, 32), "all")
    assert all(torch.equal(p.grad, grad) for p, grad in zip(model.parameters(), grads, strict=True))
