"""Classifiers by name: each source, its preprocessing and its mistakes."""

import os
import sys
import urllib.request
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from camkit.errors import CamkitError
from camkit.input_spec import InputSpec
from camkit.models import Card, TinyResNet, load_classifier, model_names, save_checkpoint

USUAL = InputSpec()
FACTORY = """
import torch
from torch import nn

class Wrapped(nn.Sequential):
    pass

def small():
    return Wrapped(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).double().train()

def broken():
    raise RuntimeError("no \\n luck")

def number():
    return 3

def needy(width):
    return nn.Linear(width, 2)
"""


def refusal(spec: str, weights: str | None = "DEFAULT") -> str:
    with pytest.raises(CamkitError) as caught:
        load_classifier(spec, weights)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def factory_file(tmp_path):
    def write(text: str = "") -> Path:
        path = tmp_path / "mine.py"
        path.write_text(FACTORY + text)
        return path

    return write


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """An empty cache, and a proxy that nobody answers at."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)
    return tmp_path / "hub" / "checkpoints"


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


# Names


def test_every_torchvision_classifier_is_listed():
    names = [name for source, name in model_names() if source == "torchvision"]
    assert len(names) >= 80
    assert {"resnet50", "vgg16", "googlenet", "swin_v2_t", "densenet121"} <= set(names)
    assert ("camkit", "tiny") in model_names()


@pytest.mark.parametrize("typo", ["resnet5O", "ResNet50", "resnet-50"])
def test_a_typo_gets_the_near_names(typo):
    message = refusal(typo)
    assert "resnet50" in message
    assert "camkit models" in message


def test_a_hostile_name_stays_on_one_line():
    assert "\x1b" not in refusal("../\x1b[2J\nresnet")


# torchvision


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("squeezenet1_1", USUAL),
        ("efficientnet_b0", InputSpec(interpolation="bicubic")),
        ("inception_v3", InputSpec((299, 299), 342)),
    ],
)
def test_random_weights_keep_the_published_preprocessing(name, expected):
    loaded = load_classifier(name, "none")
    assert loaded.input == expected
    assert loaded.weights == "none (random)"
    assert loaded.class_names is None
    assert not loaded.model.training


def test_none_as_a_value_is_none_as_a_word():
    assert load_classifier("squeezenet1_1", None).weights == load_classifier("squeezenet1_1", "NONE").weights


def test_without_network_and_cache_one_line_says_which_file_belongs_where(offline):
    message = refusal("squeezenet1_1")
    assert "squeezenet1_1-b8a52dc0.pth" in message
    assert str(offline / "squeezenet1_1-b8a52dc0.pth") in message
    assert "--weights FILE" in message
    assert list(offline.iterdir()) == []  # no half of a download stays behind


@pytest.mark.parametrize("weights", ["DEFAULT", "default", "IMAGENET1K_V1", "SqueezeNet1_1_Weights.IMAGENET1K_V1"])
def test_a_cached_file_is_used_without_a_network(offline, weights):
    truth = models.squeezenet1_1(weights=None)
    offline.mkdir(parents=True)
    torch.save(truth.state_dict(), offline / "squeezenet1_1-b8a52dc0.pth")
    loaded = load_classifier("squeezenet1_1", weights)
    assert same_weights(loaded.model, truth)
    assert loaded.weights == "SqueezeNet1_1_Weights.IMAGENET1K_V1"
    assert loaded.class_names is not None
    assert loaded.class_names[:1] + loaded.class_names[-1:] == ("tench", "toilet tissue")


def test_a_damaged_cached_file_is_named(offline):
    offline.mkdir(parents=True)
    (offline / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"half")
    assert "squeezenet1_1-b8a52dc0.pth: damaged" in refusal("squeezenet1_1")


def test_neither_file_nor_published_weights():
    message = refusal("resnet50", "IMAGENET1K_V9")
    assert "IMAGENET1K_V2" in message
    assert "neither a file" in message


@pytest.mark.parametrize(("name", "classes"), [("squeezenet1_1", 7), ("resnet18", 7), ("resnet18", 1000)])
def test_a_file_decides_the_number_of_classes(tmp_path, name, classes):
    truth, path = models.get_model(name, weights=None, num_classes=classes), tmp_path / "w.safetensors"
    save_file(truth.state_dict(), path)
    loaded = load_classifier(name, str(path))
    assert same_weights(loaded.model, truth)
    assert loaded.weights == f"file {path}"
    assert loaded.input == USUAL
    assert (loaded.class_names is None) == (classes != 1000)


def test_a_checkpoint_of_another_architecture_says_which_keys_differ(tmp_path):
    path = tmp_path / "w.pt"
    torch.save(models.squeezenet1_1(weights=None, num_classes=4).state_dict(), path)
    message = refusal("resnet18", str(path))
    assert str(path) in message
    assert "missing ('conv1.weight'" in message
    assert "unexpected ('features.0.weight'" in message


def test_a_googlenet_file_with_side_heads_loads_and_runs_without_them(tmp_path):
    truth = models.googlenet(weights=None, num_classes=5, init_weights=False, aux_logits=True, transform_input=True)
    torch.save(truth.state_dict(), tmp_path / "w.pt")
    model = load_classifier("googlenet", str(tmp_path / "w.pt")).model
    images = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(model(images), truth.eval()(images))
    assert not any(key.startswith("aux") for key in model.state_dict())


def test_densenet_files_with_dots_in_their_names_load(tmp_path):
    truth = models.densenet121(weights=None, num_classes=3)
    dotted = {
        key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for key, value in truth.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in dotted
    torch.save(dotted, tmp_path / "w.pt")
    assert same_weights(load_classifier("densenet121", str(tmp_path / "w.pt")).model, truth)


def test_mnasnet_loads_from_a_file_that_states_no_version(tmp_path):
    truth = models.mnasnet0_5(weights=None, num_classes=3)
    save_file(truth.state_dict(), tmp_path / "w.safetensors")
    assert same_weights(load_classifier("mnasnet0_5", str(tmp_path / "w.safetensors")).model, truth)


# A user's factory


def test_a_factory_is_taken_as_it_returns_the_model(factory_file):
    spec = f"{factory_file()}:small"
    loaded = load_classifier(spec)
    assert type(loaded.model).__name__ == "Wrapped"
    assert not loaded.model.training
    assert loaded.model[0].weight.dtype == torch.float32
    assert (loaded.name, loaded.input, loaded.class_names) == (spec, USUAL, None)
    assert loaded.weights == "as the factory returns it"


def test_a_factory_module_states_its_input_and_labels(factory_file, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    path = factory_file("MEAN = [0, 0, 0]\nSTD = (1, 0.5, 1)\nSIZE = (64, 96)\nRESIZE = 80\nLABELS = 'names.txt'\n")
    loaded = load_classifier(f"{path}:small")
    assert loaded.input == InputSpec((64, 96), 80, (0, 0, 0), (1, 0.5, 1))
    assert loaded.class_names == ("cat", "dog")


def test_the_short_side_follows_the_size_in_the_usual_proportion(factory_file):
    assert load_classifier(f"{factory_file('SIZE = 112')}:small").input == InputSpec((112, 112), 128)


def test_labels_beside_the_file_are_not_taken_unasked(factory_file, tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    assert load_classifier(f"{factory_file()}:small").class_names is None


@pytest.mark.parametrize(
    "line",
    [
        "MEAN = (0.5, 0.5)",
        "MEAN = 'grey'",
        "STD = (1, 0, 1)",
        "STD = (1, float('nan'), 1)",
        "SIZE = 22.4",
        "SIZE = 0",
        "RESIZE = 'large'",
        "LABELS = [1, 2]",
        "LABELS = 'absent.txt'",
    ],
)
def test_a_variable_that_makes_no_sense_is_named(factory_file, line):
    message = refusal(f"{factory_file(line)}:small")
    assert line.split()[0] in message
    assert "mine.py" in message


def test_weights_go_into_a_factorys_model(factory_file, tmp_path):
    spec = f"{factory_file()}:small"
    truth = load_classifier(spec).model
    save_file(truth.state_dict(), tmp_path / "w.safetensors")
    loaded = load_classifier(spec, str(tmp_path / "w.safetensors"))
    assert same_weights(loaded.model, truth)
    assert loaded.weights == f"file {tmp_path / 'w.safetensors'}"


def test_what_lies_beside_the_file_can_be_imported_and_the_path_is_given_back(factory_file, tmp_path):
    (tmp_path / "layers_beside_mine.py").write_text("from torch.nn import Identity\n")
    before = list(sys.path)
    path = factory_file("from layers_beside_mine import Identity\n")
    assert isinstance(load_classifier(f"{path}:Identity").model, nn.Identity)
    assert sys.path == before


def test_two_files_of_one_name_are_two_modules(tmp_path):
    made = []
    for folder, width in (("a", 2), ("b", 3)):
        (tmp_path / folder).mkdir()
        path = tmp_path / folder / "model.py"
        path.write_text(f"from torch import nn\ndef net(): return nn.Linear({width}, 1)\n")
        made.append(load_classifier(f"{path}:net").model)
    assert [model.in_features for model in made] == [2, 3]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("smal", "did you mean small?"),
        ("broken", "RuntimeError: no luck"),
        ("number", "returned a int"),
        ("needy", "missing 1 required positional argument: 'width'"),
    ],
)
def test_a_factory_that_fails_says_how(factory_file, name, said):
    assert said in refusal(f"{factory_file()}:{name}")


def test_a_file_without_a_factory_named_lists_those_it_has(factory_file):
    assert "small" in refusal(str(factory_file()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_that_name", "nothing_of_that_name"),
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(factory_file, text, said):
    assert said in refusal(f"{factory_file(text)}:small")


def test_a_missing_file(tmp_path):
    assert "no such file" in refusal(f"{tmp_path}/absent.py:small")


# tiny


def test_tiny_from_a_file_is_what_its_header_says(tmp_path):
    path, truth = tmp_path / "w.safetensors", TinyResNet(3)
    spec = InputSpec((96, 96), 96, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    save_checkpoint(path, truth.half(), Card("tiny", 3, spec, ("cat", "dog", "cup")))
    loaded = load_classifier("tiny", str(path))
    assert same_weights(loaded.model, truth.float())
    assert loaded.input == spec
    assert loaded.class_names == ("cat", "dog", "cup")


def test_tiny_refuses_a_file_of_another_model(tmp_path):
    save_file(models.squeezenet1_1(weights=None).state_dict(), tmp_path / "w.safetensors")
    assert "header" in refusal("tiny", str(tmp_path / "w.safetensors"))
    assert ".safetensors" in refusal("tiny", str(tmp_path / "w.pt"))


@pytest.mark.skipif(
    not Path(TinyResNet.__init__.__code__.co_filename).with_name("tiny.safetensors").exists(),
    reason="this checkout has no weights of tiny",
)
def test_the_embedded_tiny_loads():
    loaded = load_classifier("tiny")
    assert loaded.class_names is not None
    with torch.inference_mode():
        assert loaded.model(torch.rand(1, 3, *loaded.input.size)).shape == (1, len(loaded.class_names))


# timm


def test_timm_is_named_with_its_remedy_where_it_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    assert "pip install 'camkit[timm]'" in refusal("timm:resnet18")


def test_timm_models_bring_their_own_preprocessing(tmp_path):
    pytest.importorskip("timm")
    loaded = load_classifier("timm:resnet18", "none")
    assert loaded.input.size == (224, 224)
    assert loaded.input.interpolation in ("bilinear", "bicubic")
    truth = sys.modules["timm"].create_model("resnet18", num_classes=5)
    torch.save(truth.state_dict(), tmp_path / "w.pt")
    assert same_weights(load_classifier("timm:resnet18", str(tmp_path / "w.pt")).model, truth)
    assert "resnet18" in refusal("timm:resnet-18")


# A real network


@pytest.mark.skipif("CAMKIT_REAL" not in os.environ, reason="CAMKIT_REAL names no folder of real weights")
def test_a_real_mobilenet_loads_with_its_own_preprocessing():
    folder = Path(os.environ["CAMKIT_REAL"]) / "mobilenet_v2"
    loaded = load_classifier(f"{folder / 'model.py'}:mobilenet_v2", str(folder / "weights.safetensors"))
    assert loaded.input == InputSpec((224, 224), 256, (128 / 255,) * 3, (128 / 255,) * 3)
    assert {value.dtype for value in loaded.model.state_dict().values()} == {torch.float32}
    with torch.inference_mode():
        assert loaded.model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
