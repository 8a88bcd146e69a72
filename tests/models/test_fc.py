"""A fine-tuned fc laid over a model, and files that do not fit."""

import pytest
import torch
from safetensors.torch import save_file

from camkit.errors import CamkitError
from camkit.models import fc_file, load_classifier, with_fc


def test_only_the_tensors_of_the_file_change(tmp_path):
    weight = torch.rand(100, 192)
    bias = load_classifier("tiny").model.fc.bias.detach()
    save_file({"fc.weight": weight, "fc.bias": bias}, tmp_path / "fc.safetensors")
    before, after = load_classifier("tiny"), with_fc(load_classifier("tiny"), tmp_path / "fc.safetensors")
    assert torch.equal(after.model.fc.weight, weight)
    old, new = before.model.state_dict(), after.model.state_dict()
    assert [name for name in old if not torch.equal(old[name], new[name])] == ["fc.weight"]
    assert after.weights == f"{before.weights}, fc from {tmp_path / 'fc.safetensors'}"


def test_a_file_knows_the_backbone_that_it_belongs_to(tmp_path):
    classifier = load_classifier("tiny")
    state = {"fc.weight": torch.rand(100, 192), "fc.bias": torch.rand(100)}
    path = tmp_path / "fc.safetensors"
    path.write_bytes(fc_file(classifier.model, state))
    assert torch.equal(with_fc(load_classifier("tiny"), path).model.fc.weight, state["fc.weight"])
    with torch.no_grad():
        next(classifier.model.parameters())[0] += 1
    before = classifier.model.fc.weight.detach().clone()
    with pytest.raises(CamkitError, match="its backbone has other weights; give the model"):
        with_fc(classifier, path)
    assert torch.equal(classifier.model.fc.weight, before)


def test_a_whole_classifier_is_no_fc(tmp_path):
    save_file(load_classifier("tiny").model.state_dict(), tmp_path / "model.safetensors")
    with pytest.raises(CamkitError, match="a whole classifier: give it as --model or --weights"):
        with_fc(load_classifier("tiny"), tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"fc.weight": torch.rand(10, 192), "fc.bias": torch.rand(100)}, "another shape"),
        ({"fc.weight": torch.rand(100, 192)}, r"1 missing \('fc.bias'\)"),
        ({"head.weight": torch.rand(100, 192)}, "1 unexpected"),
        ({"fc.weight": torch.full((100, 192), torch.nan)}, "NaN"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(tmp_path, tensors, said):
    save_file(tensors, tmp_path / "fc.safetensors")
    classifier = load_classifier("tiny")
    before = classifier.model.fc.weight.detach().clone()
    with pytest.raises(CamkitError, match=said):
        with_fc(classifier, tmp_path / "fc.safetensors")
    assert torch.equal(classifier.model.fc.weight, before)
