"""Models of other libraries by name, before any library is loaded: what is told is what the library would say."""

from importlib.util import find_spec

import pytest

from camkit.cli import elsewhere
from camkit.cli.elsewhere import former_timm_names, open_clip_names, refusal, timm_names


def test_timms_names_are_its_registrys():
    timm = pytest.importorskip("timm")
    known = set(timm_names())
    assert set(timm.list_models()) <= known | former_timm_names()
    assert all(map(timm.is_model, known | former_timm_names()))


def test_open_clips_names_are_its_configurations():
    open_clip = pytest.importorskip("open_clip")
    assert set(open_clip_names()) == set(open_clip.list_models())


@pytest.mark.skipif(not find_spec("timm") or not find_spec("transformers"), reason="needs timm and transformers")
def test_what_is_told_and_what_is_let_pass(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "network").mkdir()
    (tmp_path / "network/config.json").touch()
    for spec in ("timm:resnet50", "timm:resnet50.a1_in1k", "timm:vit_base_patch16_224_in21k", "hf:microsoft/resnet-18",
                 "hf:nowhere", f"hf:{tmp_path}/network"):  # fmt: skip
        assert refusal(spec) == ""  # a hub's name may be right: only the hub knows
    for spec, said in {
        "timm:resnt50": "timm has no model 'resnt50'; did you mean resnet50",
        "timm:resnt50.a1_in1k": "timm has no model 'resnt50.a1_in1k'; did you mean resnet50",
        "timm:": "timm has no model ''",
        f"hf:{tmp_path}/nothing": "no such folder; give one with config.json and model.safetensors",
        "hf:a/b/c": "no such folder",
        "hf:./network": "no such folder",
        "hf:": "no such folder",
        f"hf:{tmp_path}/empty": "that folder has no config.json",
    }.items():
        assert said in refusal(spec)


@pytest.mark.skipif(not find_spec("open_clip"), reason="needs open_clip")
def test_a_file_of_weights_that_is_not_there(tmp_path):
    (tmp_path / "w.pt").touch()
    assert refusal(f"open_clip:RN50@{tmp_path}/w.pt") == refusal("open_clip:RN50@openai") == ""
    assert refusal(f"open_clip:RN50@{tmp_path}/v.pt").endswith("there is no such file of weights")
    assert "open_clip has no model 'RN51'; did you mean RN50" in refusal("open_clip:RN51@openai")


def test_an_extra_that_is_missing_is_told_at_once(monkeypatch):
    monkeypatch.setattr(elsewhere, "find_spec", lambda _: None)
    for spec, extra in (("timm:resnet50", "timm"), ("hf:a/b", "hf"), ("open_clip:RN50@openai", "clip")):
        assert refusal(spec).endswith(f"which is not installed; run pip install 'camkit[{extra}]'")
