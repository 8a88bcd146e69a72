"""Wrapped models, the forms of their outputs, layouts and precisions: the same maps as of the plain model."""

import socket
from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from small import Plain, perturb
from torch import nn

from camkit import CAM, HeadNotFound


def images(*size, n=3):
    return torch.rand(n, 3, *size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return perturb(Plain())


@pytest.fixture
def expected(model):
    return CAM(model, (32, 32))(images(32, 32), "all", "signed")


def same(out, expected):
    torch.testing.assert_close(out.maps, expected.maps)
    torch.testing.assert_close(out.logits, expected.logits)
    torch.testing.assert_close(out.offset, expected.offset)


def compiled_inside(model):
    model.features = torch.compile(model.features, backend="eager")
    return model


def compiled_in_place(model):
    model.compile(backend="eager")
    return model


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        lambda model: torch.compile(model, backend="eager"),
        lambda model: torch.compile(nn.DataParallel(model), backend="eager"),
        compiled_inside,
        compiled_in_place,
    ],
    ids=["DataParallel", "compile", "both", "compiled inside", "compiled in place"],
)
def test_wrapped_models(model, expected, wrap):
    wrapped = wrap(model)
    wrapped.eval()
    same(CAM(wrapped, (32, 32))(images(32, 32), "all", "signed"), expected)


def test_distributed_data_parallel(model, expected):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(model).eval()
        same(CAM(wrapped, (32, 32))(images(32, 32), "all", "signed"), expected)
    finally:
        torch.distributed.destroy_process_group()


@dataclass
class Answer:
    """As Hugging Face's classifiers answer."""

    logits: torch.Tensor
    hidden_states: tuple


class Returns(nn.Module):
    def __init__(self, model, form):
        super().__init__()
        self.model, self.form = model, form

    def forward(self, x):
        return self.form(self.model(x), x)


@pytest.mark.parametrize(
    "form",
    [
        lambda y, x: Answer(y, (x, x.mean((2, 3)))),
        lambda y, x: OrderedDict(maps=x, logits=y, pooled=x.mean((2, 3))),
        lambda y, x: {"scores": y, "maps": x},
        lambda y, x: (y, x),
        lambda y, x: (y, y.softmax(1)),
        lambda y, x: [x, y],
    ],
    ids=["object", "logits among others", "one candidate", "tuple", "first of two", "list"],
)
def test_forms_of_outputs(model, expected, form):
    same(CAM(Returns(model, form).eval(), (32, 32))(images(32, 32), "all", "signed"), expected)


def test_outputs_that_need_to_be_picked(model, expected):
    returns = Returns(model, lambda y, x: {"fine": y, "coarse": y[:, :2]}).eval()
    with pytest.raises(HeadNotFound, match=r"fine, coarse.*pass output="):
        CAM(returns, (32, 32))
    cam = CAM(returns, (32, 32), output=lambda out: out["fine"])
    same(cam(images(32, 32), "all", "signed"), expected)
    assert CAM(returns, (32, 32), output=lambda out: out["coarse"]).head.num_classes == 2
    given = {"features": "model.features", "classifier": "model.fc"}
    cam = CAM(returns, (32, 32), head=given, output=lambda out: out["fine"])
    same(cam(images(32, 32), "all", "signed"), expected)


def test_one_logit():
    torch.manual_seed(0)
    model = perturb(Plain(num_classes=1))
    for network in (model, Returns(model, lambda y, x: y[:, 0]).eval()):
        out = CAM(network, (32, 32))(images(32, 32), weighting="signed")
        assert out.maps.shape == (3, 1, 8, 8)
        assert out.classes.tolist() == [[0], [0], [0]]
        with torch.no_grad():
            torch.testing.assert_close(out.maps.mean((-2, -1)) + out.offset, model(images(32, 32)))


def test_several_labels_for_an_image(model, expected):
    """A multi-label classifier: each image asks for the classes that it has."""
    wanted = torch.tensor([[0, 3], [4, 1], [2, 2]])
    out = CAM(model, (32, 32))(images(32, 32), wanted, "signed")
    for n in range(3):
        torch.testing.assert_close(out.maps[n], expected.maps[n, wanted[n]])


def test_channels_last(model, expected):
    model = model.to(memory_format=torch.channels_last)
    x = images(32, 32).contiguous(memory_format=torch.channels_last)
    same(CAM(model, (32, 32))(x, "all", "signed"), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(model, expected, dtype):
    """Maps within 2 % of float32's range, in float32, and complete for the logits in lower precision."""
    with torch.autocast("cpu", dtype):
        out = CAM(model, (32, 32))(images(32, 32), "all", "signed")
    assert out.maps.dtype == out.logits.dtype == out.offset.dtype == torch.float32
    assert not torch.equal(out.maps, expected.maps)
    assert (out.maps - expected.maps).abs().max() < 0.02 * (expected.maps.max() - expected.maps.min())
    spread = expected.logits.max() - expected.logits.min()
    assert (out.maps.mean((-2, -1)) + out.offset - expected.logits).abs().max() < 0.02 * spread


@pytest.mark.parametrize("norm", [False, True])
def test_a_model_in_bf16(norm):
    torch.manual_seed(0)
    model = perturb(Plain())
    if norm:
        model.fc = nn.Sequential(nn.LayerNorm(8), model.fc)
    expected = CAM(model, (32, 32))(images(32, 32), "all", "signed")
    cam = CAM(model.bfloat16(), (32, 32))
    assert cam.head.kind == ("folded" if norm else "exact")
    out = cam(images(32, 32).bfloat16(), "all", "signed")
    assert (out.maps - expected.maps).abs().max() < 0.03 * (expected.maps.max() - expected.maps.min())


def test_in_inference_mode(model, expected):
    with torch.inference_mode():
        same(CAM(model, (32, 32))(images(32, 32), "all", "signed"), expected)


def test_several_sizes_in_one_run(model):
    cam = CAM(model, (32, 32))
    for size in ((32, 32), (20, 64), (128, 40), (4, 4)):
        out = cam(images(*size, n=2), "all", "signed")
        assert out.maps.shape == (2, 5, size[0] // 4, size[1] // 4)
        with torch.no_grad():
            torch.testing.assert_close(out.maps.mean((-2, -1)) + out.offset, model(images(*size, n=2)))
