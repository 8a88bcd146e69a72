"""CLIP and SigLIP with text embeddings as classes: the libraries' own logits, and complete maps."""

import csv
import json

import numpy as np
import pytest
import torch
from small import perturb
from torch import nn
from torch.nn.functional import normalize

from camkit import CAM, CamkitError, load_classifier
from camkit.models import read_embeddings, write_embeddings
from camkit.models.zero_shot import ZeroShot

NAMES = ("cat", "dog", "a bird, perhaps")
ENCODER = """
import torch
from torch import nn
MEAN = STD = 0.5
SIZE = 32

def encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6))
"""


def rows(channels=6, classes=3):
    return torch.randn(classes, channels, generator=torch.Generator().manual_seed(3))


def images(side=32, n=3):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def refusal(call) -> str:
    with pytest.raises(CamkitError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def complete(model, size) -> CAM:
    cam = CAM(model, (size, size))
    with torch.no_grad():
        out = cam(images(size), "all", "signed")
    spread = float(out.logits.max() - out.logits.min())
    assert float((out.maps.mean((-2, -1)) + out.offset - out.logits).abs().max()) < 1e-4 * spread
    return cam


@pytest.fixture
def file(tmp_path):
    def write(channels=6, **numbers):
        write_embeddings(tmp_path / "classes.safetensors", NAMES, rows(channels), **numbers)
        return tmp_path / "classes.safetensors"

    return write


@pytest.fixture
def encoder(tmp_path):
    (tmp_path / "net.py").write_text(ENCODER)
    return f"{tmp_path / 'net.py'}:encoder"


def test_the_logits_are_scaled_cosines_and_the_maps_add_up_to_them(encoder, file):
    classifier = load_classifier(encoder, classes_from=file(logit_scale=100.0, logit_bias=-10.0))
    assert classifier.class_names == NAMES
    plain = load_classifier(encoder).model
    with torch.no_grad():
        cosines = normalize(plain(images()), dim=1) @ normalize(rows(), dim=1).T
        torch.testing.assert_close(classifier.model(images()), 100 * cosines - 10)
    assert complete(classifier.model, 32).head.kind == "folded"
    assert "L2-normalised here" in classifier.weights


def test_without_a_scale_logits_are_cosines_and_that_is_said(encoder, file):
    classifier = load_classifier(encoder, classes_from=file())
    assert classifier.weights.endswith("no logit_scale is known, logits are cosines")
    with torch.no_grad():
        assert classifier.model(images()).abs().max() <= 1 + 1e-6


def test_the_three_formats_hold_the_same(tmp_path, file):
    unit = normalize(rows(), dim=1)
    np.savez(tmp_path / "c.npz", names=np.array(NAMES), embeddings=unit.numpy(), logit_scale=50.0)
    lines = [[name, *map(repr, row)] for name, row in zip(NAMES, unit.tolist(), strict=True)]
    for path, header in (("plain.csv", []), ("pandas.csv", [["", *range(6)]]), ("words.csv", [["name", *"abcdef"]])):
        with open(tmp_path / path, "w", newline="") as out:
            csv.writer(out).writerows([*header, *lines])
    for path, scale in ((file(logit_scale=50.0), 50.0), (tmp_path / "c.npz", 50.0), (tmp_path / "plain.csv", None),
                        (tmp_path / "pandas.csv", None), (tmp_path / "words.csv", None)):  # fmt: skip
        held = read_embeddings(path)
        assert held.names == NAMES
        assert held.logit_scale == scale
        torch.testing.assert_close(held.embeddings, unit)
        assert ("normalised" in held.origin) == (path.suffix == ".safetensors")


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def text(path, content):
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda f: f / "none.npz", "no such file"),
        (lambda f: text(f / "a.txt", "x"), "read from .npz, .safetensors, .csv"),
        (lambda f: text(f / "a.npz", "x"), "damaged"),
        (lambda f: text(f / "a.safetensors", "x"), "a.safetensors"),
        (lambda f: npz(f / "a.npz", embeddings=np.ones((2, 3))), "no names"),
        (lambda f: npz(f / "a.npz", names=["a"], embeddings=np.ones((2, 3))), "1 names for 2"),
        (lambda f: npz(f / "a.npz", names=np.array(["a", 3], object), embeddings=np.ones((2, 3))), "Python objects"),
        (lambda f: npz(f / "a.npz", names=["a", "b"], embeddings=np.array([[1, 2], [0, 0]])), "no numbers for 'b'"),
        (lambda f: npz(f / "a.npz", names=["a"], embeddings=np.array([[1, np.nan]])), "NaN"),
        (lambda f: npz(f / "a.npz", names=["a"], embeddings=np.ones((1, 2)), logit_scale=-1), "not above 0"),
        (lambda f: npz(f / "a.npz", names=["a", " "], embeddings=np.ones((2, 2))), "class 1 has no name"),
        (lambda f: text(f / "a.csv", "cat,1,2\ndog,1\n"), "line 2"),
        (lambda f: text(f / "a.csv", "name,a,b\ncat,1,x\n"), "line 2"),
        (lambda f: text(f / "a.csv", ""), "embeddings of shape"),
    ],
)
def test_files_that_say_no_classes(tmp_path, make, said):
    assert said in refusal(lambda: read_embeddings(make(tmp_path)))


