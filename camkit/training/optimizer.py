"""SGD with Nesterov's momentum, over the papers' groups: layers that are new learn faster than pretrained ones."""

from collections.abc import Collection

from torch import nn
from torch.optim import SGD

from camkit.training.settings import TrainSettings


def make_optimizer(model: nn.Module, new: Collection[str], settings: TrainSettings) -> SGD:
    """An optimizer whose groups remember their highest learning rate as ``highest_lr``.

    Parameters
    ----------
    model : nn.Module
    new : collection of str
        Names of the parameters that do not start from pretrained weights. Where none or all do, there is nothing to
        tell apart, and all learn at `settings.lr`.
    settings : TrainSettings
    """
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    faster = settings.lr_new if 0 < len(new) < len(named) else 1.0
    groups = []
    for is_new, lr in ((False, settings.lr), (True, settings.lr * faster)):
        for is_plain, decay in ((False, settings.weight_decay), (True, settings.decay_norms * settings.weight_decay)):
            members = [p for name, p in named.items() if (name in new) == is_new and (p.ndim == 1) == is_plain]
            if members:
                groups.append({"params": members, "lr": lr, "highest_lr": lr, "weight_decay": decay})
    return SGD(groups, momentum=settings.momentum, nesterov=True)


def set_learning_rate(optimizer: SGD, share: float) -> None:
    """Each group's learning rate as a share of its highest."""
    for group in optimizer.param_groups:
        group["lr"] = share * group["highest_lr"]
