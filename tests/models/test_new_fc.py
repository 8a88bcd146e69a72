"""Another last layer for a network that is there, and training that starts from one."""

import pytest
import torch
from safetensors.torch import save_file
from small import Plain
from torch import nn

from camkit.cam import CAM
from camkit.errors import CamkitError
from camkit.models import load_classifier, with_new_fc
from camkit.training import TrainSettings, train

SOURCE = """
from torch import nn
SIZE, MEAN = 24, 0.4
def net():
    features = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 7))
"""


def test_all_else_stays_as_it_was():
    model = Plain(5).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.randn(2, 3, 32, 32)
    features = model.features(images)
    changed, fresh = with_new_fc(model, 3, (32, 32))
    assert fresh == ["fc.weight", "fc.bias"]
    assert changed(images).shape == (2, 3)
    assert torch.equal(changed.features(images), features)
    assert all(torch.equal(value, before[name]) for name, value in changed.state_dict().items() if name not in fresh)
    assert CAM(changed, (32, 32)).head.kind == "exact"


def test_a_layer_without_a_bias_and_one_of_1x1_convolutions():
    assert with_new_fc(Plain(5, bias=False).eval(), 3, (32, 32))[1] == ["fc.weight"]
    convolved = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 5, 1), nn.Flatten())
    model, fresh = with_new_fc(convolved.eval(), 2, (16, 16))
    assert fresh == ["3.weight", "3.bias"]
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 2)


def test_a_head_of_two_layers_is_refused():
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 9),
        nn.ReLU(),
        nn.Linear(9, 4),
    )
    with pytest.raises(CamkitError):
        with_new_fc(model.eval(), 2, (16, 16))


def test_training_starts_from_a_network_of_ones_own(tmp_path):
    (tmp_path / "net.py").write_text(SOURCE)
    spec = f"{tmp_path}/net.py:net"
    start = load_classifier(spec)
    save_file(start.model.state_dict(), tmp_path / "start.safetensors")
    settings = TrainSettings(
        dataset="shapes", root="n=12,size=32,classes=3", backbone=spec, weights=str(tmp_path / "start.safetensors"),
        pool="tap:0.1", size=(24,), resize=28, epochs=1, batch_size=6, lr=1e-9,
    )  # fmt: skip
    told = []
    train(settings, tmp_path / "run", echo=told.append)
    assert told[0].endswith("fresh: 3")
    found = load_classifier(spec, str(tmp_path / "run" / "last.safetensors"))
    assert (found.pool, found.class_names, found.input.mean) == (
        "tap:0.1",
        ("shape 0", "shape 1", "shape 2"),
        (0.4,) * 3,
    )
    kept, loaded = start.model[0].state_dict(), found.model[0].state_dict()
    assert all(torch.allclose(kept[name], loaded[name], atol=1e-6) for name in kept)
    assert found.model(torch.randn(2, 3, 24, 24)).shape == (2, 3)


def test_a_stride_that_is_another_is_refused(tmp_path):
    drawn = {"dataset": "shapes", "root": "n=6,size=64,classes=2", "size": (64,), "resize": 64}
    settings = {**drawn, "epochs": 1, "batch_size": 3}
    train(TrainSettings(**settings, backbone="efficientnet-lite0", weights="none", output_stride=16), tmp_path / "run")
    begun = str(tmp_path / "run" / "last.safetensors")
    assert load_classifier(begun).output_stride == 16
    with pytest.raises(CamkitError, match="output stride 16"):
        train(TrainSettings(**settings, backbone=begun, output_stride=8), tmp_path / "next")
    train(TrainSettings(**{**settings, "root": "n=6,size=64,classes=3"}, backbone=begun), tmp_path / "next")
    assert load_classifier(str(tmp_path / "next" / "last.safetensors")).output_stride == 16
