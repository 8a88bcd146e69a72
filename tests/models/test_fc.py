"""A fine-tuned fc laid over a model, and files that do not fit."""

import pytest
import torch
from safetensors.torch import save_file

from camkit.errors import CamkitError
from camkit.models import load_classifier, with_fc


def test_only_the_tensors_of_the_file_change(tmp_path):
    weight = torch.rand(100, 192)
    save_file({"fc.weight": weight}, tmp_path / "fc.safetensors")
    before, after = load_classifier("tiny"), with_fc(load_classifier("tiny"), tmp_path / "fc.safetensors")
    assert torch.equal(after.model.fc.weight, weight)
    old, new = before.model.state_dict(), after.model.state_dict()
    assert [name for name in old if not torch.equal(old[name], new[name])] == ["fc.weight"]
    assert after.weights == f"{before.weights}, fc from {tmp_path / 'fc.safetensors'}"


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"fc.weight": torch.rand(10, 192)}, "another shape"),
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
