"""Models with a mind of their own: how they are put into eval mode, and what cannot be."""

import pytest
import torch
from small import Plain, perturb
from torch import nn

from camkit import CAM, CamkitError, HeadNotFound, Localizer
from camkit.input_spec import InputSpec
from camkit.models import load_classifier, replace_pool, save_checkpoint, set_output_stride
from camkit.nn import GlobalMaxPool2d

FILE = """
import torch
from torch import nn

SIZE, MEAN, STD = 32, 0.5, 0.25


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))


class Frozen(Net):
    def train(self, mode=True):  # keeps its norms as they are, and returns nothing
        super().train(mode)
        self.features[1].eval()


class Stubborn(Net):
    def train(self, mode=True):
        raise RuntimeError("not\\nnow")


class Awake(Net):
    def train(self, mode=True):
        return super().train(True)


def exported():
    return torch.export.export(Net().eval(), (torch.randn(2, 3, 32, 32),)).module()


def scripted():
    model = Net().eval()
    model.features = torch.jit.script(model.features)
    return model


def empty():
    with torch.device("meta"):
        return Net()
"""


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "net.py").write_text(FILE)
    return lambda name: f"{tmp_path / 'net.py'}:{name}"


def found(model) -> torch.Tensor:
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    out = CAM(model, (32, 32))(x, "all")
    with torch.no_grad():
        torch.testing.assert_close(out.maps.mean((-2, -1)) + out.offset, model(x))
    return out.maps


def test_a_train_that_returns_nothing(spec, tmp_path):
    plain, frozen = load_classifier(spec("Net")), load_classifier(spec("Frozen"))
    assert not any(module.training for module in frozen.model.modules())
    torch.testing.assert_close(found(frozen.model), found(plain.model), rtol=0, atol=0)
    pooled = replace_pool(frozen.model, GlobalMaxPool2d(), (32, 32))
    assert CAM(pooled, (32, 32)).head.kind == "max pooling"
    assert set_output_stride(frozen.model, 1, size=(32, 32)) is not None
    path = tmp_path / "w.safetensors"
    save_checkpoint(path, frozen.model, frozen.card())
    again = load_classifier(spec("Frozen"), str(path))
    torch.testing.assert_close(found(again.model), found(plain.model), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Stubborn", "own eval\\(\\) fails \\(RuntimeError: not now\\)"), ("exported", "it was exported from")],
)
def test_a_model_without_an_eval_mode_is_refused_in_one_line(spec, name, reason):
    with pytest.raises(CamkitError, match=reason) as caught:
        load_classifier(spec(name))
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_model_that_stays_in_training_mode_is_refused(spec):
    classifier = load_classifier(spec("Awake"))
    with pytest.raises(CamkitError, match="training mode"):
        CAM(classifier.model, (32, 32))


def test_an_exported_program_is_not_told_to_call_eval():
    model = perturb(Plain())
    program = torch.export.export(model, (torch.randn(2, 3, 32, 32),)).module()
    with pytest.raises(HeadNotFound, match="exported program"):
        CAM(program, (32, 32))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_scripted_parts_inside_a_python_model_are_seen_through(spec):
    plain, scripted = load_classifier(spec("Net")), load_classifier(spec("scripted"))
    torch.testing.assert_close(found(scripted.model), found(plain.model), rtol=1e-5, atol=1e-6)


def test_a_model_without_numbers_is_refused_in_one_line(spec):
    with pytest.raises(CamkitError) as caught:
        Localizer(spec("empty"), device="cpu")
    assert "\n" not in str(caught.value)


def test_one_number_stands_for_all_channels(spec):
    assert load_classifier(spec("Net")).input == InputSpec((32, 32), 37, (0.5,) * 3, (0.25,) * 3)


class Grey(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.features[0] = nn.Conv2d(1, 8, 3, 2, 1)


def test_a_grey_networks_output_stride():
    model = perturb(Grey())
    fine = set_output_stride(model, 2, size=(32, 32))
    assert CAM(fine, (32, 32)).head.map_size == (16, 16)
