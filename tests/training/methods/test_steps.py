"""The papers' backbones at 224: an exact head, and one step under a method that reaches inside them."""

import pytest
import torch

from camkit import CAM
from camkit.models import BACKBONES
from camkit.training.methods import load_method

METHOD = {"vgg16": "adl", "resnet50": "adl", "resnet50-se": "cutmix", "mobilenet-v1": "has",
          "mobilenet-v2": "adl", "googlenet": "adl", "inception-v3": "has"}  # fmt: skip


@pytest.mark.parametrize("name", METHOD)
def test_one_step(name):
    backbone, method = BACKBONES[name], load_method(METHOD[name])
    torch.manual_seed(0)
    model = backbone.build(3).eval()
    head = CAM(model, (32, 32)).head
    assert (head.kind, head.num_classes) == ("exact", 3)
    assert head.completeness < 1e-4
    method.attach(model.train(), backbone.adl_at)
    images, labels = method.mix(torch.randn(1, 3, *backbone.input.size), torch.tensor([2]), 3)
    method.loss(model(images), labels).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
