"""Hugging Face's networks by name: what transformers gives, read without running anything."""

import json
import shutil

import pytest
import torch

pytest.importorskip("transformers", reason="needs transformers: pip install 'camkit[hf]'")

import hf_networks
from hf_networks import CLASSES, MEAN_POOLED, NETWORKS, PROCESSORS

from camkit import CAM, CamkitError, Localizer, load_classifier
from camkit.models import Card, build


def refusal(spec, weights="DEFAULT", **named) -> str:
    with pytest.raises(CamkitError) as caught:
        load_classifier(spec, weights, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def resnet(tmp_path):
    """A folder with a network, which tests change."""
    model = hf_networks.network("resnet")
    return model, tmp_path, hf_networks.save(model, tmp_path)


def rewrite(path, **changes) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("family", NETWORKS)
def test_each_family_says_what_it_says_in_transformers(family, tmp_path):
    model = hf_networks.network(family)
    classifier = load_classifier(hf_networks.save(model, tmp_path))
    assert classifier.class_names == tuple(CLASSES.values())
    side = 64 if family == "mobilenet" else 32
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(classifier.model(images), model(pixel_values=images).logits, rtol=0, atol=0)
    if family in MEAN_POOLED:
        cam = CAM(classifier.model, (side, side))
        out = cam(images, "all", "signed")
        torch.testing.assert_close(out.maps.mean((-2, -1)) + out.offset, out.logits, rtol=1e-4, atol=1e-5)


def test_a_localizer_runs_with_the_folders_own_preprocessing(tmp_path):
    spec = hf_networks.save(hf_networks.network("convnext"), tmp_path, PROCESSORS["clip"]())
    localizer = Localizer(spec, device="cpu")
    assert (localizer.preprocess.spec.size, localizer.preprocess.spec.resize) == ((32, 32), 40)
    (found,) = localizer(
        torch.randint(0, 255, (3, 60, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    )
    assert found.name in CLASSES.values()


def test_names_that_nobody_gave_are_none(tmp_path):
    torch.manual_seed(0)
    import transformers as tf

    model = tf.ResNetForImageClassification(tf.ResNetConfig(**hf_networks.SMALL, num_labels=4)).eval()
    assert load_classifier(hf_networks.save(model, tmp_path)).class_names is None


def test_a_pickle_is_read_and_nothing_in_it_runs(resnet):
    model, folder, spec = resnet
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load_classifier(spec).model(images), model(pixel_values=images).logits)
    ran = folder / "ran"
    torch.save({"resnet": Touch(str(ran))}, folder / "pytorch_model.bin")
    assert "could run code" in refusal(spec)
    assert not ran.exists()


class Touch:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.path}",)


def test_code_in_a_folder_never_runs(resnet):
    _, folder, spec = resnet
    (folder / "mine.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\n")
    rewrite(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Mine"})
    assert "config.json makes no network" in refusal(spec)
    assert not (folder / "ran").exists()


def test_weights_that_lack_something_are_refused(resnet):
    model, folder, spec = resnet
    state = model.state_dict()
    torch.save({k: v for k, v in state.items() if "classifier" not in k}, folder / "half.bin")
    assert "lack 'classifier.1.bias'" in refusal(spec, str(folder / "half.bin"))
    torch.save({**state, "classifier.1.bias": torch.zeros(7)}, folder / "other.bin")
    assert "other shapes in 'classifier.1.bias'" in refusal(spec, str(folder / "other.bin"))
    torch.save({**state, "extra.weight": torch.zeros(7)}, folder / "more.bin")
    assert load_classifier(spec, str(folder / "more.bin")).weights.endswith("(without 'extra.weight')")


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("preprocessor_config.json", "no preprocessor_config.json"),
        ("model.safetensors", "no model.safetensors"),
        ("config.json", "config.json makes no network"),
    ],
)
def test_what_a_folder_lacks_is_named(resnet, gone, said):
    _, folder, spec = resnet
    (folder / gone).unlink()
    assert said in refusal(spec)


def test_configurations_that_are_no_classifier(resnet):
    _, folder, spec = resnet
    rewrite(folder / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    assert "quantised" in refusal(spec)
    (folder / "config.json").write_text(json.dumps({"model_type": "timm_wrapper", "architecture": "resnet18"}))
    assert "--model timm:resnet18" in refusal(spec)
    (folder / "config.json").write_text(json.dumps({"architecture": "resnet18", "pretrained_cfg": {}}))
    assert "--model timm:resnet18" in refusal(spec)
    (folder / "adapter_config.json").write_text("{}")
    assert "adapter" in refusal(spec)
    assert "no such folder" in refusal(f"hf:{folder}/elsewhere")


def test_a_processor_that_flips_colours_is_refused(resnet):
    import transformers as tf

    _, folder, spec = resnet
    tf.MobileViTImageProcessor().save_pretrained(folder)
    assert "do_flip_channel_order" in refusal(spec)


def test_without_a_network_the_hubs_cache_is_read(resnet, tmp_path, monkeypatch):
    import huggingface_hub

    model, folder, _ = resnet
    cache = tmp_path / "cache"
    snapshot = cache / "models--me--net" / "snapshots" / "abc"
    (cache / "models--me--net" / "refs").mkdir(parents=True)
    (cache / "models--me--net" / "refs" / "main").write_text("abc")
    snapshot.mkdir(parents=True)
    for file in folder.glob("*.*"):
        shutil.copy(file, snapshot)
    download = huggingface_hub.snapshot_download

    def from_cache(name, **named):
        return download(name, **{**named, "cache_dir": cache, "local_files_only": True})

    monkeypatch.setattr(huggingface_hub, "snapshot_download", from_cache)
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load_classifier("hf:me/net").model(images), model(pixel_values=images).logits)
    assert "neither a folder here nor in the hub's cache" in refusal("hf:me/other")


def test_a_card_builds_the_network_with_other_classes(resnet):
    _, _, spec = resnet
    classifier = load_classifier(spec)
    card = classifier.card()
    assert (card.model, card.num_classes, card.class_names) == (spec, 3, tuple(CLASSES.values()))
    again = build(Card(spec, 7, classifier.input))
    with torch.no_grad():
        assert again(torch.rand(1, 3, 32, 32)).shape == (1, 7)
    assert again.state_dict().keys() == classifier.model.state_dict().keys()


def test_without_transformers_one_line_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'camkit[hf]'" in refusal("hf:me/net")
