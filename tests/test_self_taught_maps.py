"""The example's drop of a logit, where it is known by hand."""

import importlib.util
from pathlib import Path

import torch
from torch import nn

EXAMPLE = Path(__file__).parents[1] / "examples" / "self_taught_maps.py"


def test_a_linear_networks_drop_is_what_each_square_held():
    """Logits that are sums of pixels drop by the sum under the square: a slow sum over all squares of each position."""
    spec = importlib.util.spec_from_file_location("self_taught_maps", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 1, 16, 16, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 256, generator=generator, dtype=torch.float64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(256, 3, bias=False)).double()
    network[1].weight.data = weight
    classes = torch.tensor([[0, 2], [1, 0]])
    found = module.drop(network)(images, classes)
    assert found.shape == (2, 2, 8, 8)
    for n in range(2):
        for k, label in enumerate(classes[n].tolist()):
            parts = weight[label].reshape(16, 16) * images[n, 0]
            for y in range(8):
                for x in range(8):
                    drops = [parts[2 * r : 2 * r + 4, 2 * c : 2 * c + 4].sum()
                             for r in range(max(y - 1, 0), min(y, 6) + 1)
                             for c in range(max(x - 1, 0), min(x, 6) + 1)]  # fmt: skip
                    assert torch.isclose(found[n, k, y, x], torch.stack(drops).mean())
