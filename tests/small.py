"""Small real networks for the tests."""

import gc

import torch
import torch.nn.functional as F
from torch import nn


def perturb(model: nn.Module, seed: int = 0) -> nn.Module:
    """Norms with statistics of their own: a freshly initialised network hides mistakes."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(getattr(module, "running_mean", None), torch.Tensor):
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
            if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return model.eval()


def state(model: nn.Module) -> dict[str, list[object]]:
    """All that camkit could leave behind."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": [len(getattr(module, name)) for module in model.modules() for name in hooks],
        "modes": [module.training for module in model.modules()],
        "grads": [p.grad is None for p in model.parameters()],
        "requires": [p.requires_grad for p in model.parameters()],
        "versions": [t._version for t in (*model.parameters(), *model.buffers())],
        "places": [(t.data_ptr(), t.dtype, t.device) for t in (*model.parameters(), *model.buffers())],
        "attributes": [sorted(vars(module)) for module in model.modules()],
    }


def tensors() -> tuple[int, int]:
    """Number and bytes of all tensors that are alive."""
    gc.collect()
    alive = [t for t in gc.get_objects() if isinstance(t, torch.Tensor)]
    return len(alive), sum(t.numel() * t.element_size() for t in alive)


class Plain(nn.Module):
    """Two convolutions, global average pooling, a linear layer: 4 pixels to a position."""

    def __init__(self, num_classes: int = 5, channels: int = 8, bias: bool = True) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 2, 1),
            nn.ReLU(),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.features(x)).flatten(1))


class Functional(Plain):
    """The same, with a ReLU and a mean that no module owns."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.features[3](self.features[:3](x)) - 0.1)
        return self.fc(y.mean((2, 3)))
