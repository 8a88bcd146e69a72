"""MinMaxCAM's second stage for the training loop."""

from torch import nn
from torch.optim import SGD

from camkit.cam import CAM, find_fc
from camkit.training.minmax.settings import Descent
from camkit.training.minmax.stages import StageTwo
from camkit.training.settings import TrainSettings


def make_stage_two(model: nn.Module, optimizer: SGD, settings: TrainSettings) -> StageTwo:
    """Stage II with the rate, momentum and decay that fc's weight has in stage I, and a momentum buffer of its own.

    Parameters
    ----------
    model : nn.Module
        On its device; it is in eval mode afterwards.
    optimizer : SGD
        Stage I's, by `make_optimizer`; stage II's rate falls with it, by `set_learning_rate`.
    settings : TrainSettings

    Raises
    ------
    CamkitError
        The model's head cannot be found, or its class maps are not made by one linear layer.
    """
    side = settings.size[-1]
    model.eval()
    cam = CAM(model, (side, side))
    fc = find_fc(cam.model, cam.head).weight
    (own,) = (group for group in optimizer.param_groups if any(one is fc for one in group["params"]))
    stage_two = StageTwo(cam, settings.stage_two, Descent(own["lr"], settings.momentum, own["weight_decay"]))
    stage_two.optimizer.param_groups[0]["highest_lr"] = own["highest_lr"]
    return stage_two
