"""Learning rates and groups, against PyTorch's own schedulers and by hand."""

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from camkit.training.optimizer import make_optimizer, set_learning_rate
from camkit.training.schedules import schedule
from camkit.training.settings import TrainSettings

EPOCHS, STEPS = 6, 5


def settings(**values):
    return TrainSettings(dataset="shapes", root="", epochs=EPOCHS, **values)


def expected(make):
    """The rates that a scheduler of PyTorch sets, step by step, from 1 at its highest."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(EPOCHS * STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(
    ("values", "make"),
    [
        ({"schedule": "constant"}, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
        ({"schedule": "cosine"}, lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS)),
        (
            {"milestones": (2, 5), "gamma": 0.3},
            lambda o: lr_scheduler.MultiStepLR(o, [2 * STEPS, 5 * STEPS], gamma=0.3),
        ),
        (
            {"schedule": "one-cycle", "rise": 0.15},
            lambda o: lr_scheduler.OneCycleLR(o, 1.0, EPOCHS * STEPS, pct_start=0.15, cycle_momentum=False),
        ),
    ],
    ids=["constant", "cosine", "multistep", "one-cycle"],
)
def test_schedules_are_pytorchs(values, make):
    share = schedule(settings(**values), STEPS)
    assert [share(step) for step in range(EPOCHS * STEPS)] == pytest.approx(expected(make), rel=1e-9)


def test_new_layers_learn_ten_times_as_fast_and_norms_need_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    optimizer = make_optimizer(model, {"2.weight", "2.bias"}, settings(lr=0.1, weight_decay=0.5, decay_norms=False))
    set_learning_rate(optimizer, 0.5)
    found = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            name = next(name for name, own in model.named_parameters() if own is parameter)
            found[name] = (group["lr"], group["weight_decay"])
    assert found == {
        "0.weight": (0.05, 0.5),
        "0.bias": (0.05, 0.0),
        "1.weight": (0.05, 0.0),
        "1.bias": (0.05, 0.0),
        "2.weight": (0.5, 0.5),
        "2.bias": (0.5, 0.0),
    }


@pytest.mark.parametrize("new", [set(), {"weight", "bias"}])
def test_without_pretrained_layers_nothing_is_faster(new):
    optimizer = make_optimizer(nn.Linear(2, 2), new, settings(lr=0.1))
    assert {group["lr"] for group in optimizer.param_groups} == {0.1}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {5e-4}
