"""SGD with Nesterov's momentum, over the papers' groups: layers that are new learn faster than pretrained ones."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.optim import SGD

from camkit.training.settings import TrainSettings


def make_optimizer(
    model: nn.Module,
    new: Collection[str],
    settings: TrainSettings,
    beside: Mapping[str, tuple[nn.Module, float | None]] = MappingProxyType({}),
) -> SGD:
    """An optimizer whose groups remember their highest learning rate as ``highest_lr``.

    Parameters
    ----------
    model : nn.Module
    new : collection of str
        Names of the parameters that do not start from pretrained weights. Where none or all do, there is nothing to
        tell apart, and all learn at `settings.lr`.
    settings : TrainSettings
    beside : mapping from name to module and factor
        What a method trains beside the model, and its times `settings.lr`; None: `settings.lr_new`, unless all of the
        model is new as well.
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    faster = settings.lr_new if 0 < len(new) < len(named) else 1.0
    groups = []
    for is_new, lr in ((False, settings.lr), (True, settings.lr * faster)):
        groups += _groups([p for name, p in named.items() if (name in new) == is_new], lr, settings)
    fresh = settings.lr_new if len(new) < len(named) else 1.0
    for module, factor in beside.values():
        own = [parameter for parameter in module.parameters() if parameter.requires_grad]
        groups += _groups(own, settings.lr * (fresh if factor is None else factor), settings)
    return SGD(groups, momentum=settings.momentum, nesterov=True)


def _groups(parameters: list[nn.Parameter], lr: float, settings: TrainSettings) -> list[dict[str, Any]]:
    """Weights, then norms and biases, those that there are."""
    groups = []
    for is_plain, decay in ((False, settings.weight_decay), (True, settings.decay_norms * settings.weight_decay)):
        members = [p for p in parameters if (p.ndim == 1) == is_plain]
        if members:
            groups.append({"params": members, "lr": lr, "highest_lr": lr, "weight_decay": decay})
    return groups


def set_learning_rate(optimizer: SGD, share: float) -> None:
    """Each group's learning rate as a share of its highest."""
    for group in optimizer.param_groups:
        group["lr"] = share * group["highest_lr"]