def test_embeddings_of_another_tower_are_refused(encoder, file):
    assert "gives 6 numbers for an image" in refusal(lambda: load_classifier(encoder, classes_from=file(7)))
    assert "no_such" in refusal(lambda: load_classifier(encoder, classes_from="no_such.npz"))


def timm_encoder(name, size, **settings):
    timm = pytest.importorskip("timm", reason="needs timm: pip install 'camkit[timm]'")
    torch.manual_seed(0)
    return perturb(timm.create_model(name, pretrained=False, **settings)), size


@pytest.mark.parametrize(
    ("name", "size", "settings"),
    [
        ("convnext_atto", 64, {"num_classes": 6}),
        ("vit_tiny_patch16_224", 64, {"num_classes": 6, "img_size": 64, "global_pool": "avg", "depth": 2}),
    ],
)
def test_mean_pooled_encoders_of_timm_have_complete_maps(name, size, settings):
    encoder, size = timm_encoder(name, size, **settings)
    complete(ZeroShot(encoder, normalize(rows(), dim=1), 100.0, None).eval(), size)


def test_the_encoder_may_end_in_its_pooling():
    encoder, size = timm_encoder("convnext_atto", 64, num_classes=0)
    embeddings = normalize(rows(encoder.num_features), dim=1)
    complete(ZeroShot(encoder, embeddings, 100.0, -10.0).eval(), size)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_clip_and_a_siglip_of_transformers(kind, tmp_path, file):
    pytest.importorskip("transformers", reason="needs transformers: pip install 'camkit[hf]'")
    import hf_networks

    model = hf_networks.clip(kind)
    with torch.no_grad():
        model.logit_scale.fill_(3.0)
    spec = hf_networks.save(model, tmp_path / "clip")
    tokens = torch.tensor([[0, 5, 7, 1], [0, 9, 3, 1], [0, 4, 4, 1]])
    with torch.no_grad():
        expected = model(input_ids=tokens, pixel_values=images()).logits_per_image
        found = model.get_text_features(input_ids=tokens)
    write_embeddings(
        tmp_path / "c.safetensors", NAMES, found if isinstance(found, torch.Tensor) else found.pooler_output
    )
    classifier = load_classifier(spec, classes_from=tmp_path / "c.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(classifier.model(images()), expected, rtol=1e-4, atol=1e-4)
    assert not any("text" in name for name, _ in classifier.model.named_parameters())
    assert "--classes-from FILE" in refusal(lambda: load_classifier(spec))


def test_open_clip(tmp_path, monkeypatch):
    open_clip = pytest.importorskip("open_clip", reason="needs open_clip: pip install 'camkit[clip]'")
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16, "patch_size": None}
    config = {"embed_dim": 12, "vision_cfg": vision,
              "text_cfg": {"context_length": 8, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}}  # fmt: skip
    (tmp_path / "tiny-RN.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    torch.manual_seed(0)
    model = perturb(open_clip.create_model("tiny-RN"))
    torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, tmp_path / "w.pt")
    tokens = open_clip.get_tokenizer("tiny-RN")([f"a photo of a {name}" for name in NAMES])
    with torch.no_grad():
        texts = model.encode_text(tokens)
        cosines = normalize(model.encode_image(images()), dim=1) @ normalize(texts, dim=1).T
        expected = model.logit_scale.exp() * cosines
    write_embeddings(tmp_path / "c.safetensors", NAMES, texts, float(model.logit_scale.exp()))
    spec = f"open_clip:tiny-RN@{tmp_path / 'w.pt'}"
    classifier = load_classifier(spec, classes_from=tmp_path / "c.safetensors")
    with torch.no_grad():
        torch.testing.assert_close(classifier.model(images()), expected)
    assert (classifier.input.size, classifier.input.resize, classifier.class_names) == ((32, 32), 32, NAMES)
    assert classifier.input.mean == open_clip.OPENAI_DATASET_MEAN
    assert "no classes of its own" in refusal(lambda: load_classifier(spec))
    for name, said in (("open_clip:tiny-RN", "which weights?"), ("open_clip:tiny-RM@x", "did you mean"),
                       ("open_clip:ViT-B-32@nothing", "neither a file nor weights"),
                       ("open_clip:ViT-B-32@openai", "open_clip:ViT-B-32-quickgelu@openai")):  # fmt: skip
        assert said in refusal(lambda name=name: load_classifier(name, classes_from=tmp_path / "c.safetensors"))


def test_without_open_clip_one_line_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "open_clip", None)
    assert "pip install 'camkit[clip]'" in refusal(lambda: load_classifier("open_clip:RN50@openai"))


def test_the_head_is_affine_before_the_norm():
    """By hand: two positions, the norm of their mean."""
    encoder = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = ZeroShot(encoder, torch.tensor([[0.6, 0.8, 0.0]]), 10.0, None).eval()
    pixels = torch.tensor([[[3.0, 3.0]], [[4.0, 4.0]], [[0.0, 0.0]]])[None]
    with torch.no_grad():
        torch.testing.assert_close(model(pixels), torch.tensor([[10.0]]))
